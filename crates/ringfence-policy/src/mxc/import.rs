//! A request as a policy file: what its author said, each with its reason, and in words what a policy says otherwise.
//!
//! Made of the plan, not of the text: what decided is what is written down.

use std::fmt::Write;

use ringfence_plan::{Access, Field, NetworkMode, Origin, Plan, RuleId};

use super::{Context, Note, Refusal, Request, read};
use crate::diagnostic::printable;
use crate::layers::places::Places;

/// The request as a commented `ringfence.toml`. Ceilings are not read: they bind the policy when it is used.
///
/// # Errors
/// As [`read`].
pub fn import(text: &str, context: &Context) -> Result<String, Refusal> {
    let places = Places { machine: None, home: Some("/nonexistent".into()), ..Places::default() };
    let request = read(text, &Context { places, parent: None, ..context.clone() })?;
    Ok(policy(&request, &context.name))
}

fn policy(request: &Request, name: &str) -> String {
    let Request { plan, command, cwd, notes, version, .. } = request;
    let line = command.last().map(|line| line.to_string_lossy()).unwrap_or_default();
    let mut text = String::new();
    comment(
        &mut text,
        &format!("What the MXC request {name} ({}) lets. It ran this, in {cwd}:", version.as_str()),
    );
    comment(&mut text, &format!("  sh -c {line:?}"));
    for Note { field, text: note, .. } in notes.iter().filter(|note| !note.field.is_empty()) {
        comment(&mut text, &format!("{field}: {note}"));
    }
    comment(
        &mut text,
        "A policy lets the usual variables of the caller pass (PATH, TERM, LANG, …), shows all of /usr, and",
    );
    comment(&mut text, "grants nothing by a project that it finds: extends and workspace say so.");
    text.push_str("version = 1\nextends = []\n");
    files(&mut text, plan);
    network(&mut text, plan);
    environment(&mut text, plan);
    limits(&mut text, plan);
    text
}

fn files(text: &mut String, plan: &Plan) {
    text.push_str("\n[filesystem]\nworkspace = false\n");
    for (key, access) in [("read", Access::Read), ("write", Access::Write), ("deny", Access::Deny)] {
        let said =
            plan.files.grants.iter().filter(|grant| grant.access == access && is_said(plan, grant.rule));
        // Wildcards are patterns in `deny`, where each can be a set of itself, and cannot be written elsewhere.
        let (odd, plain): (Vec<_>, Vec<_>) =
            said.map(|grant| grant.path.to_string()).partition(|path| path.contains(['*', '?', '[']));
        if access == Access::Deny {
            let all: Vec<String> = plain.into_iter().chain(odd).map(escaped).map(literal).collect();
            list(text, key, &all);
        } else {
            for path in odd {
                comment(
                    text,
                    &format!("a policy cannot name {path} here: it has a wildcard's character in it"),
                );
            }
            list(text, key, &plain.into_iter().map(escaped).collect::<Vec<_>>());
        }
    }
}

/// A path's text, in which no dollar sign begins a variable.
fn escaped(path: String) -> String {
    path.replace('$', "$$")
}

/// A pattern that matches `path` and nothing else.
fn literal(path: String) -> String {
    let letter = |letter| match letter {
        '*' | '?' | '[' => format!("[{letter}]"),
        other => other.to_string(),
    };
    path.chars().map(letter).collect()
}

fn network(text: &mut String, plan: &Plan) {
    let network = &plan.network;
    if network.mode == NetworkMode::None {
        return;
    }
    let endpoints = |rules: &[ringfence_plan::NetworkRule]| {
        rules.iter().map(|rule| rule.endpoint.to_string()).collect::<Vec<_>>()
    };
    text.push_str("\n[network]\nmode = \"rules\"\n");
    list(text, "allow", &endpoints(&network.allow));
    list(text, "deny", &endpoints(&network.deny));
    let ports: Vec<String> = network.host.iter().map(|host| format!("localhost:{}", host.port)).collect();
    list(text, "host", &ports);
}

fn environment(text: &mut String, plan: &Plan) {
    let said = plan.environment.set.iter().filter(|(_, (_, rule))| is_said(plan, *rule));
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        return;
    }
    text.push_str("\n[environment.set]\n");
    for (name, (value, _)) in said {
        let _ = writeln!(text, "{} = {}", quoted(name), quoted(value));
    }
}

fn limits(text: &mut String, plan: &Plan) {
    let limits = &plan.limits;
    let said = |field: Field| limits.rules.get(&field).is_some_and(|rule| is_said(plan, *rule));
    let bytes = |limit: Option<ringfence_plan::Bytes>| limit.map(|limit| limit.0.to_string());
    let lines = [
        (Field::Memory, "memory", bytes(limits.memory)),
        (Field::Swap, "swap", bytes(limits.swap)),
        (Field::FileSize, "file_size", bytes(limits.file_size)),
        (Field::Tmp, "tmp", Some(limits.tmp.0.to_string())),
        (Field::Output, "output", bytes(limits.output)),
        (Field::Time, "time", limits.time.map(|time| format!("\"{}ms\"", time.0))),
        (Field::Processes, "processes", limits.processes.map(|count| count.to_string())),
        (Field::OpenFiles, "open_files", limits.open_files.map(|count| count.to_string())),
        (Field::Cpu, "cpu", limits.cpu.map(|cpu| (f64::from(cpu.0) / 1000.0).to_string())),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|(field, ..)| said(*field)).collect();
    if !lines.is_empty() {
        text.push_str("\n[limits]\n");
    }
    for (_, name, value) in lines {
        let _ = writeln!(text, "{name} = {}", value.unwrap_or_default());
    }
}

fn is_said(plan: &Plan, rule: RuleId) -> bool {
    matches!(plan.rule(rule).origin, Origin::File { .. })
}

fn list(text: &mut String, key: &str, entries: &[String]) {
    match entries {
        [] => {}
        [one] => {
            let _ = writeln!(text, "{key} = [{}]", quoted(one));
        }
        many => {
            let _ = writeln!(text, "{key} = [");
            many.iter().for_each(|entry| {
                let _ = writeln!(text, "    {},", quoted(entry));
            });
            text.push_str("]\n");
        }
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// A line that says nothing to the program. What a request holds does not end it.
fn comment(text: &mut String, line: &str) {
    let line: String = line.chars().flat_map(printable).collect();
    let _ = writeln!(text, "# {line}");
}
