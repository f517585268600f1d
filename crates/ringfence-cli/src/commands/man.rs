//! `ringfence man`: the manual pages, made from the same tree as the help.
//! Not a pager.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_mangen::Man;

use super::{VERBS, tree};
use crate::exit;
use crate::failure::Failure;
use crate::render;

/// Flags and help.
pub(crate) fn command() -> Command {
    // Not from VERBS, which names this very function.
    let verbs = PossibleValuesParser::new(["run", "plan", "doctor", "completions", "man"]);
    Command::new("man")
        .about("Print a manual page")
        .arg(Arg::new("verb").value_name("VERB").value_parser(verbs).help("The verb [default: the program]"))
        .after_help("Examples:\n  ringfence man run | man -l -\n  ringfence man > ringfence.1")
}

/// Prints the page.
pub(crate) fn man(matches: &ArgMatches) -> Result<u8, Failure> {
    let page = page(matches.get_one::<String>("verb").map(String::as_str));
    let mut text = Vec::new();
    render_page(page, &mut text).map_err(|source: io::Error| Failure::Io {
        what: "write the manual page".into(),
        source,
        hint: None,
    })?;
    render::print(&text)?;
    Ok(exit::DONE)
}

fn render_page(page: Command, text: &mut Vec<u8>) -> io::Result<()> {
    Man::new(page).source(concat!("ringfence ", env!("CARGO_PKG_VERSION"))).render(text)
}

fn page(verb: Option<&str>) -> Command {
    match VERBS.iter().find(|row| Some(row.name()) == verb) {
        None => tree(),
        Some(verb) => verb.alone().display_name(format!("ringfence-{}", verb.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_can_be_named() {
        for verb in VERBS {
            command().try_get_matches_from(["man", verb.name()]).unwrap();
            let mut text = Vec::new();
            render_page(page(Some(verb.name())), &mut text).unwrap();
            assert!(String::from_utf8(text).unwrap().contains(&format!("ringfence\\-{}", verb.name())));
        }
    }
}
