//! `ringfence man`: the manual pages, made from the same tree as the help.
//! Not a pager.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_mangen::Man;

use super::{alone, joined, paths, tree};
use crate::exit;
use crate::failure::Failure;
use crate::render;

/// Flags and help.
pub(crate) fn command() -> Command {
    let verbs = PossibleValuesParser::new(paths().iter().map(|path| joined(path, "-")));
    Command::new("man")
        .about("Print a manual page")
        .arg(
            Arg::new("verb")
                .value_name("VERB")
                .value_parser(verbs)
                .help("The verb, for example policy-diff [default: the program]"),
        )
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
    match paths().iter().find(|path| Some(joined(path, "-").as_str()) == verb) {
        None => tree(),
        Some(path) => alone(path).display_name(format!("ringfence-{}", joined(path, "-"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_can_be_named() {
        for path in paths() {
            let name = joined(&path, "-");
            command().try_get_matches_from(["man", &name]).unwrap();
            let mut text = Vec::new();
            render_page(page(Some(&name)), &mut text).unwrap();
            let title = format!("ringfence\\-{}", name.replace('-', "\\-"));
            assert!(String::from_utf8(text).unwrap().contains(&title), "{title}");
        }
    }
}
