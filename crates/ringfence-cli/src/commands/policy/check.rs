//! `ringfence policy check`: what is wrong with a policy, and what in it has no effect or goes too far.
//! Not whether this host can hold it: that is `plan`.

mod matching;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_policy::check::{self, Machine};
use ringfence_policy::{Report, Request, Severity};
use serde_json::json;

use crate::failure::Failure;
use crate::render::style::{Colours, Stream, Style};
use crate::{exit, flags, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let command = Command::new("check")
        .about("Find what is wrong with a policy, has no effect, or goes too far")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("policy")
                .help("The policy, read as your own word [default: what a run here would go by]"),
        )
        .arg(switch("strict", "Warnings count as errors"))
        .arg(switch("json", "The same as JSON"))
        .after_help(format!(
            "Examples:\n  ringfence policy check\n  ringfence policy check --strict team.toml\n\n{}",
            crate::commands::exit_codes("policy check")
        ));
    flags::add(command)
}

/// Finds it; the exit code is 1 if there is an error.
pub(super) fn check(matches: &ArgMatches) -> Result<u8, Failure> {
    let mut request = flags::request(matches)?;
    if let Some(file) = matches.get_one::<PathBuf>("file") {
        request.policy_files = vec![file.clone()];
    }
    let report = found(&request);
    let count = |severity| report.0.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", json!({ "errors": errors, "warnings": warnings, "diagnostics": report })),
        false => as_text(&report, (errors, warnings)),
    };
    render::print(text.as_bytes())?;
    let counted = errors + if matches.get_flag("strict") { warnings } else { 0 };
    Ok(if counted == 0 { exit::DONE } else { exit::NO })
}

/// Everything that is found.
fn found(request: &Request) -> Report {
    let composed = match ringfence_policy::load(request).and_then(ringfence_policy::compose) {
        Ok(composed) => composed,
        Err(report) => return report,
    };
    // What cannot be looked at calls for nothing; that it cannot be is told by the run.
    let called_for = ringfence_policy::init::project(request).map(|(_, chosen)| chosen).unwrap_or_default();
    let mut report =
        check::check(&composed, &Machine { matches: &matching::matches, called_for: &called_for });
    let led =
        ringfence_policy::compile(&composed).and_then(|plan| ringfence_policy::check_links(&composed, &plan));
    report.0.extend(led.err().into_iter().flat_map(|led| led.0));
    report
}

fn as_text(report: &Report, (errors, warnings): (usize, usize)) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let summary = format!("{}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
    match report.0.is_empty() {
        true => summary,
        false => format!("{}\n{summary}", report.render(Style::of(Stream::Output).colours == Colours::On)),
    }
}
