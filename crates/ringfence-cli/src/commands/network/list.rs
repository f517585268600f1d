//! `ringfence network list`: the runs that are under way, or the rules of one.

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::live::{self, About, Answer, List, Request};
use serde_json::json;

use super::{ask, run_flag, state};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::style::{Meaning, Stream, Style};
use crate::{exit, render};

pub(super) fn command() -> Command {
    Command::new("list")
        .about("List the runs that are under way, or with --run the rules of one")
        .arg(run_flag())
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
}

pub(super) fn list(matches: &ArgMatches) -> Result<u8, Failure> {
    let (state, json) = (state()?, matches.get_flag("json"));
    let style = Style::of(Stream::Output);
    let text = match matches.get_one::<String>("run") {
        None => {
            let runs = live::runs(&state);
            if json { format!("{:#}\n", json!(runs)) } else { runs_as_text(&runs, style) }
        }
        Some(id) => {
            let question = Request { change: None, endpoints: Vec::new(), said: String::new() };
            let answer = ask(&state, id, &question)?;
            if json { format!("{:#}\n", json!(answer)) } else { rules_as_text(&answer, style) }
        }
    };
    render::print(text.as_bytes())?;
    Ok(exit::DONE)
}

fn runs_as_text(runs: &[About], style: Style) -> String {
    if runs.is_empty() {
        return "no run is under way whose network rules can be changed\n".into();
    }
    let line = |run: &About| {
        let head = style.paint(Meaning::Title, escape(&run.id));
        let rest = format!("since {} in {}: {}", run.time, escape(&run.cwd), escape(&run.argv.join(" ")));
        format!("{head} {rest}\n")
    };
    runs.iter().map(line).collect()
}

fn rules_as_text(answer: &Answer, style: Style) -> String {
    let mut text = runs_as_text(std::slice::from_ref(&answer.run), style);
    for rule in &answer.rules {
        let word = match rule.list {
            List::Allow => style.paint(Meaning::Good, "allow"),
            List::Deny => style.paint(Meaning::Bad, "deny "),
        };
        let origin = style.paint(Meaning::Faint, format!("({})", escape(&rule.origin.to_string())));
        text.push_str(&format!("  {word} {} {origin}\n", escape(&rule.target)));
    }
    if answer.left_out > 0 {
        text.push_str(&format!("  and {} more\n", answer.left_out));
    }
    text
}

#[cfg(test)]
mod tests {
    use ringfence::live::Shown;
    use ringfence_plan::Origin;

    use super::*;

    #[test]
    fn a_run_is_shown_with_its_rules_and_nothing_in_them_moves_the_cursor() {
        let run = About {
            id: "4711".into(),
            time: "2026-01-02T03:04:05Z".into(),
            cwd: "/w".into(),
            argv: vec!["sh".into(), "-c".into(), "\u{1b}[2J".into()],
        };
        let shown = |list, target: &str| Shown {
            list,
            target: target.into(),
            rule: format!("network = \"{target}\""),
            origin: Origin::Flag("ringfence network allow x".into()),
        };
        let rules = vec![shown(List::Deny, "bad.example:1-65535"), shown(List::Allow, "*.example:443")];
        let answer = Answer { run, refused: None, notes: Vec::new(), rules, left_out: 3 };
        insta::assert_snapshot!(rules_as_text(&answer, Style::PLAIN), @r"
        4711 since 2026-01-02T03:04:05Z in /w: sh -c \x1b[2J
          deny  bad.example:1-65535 (ringfence network allow x)
          allow *.example:443 (ringfence network allow x)
          and 3 more
        ");
        assert_eq!(
            runs_as_text(&[], Style::PLAIN),
            "no run is under way whose network rules can be changed\n"
        );
    }
}
