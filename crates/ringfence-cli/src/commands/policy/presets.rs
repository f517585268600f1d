//! `ringfence policy presets`: which policies this program brings along, and what they say.
//! Not which of them a project gets: `plan` says that.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence_policy::Diagnostic;
use ringfence_policy::presets::{self, Preset};
use serde_json::json;

use crate::failure::Failure;
use crate::render::style::{Meaning, Stream, Style};
use crate::render::table::{Cell, table};
use crate::{exit, render};

/// Flags and help.
pub(super) fn command() -> Command {
    Command::new("presets")
        .about("List the built-in presets, or print one")
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .help("Print the text of this preset; a policy takes it in with `extends`"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The list as JSON"))
        .after_help("Examples:\n  ringfence policy presets\n  ringfence policy presets rust")
}

/// Lists them, or prints one.
pub(super) fn presets(matches: &ArgMatches) -> Result<u8, Failure> {
    let text = match matches.get_one::<String>("name") {
        Some(name) => one(name)?.text.to_owned(),
        None if matches.get_flag("json") => format!("{:#}\n", as_json()),
        None => as_text(Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(exit::DONE)
}

fn one(name: &str) -> Result<&'static Preset, Failure> {
    presets::find(name).ok_or_else(|| {
        let names: Vec<_> = presets::ALL.iter().map(|preset| preset.name).collect();
        let diagnostic = Diagnostic::error(format!("there is no preset `{}`", render::escape::escape(name)));
        Failure::Policy(diagnostic.help(format!("there are {}", names.join(", "))).into())
    })
}

fn as_text(style: Style) -> String {
    let mut text = String::new();
    for group in groups() {
        let title = style.paint(Meaning::Title, group);
        let separator = if text.is_empty() { "" } else { "\n" };
        let rows = presets::ALL.iter().filter(|preset| name_of(preset) == group);
        let rows = rows.map(|preset| vec![Cell::plain(preset.name), Cell::plain(preset.about())]);
        text.push_str(&format!("{separator}{title}\n{}", table(&rows.collect::<Vec<_>>(), style)));
    }
    text
}

fn as_json() -> serde_json::Value {
    let row =
        |preset: &Preset| json!({ "name": preset.name, "group": name_of(preset), "about": preset.about() });
    presets::ALL.iter().map(row).collect()
}

/// The groups, in order.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = presets::ALL.iter().map(name_of).collect();
    groups.dedup();
    groups
}

fn name_of(preset: &Preset) -> &'static str {
    preset.group.name()
}
