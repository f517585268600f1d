//! What a run may use: the floor's limits, the request's time-out, and what our own member says.
//!
//! MXC has no limits but time.

use std::collections::BTreeMap;

use ringfence_plan::{Bytes, Field, Limits, Millis, RuleId};

use super::ask::{Ask, Said};
use super::problem::Problem;
use super::rules::Rules;
use crate::builtin::limits;
use crate::diagnostic::quoted;
use crate::quantity;

/// The limits of a request, on a machine with this much memory.
pub(super) fn limits(ask: &Ask, memory: Option<Bytes>, rules: &mut Rules<'_>) -> Result<Limits, Problem> {
    let mut said: BTreeMap<Field, RuleId> = BTreeMap::new();
    let mut floor = |field: Field, text: String, why: &str, rules: &mut Rules<'_>| {
        said.insert(field, rules.built_in(format!("{} = {text}", field.name()), why));
    };
    let (processes, tmp) = (limits::PROCESSES, Bytes(limits::TMP));
    floor(Field::Processes, processes.to_string(), limits::PROCESSES_WHY, rules);
    floor(Field::Tmp, tmp.to_string(), limits::TMP_WHY, rules);
    // Whole MiB, so that people can read it.
    let memory = memory.map(|Bytes(total)| Bytes((total / 4 * limits::MEMORY_QUARTERS) >> 20 << 20));
    if let Some(memory) = memory {
        floor(Field::Memory, memory.to_string(), limits::MEMORY_WHY, rules);
    }
    let mut all = Limits {
        memory,
        swap: None,
        processes: Some(processes),
        cpu: None,
        time: None,
        open_files: None,
        file_size: None,
        tmp,
        output: None,
        rules: said,
    };
    if let Some(timeout) = ask.timeout.as_ref().filter(|timeout| timeout.value > 0) {
        all.time = Some(Millis(timeout.value));
        all.rules.insert(Field::Time, rules.said(timeout, &timeout.value.to_string()));
    }
    for limit in &ask.ours.limits {
        let field =
            set(&mut all, limit).map_err(|why| limit.policy(format!("{} {why}", quoted(&limit.value))))?;
        all.rules.insert(field, rules.said(limit, &limit.value));
    }
    Ok(all)
}

/// Sets one limit by its name in our member, which is the policy language's.
fn set(all: &mut Limits, said: &Said<String>) -> Result<Field, String> {
    let text = said.value.as_str();
    let name = said.field.rsplit('.').next().unwrap_or_default();
    Ok(match name {
        "memory" => {
            all.memory = Some(quantity::size(text)?);
            Field::Memory
        }
        "swap" => {
            all.swap = Some(quantity::size(text)?);
            Field::Swap
        }
        "processes" => {
            all.processes = Some(quantity::count(text)?);
            Field::Processes
        }
        "cpu" => {
            all.cpu = Some(quantity::processors(text)?);
            Field::Cpu
        }
        "open_files" => {
            all.open_files = Some(quantity::count(text)?);
            Field::OpenFiles
        }
        "file_size" => {
            all.file_size = Some(quantity::size(text)?);
            Field::FileSize
        }
        "tmp" => {
            all.tmp = quantity::size(text)?;
            Field::Tmp
        }
        "output" => {
            all.output = Some(quantity::size(text)?);
            Field::Output
        }
        _ => return Err("is no limit".into()),
    })
}
