//! Weaknesses of the answer: what a caller cannot tell apart, and what is passed over in silence.

use super::row::{BOTH, OLD, Row, Seen};
use super::subject::{Generation, Place, Ran};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("failed_set_up_looks_like_the_command", BOTH, failed_set_up_looks_like_the_command),
        Row::new("envelope_is_glued_to_the_words", BOTH, envelope_is_glued_to_the_words),
        Row::new("policy_error_has_the_backends_code", BOTH, policy_error_has_the_backends_code),
        Row::new("time_out_looks_like_the_command", BOTH, time_out_looks_like_the_command),
        Row::new("dry_run_looks_at_nothing", BOTH, dry_run_looks_at_nothing),
        Row::new("fields_are_passed_over", BOTH, fields_are_passed_over),
        Row::new("variable_without_a_value_is_dropped", BOTH, variable_without_a_value_is_dropped),
        Row::new("another_systems_backend_is_taken_for_lxc", OLD, another_systems_backend_is_taken_for_lxc),
    ]
}

/// The envelope, where one stands on a line of its own.
fn envelope(ran: &Ran) -> Option<Value> {
    let lines = ran.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line.get("error").cloned()).next_back()
}

fn code(ran: &Ran) -> String {
    envelope(ran).and_then(|error| Some(error.get("code")?.as_str()?.to_string())).unwrap_or_default()
}

fn failed_set_up_looks_like_the_command(place: &Place) -> Result<Seen> {
    let missing = json!({"filesystem": {"readonlyPaths": [place.path("nothing-here")]}});
    let ran = place.run(&place.request("exit 1", &missing))?;
    let alike = ran.code == Some(1) && envelope(&ran).is_none();
    Ok(Seen::of(
        alike,
        "1, and no envelope",
        format!("{:?} and the code {}", ran.code.unwrap_or(-1), code(&ran)),
    ))
}

fn unsupported(place: &Place) -> Result<Ran> {
    place.run(&place.request("true", &json!({"network": {"ingress": {"default": "allow"}}})))
}

fn envelope_is_glued_to_the_words(place: &Place) -> Result<Seen> {
    let ran = unsupported(place)?;
    let glued = envelope(&ran).is_none() && ran.stderr.contains("{\"error\"");
    Ok(Seen::of(glued, "words and JSON share a line", "the JSON has a line of its own"))
}

fn policy_error_has_the_backends_code(place: &Place) -> Result<Seen> {
    let ran = unsupported(place)?;
    let wrong = ran.stderr.contains("\"backend_error\"");
    Ok(Seen::of(wrong, "backend_error", code(&ran)))
}

fn time_out_looks_like_the_command(place: &Place) -> Result<Seen> {
    let request = place.request("echo >&2 '{\"error\":{\"code\":\"backend_error\"}}'; exit 255", &json!({}));
    let forged = place.run(&request)?;
    let alike = forged.code == Some(255) && code(&forged) == "backend_error";
    ensure!(alike, "the command could not forge the answer: {:?} {}", forged.code, forged.stderr);
    if place.subject.generation != Generation::Ours {
        return Ok(Seen::Exposed("a command can forge the whole answer".into()));
    }
    // The same forgery, and the channel that the command has no part in.
    let ran = place.shell("exec 9>status; exec \"$@\" --status-fd 9", &request)?;
    let status = std::fs::read_to_string(place.path("status"))?;
    let told = status.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let exited = told.is_some_and(|told| told["event"] == "exited" && told["exit_code"] == 255);
    Ok(Seen::of(!exited || ran.code != Some(255), status, "--status-fd tells them apart"))
}

fn dry_run_looks_at_nothing(place: &Place) -> Result<Seen> {
    let missing = json!({"filesystem": {"readonlyPaths": [place.path("nothing-here")]}});
    let mut words = place.words(&place.request("true", &missing))?;
    words.push("--dry-run".into());
    let ran = place.start(&words, &[])?;
    let passed = ran.stdout.contains("validation passed");
    Ok(Seen::of(passed, "passes what cannot start", "fails for a path that is not there"))
}

fn fields_are_passed_over(place: &Place) -> Result<Seen> {
    silent(place, &json!({"ui": {"clipboard": "all"}}), "clipboard")
}

fn variable_without_a_value_is_dropped(place: &Place) -> Result<Seen> {
    silent(place, &json!({"process": {"env": ["NOEQ"]}}), "NOEQ")
}

/// Whether nobody is told that `word` of the request has no effect: not on a stream, not in the log.
fn silent(place: &Place, more: &Value, word: &str) -> Result<Seen> {
    let mut words = place.words(&place.request("echo ran", more))?;
    words.extend(["--log-file".into(), place.path("rw/log")]);
    let ran = place.start(&words, &[])?;
    ensure!(ran.stdout.contains("ran"), "the command did not begin: {}", ran.stderr);
    let told = std::fs::read_to_string(place.path("rw/log"))? + &ran.stdout + &ran.stderr;
    Ok(Seen::of(!told.contains(word), format!("{word}: no word of it"), "the log has a verdict"))
}

fn another_systems_backend_is_taken_for_lxc(place: &Place) -> Result<Seen> {
    let ran = place.run(&place.request("true", &json!({"containment": "seatbelt"})))?;
    let told = ran.stdout.clone() + &ran.stderr;
    let taken = told.contains("lxc-create") || told.contains("LXC") || told.contains("lxc.");
    Ok(Seen::of(taken, "LXC is started for seatbelt", format!("refused, {}", code(&ran))))
}
