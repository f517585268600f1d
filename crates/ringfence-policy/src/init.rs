//! The text of a new `ringfence.toml`: what applies already, and every field as a comment to be taken up.
//!
//! Not written to disk here, though the project is looked at.

use std::path::PathBuf;

use crate::context::Request;
use crate::detect;
use crate::diagnostic::{Report, printable};
use crate::discover;
use crate::field;
use crate::load;
use crate::presets::Chosen;

/// The root of the project that `request` starts in, and the presets that its files call for.
///
/// # Errors
/// The current directory is no absolute path.
pub fn project(request: &Request) -> Result<(PathBuf, Vec<Chosen>), Report> {
    let context = load::context(request)?;
    let cwd = context.cwd.as_path();
    let root = discover::project(&context).root.map_or(cwd.to_owned(), |root| root.as_path().to_owned());
    let chosen = detect::presets(&root, cwd);
    Ok((root, chosen))
}

/// A policy for a project that the presets `chosen` were found for. It says what would hold without
/// it; the rest is comment.
pub fn text(chosen: &[Chosen]) -> String {
    let mut text = String::from(HEAD);
    let names: Vec<String> = chosen.iter().map(|chosen| format!("{:?}", chosen.name)).collect();
    for Chosen { name, why } in chosen {
        let line = format!("#   {name}: {why}");
        text.extend(line.chars().flat_map(printable));
        text.push('\n');
    }
    if chosen.is_empty() {
        text.push_str("#   none: nothing in the project calls for one\n");
    }
    text.push_str(&format!("extends = [{}]\n", names.join(", ")));
    for group in field::groups() {
        let mut fields = field::of_group(group).filter(|spec| !spec.ceiling_only).peekable();
        if fields.peek().is_none() {
            continue;
        }
        text.push_str(&format!("\n# [{group}]\n"));
        for spec in fields {
            let (_, name) = field::group_and_name(spec.key);
            text.push_str(&format!("# {}:\n#   {name} = {}\n", spec.help, spec.example));
        }
    }
    text
}

const HEAD: &str = "\
# What a command may do in this project, on top of what every run may: `ringfence policy show` shows all of it.
# Whoever works here says `ringfence policy trust` once; until then this file can only take away.
# Every field is in docs/policy-reference.md; `ringfence policy check` finds mistakes.

version = 1
# Presets, and what they were found by; \"default\" stands for whatever the project's files call for.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_policy_is_in_canonical_form_and_says_only_its_presets() {
        let chosen = |name: &str, why: &str| Chosen { name: name.into(), why: why.into() };
        let chosen = [chosen("rust", "the project has Cargo.toml"), chosen("git", "a\nb")];
        for text in [text(&[]), text(&chosen)] {
            assert_eq!(crate::format::format("ringfence.toml", &text).unwrap(), text);
            let document: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(document.keys().collect::<Vec<_>>(), ["extends", "version"]);
        }
    }
}
