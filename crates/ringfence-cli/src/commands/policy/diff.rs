//! `ringfence policy diff`: what one policy lets that another does not, whatever their texts are.
//! Not a comparison of lines.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::difference::difference;
use serde_json::json;

use super::stages::{self, Named};
use crate::failure::Failure;
use crate::render::difference::{Titles, as_text};
use crate::render::style::{Stream, Style};
use crate::{exit, flags, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let side = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).value_name(value).required(true).help(help)
    };
    Command::new("diff")
        .about("Say what policy B lets that A does not, and the other way round")
        .arg(side("a", "A", "A policy file or preset"))
        .arg(side("b", "B", "Another"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
        .after_help(format!(
            "Examples:\n  ringfence policy diff dev production\n  \
             git show HEAD:ringfence.toml > /tmp/before.toml; ringfence policy diff /tmp/before.toml ringfence.toml\n\n{}",
            crate::commands::exit_codes("policy diff")
        ))
}

/// Says it; the exit code is 1 if B lets anything that A does not.
pub(super) fn diff(matches: &ArgMatches) -> Result<u8, Failure> {
    let request = flags::surroundings(flags::current_directory()?);
    let side = |name: &str| {
        let name: &String = matches.get_one(name).expect("it is required");
        stages::named(name, &request)
    };
    let difference = match (side("a")?, side("b")?) {
        // Two ceilings: what each lets others grant, which is more than a run under them alone would show.
        (Named { ceiling: Some(before), .. }, Named { ceiling: Some(after), .. }) => {
            difference(&before, &after)
        }
        (before, after) => difference(&before.run, &after.run),
    };
    let titles = Titles { widened: "B lets, A does not", narrowed: "A lets, B does not" };
    let text = match matches.get_flag("json") {
        true => format!(
            "{:#}\n",
            json!({ "widens": !difference.widened.is_empty(), "widened": difference.widened, "narrowed": difference.narrowed })
        ),
        false if difference.is_empty() => "no difference\n".into(),
        false => as_text(&difference, &titles, Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(if difference.widened.is_empty() { exit::DONE } else { exit::NO })
}
