//! `ringfence doctor --attack`: every attempt, group by group.
//! Not the attempts, nor their judging.

use clap::ArgMatches;

use super::own_program;
use crate::failure::Failure;
use crate::render::attack;
use crate::render::style::{Stream, Style};
use crate::{attempts, flags, render};

/// Makes every attempt and tells what it showed; whether every promise held.
pub(super) fn attack(matches: &ArgMatches) -> Result<bool, Failure> {
    let style = Style::of(Stream::Output);
    let options = attempts::Options { program: own_program()?, flags: forwarded(matches) };
    let json = matches.get_flag("json");
    let mut findings = Vec::new();
    for (title, rows) in attempts::GROUPS {
        let group = rows.iter().map(|row| attempts::referee(row, &options)).collect::<Result<Vec<_>, _>>();
        let group =
            group.map_err(|source| Failure::Io { what: "make an attempt".into(), source, hint: None })?;
        if !json {
            render::print(attack::group(title, &group, style).as_bytes())?;
        }
        findings.extend(group);
    }
    let tally = attack::Tally::of(&findings);
    let text = if json { format!("{:#}\n", attack::as_json(&findings)) } else { tally.line(style) };
    render::print(text.as_bytes())?;
    Ok(tally.holds())
}

/// Flags that each `ringfence run` of the attempts gets too.
fn forwarded(matches: &ArgMatches) -> Vec<String> {
    let level = matches.get_one::<String>("containment");
    let mut forwarded: Vec<_> =
        level.into_iter().flat_map(|level| ["--containment".to_owned(), level.clone()]).collect();
    for field in flags::allowed(matches) {
        forwarded.extend(["--allow-unenforced".to_owned(), field.name().to_owned()]);
    }
    forwarded
}
