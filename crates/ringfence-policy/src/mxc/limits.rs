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
use crate::field;
use crate::read::scalar;
use crate::statement::Value;

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

/// Sets one limit by its name in our member, which is the policy language's, and so is what it takes: `0` for /tmp would be
/// no bound to tmpfs(5).
fn set(all: &mut Limits, said: &Said<String>) -> Result<Field, String> {
    let name = said.field.rsplit('.').next().unwrap_or_default();
    let spec = field::find(&format!("limits.{name}")).ok_or("is no limit")?;
    let value = scalar::parse(spec, &said.value).map_err(|bad| bad.why.into_owned())?;
    Ok(match (name, value) {
        ("memory", Value::Size(Some(size))) => {
            all.memory = Some(size);
            Field::Memory
        }
        ("swap", Value::Size(Some(size))) => {
            all.swap = Some(size);
            Field::Swap
        }
        ("processes", Value::Count(Some(count))) => {
            all.processes = Some(count);
            Field::Processes
        }
        ("cpu", Value::Processors(Some(processors))) => {
            all.cpu = Some(processors);
            Field::Cpu
        }
        ("open_files", Value::Count(Some(count))) => {
            all.open_files = Some(count);
            Field::OpenFiles
        }
        ("file_size", Value::Size(Some(size))) => {
            all.file_size = Some(size);
            Field::FileSize
        }
        ("tmp", Value::Size(Some(size))) => {
            all.tmp = size;
            Field::Tmp
        }
        ("output", Value::Size(Some(size))) => {
            all.output = Some(size);
            Field::Output
        }
        _ => return Err("bounds nothing; a request that wants no such limit leaves it out".into()),
    })
}
