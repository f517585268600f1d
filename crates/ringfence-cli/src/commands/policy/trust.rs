//! `ringfence policy trust`: the user's word that a project's policy may grant what it asks for.
//! Not a word for its next version: a changed file is asked about again, with what has changed.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ringfence_plan::Rule;
use ringfence_policy::check::{self, Machine, Matches};
use ringfence_policy::difference::{Difference, difference};
use ringfence_policy::layers::{places::Places, trust};
use ringfence_policy::{Composed, Diagnostic, Report, Request, Stage, StageKind, Unsettled};

use super::stages;
use crate::failure::Failure;
use crate::render::difference::{Titles, as_text};
use crate::render::escape::escape;
use crate::render::style::{Colours, Meaning, Stream, Style};
use crate::render::table::{Cell, table};
use crate::{exit, flags, inside, render};

/// Flags and help.
pub(super) fn command() -> Command {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("trust")
        .about("Show what the project's policy asks for, and trust it")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The project's ringfence.toml [default: the one here or above]"),
        )
        .arg(switch("yes", "Do not ask").conflicts_with_all(["list", "remove"]))
        .arg(switch("list", "List what is trusted").conflicts_with("remove"))
        .arg(switch("remove", "Trust it no more"))
        .after_help("Examples:\n  ringfence policy trust\n  ringfence policy trust --list\n  ringfence policy trust --remove")
}

/// Shows, asks and records it; the exit code is 1 if the answer is no.
pub(super) fn trust(matches: &ArgMatches) -> Result<u8, Failure> {
    let request = request(matches)?;
    let places = request.places.clone().with_home(&request.home);
    if matches.get_flag("list") {
        return list(&places);
    }
    inside::refuse("change what is trusted")?;
    if matches.get_flag("remove") {
        return remove(&places, &request);
    }
    let composed = stages::composed(&request)?;
    let Some(unsettled) = composed.unsettled() else { return settled(&request) };
    render::print(asks(&composed, unsettled, &request).as_bytes())?;
    if !matches.get_flag("yes") && !says_yes()? {
        return Ok(exit::NO);
    }
    // What was shown is what is trusted, whatever the file says by now.
    trust::trust(&places, &unsettled.files).map_err(|why| Failure::Policy(why.into()))?;
    render::print(format!("trusted: {}\n", escape(&unsettled.name)).as_bytes())?;
    Ok(exit::DONE)
}

/// The request for the project that the file lies in.
fn request(matches: &ArgMatches) -> Result<Request, Failure> {
    let Some(file) = matches.get_one::<PathBuf>("file") else {
        return Ok(flags::surroundings(flags::current_directory()?));
    };
    let found = |path: &Path| {
        let what = format!("find {}", file.display());
        path.canonicalize().map_err(|source| Failure::Io { what, source, hint: None })
    };
    found(file)?;
    // Its directory and not what it leads to: a symlink to another project's policy is not that project's.
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = found(directory)?;
    if file.file_name().is_none_or(|name| name != NAME) {
        let title =
            format!("{} is no project's policy: that is called {NAME}", escape(&file.display().to_string()));
        let help = "what you name with --policy or --layer is your own word, and needs no trust";
        return Err(Failure::Policy(Diagnostic::error(title).help(help).into()));
    }
    Ok(flags::surroundings(directory))
}

const NAME: &str = "ringfence.toml";

/// What the policy asks for, in words.
fn asks(composed: &Composed, unsettled: &Unsettled, request: &Request) -> String {
    let style = Style::of(Stream::Output);
    let titles = match unsettled.before {
        Some(_) => Titles {
            widened: "It asks for what it did not ask for when you trusted it",
            narrowed: "It asks no more for",
        },
        None => Titles { widened: "It asks for", narrowed: "It takes away" },
    };
    let mut text = format!(
        "{}\n",
        escape(&unsettled.files.first().map_or(String::new(), |(path, _)| path.display().to_string()))
    );
    for (path, _) in unsettled.files.iter().skip(1) {
        text.push_str(&format!("  and {}\n", escape(&path.display().to_string())));
    }
    let difference = wanted(composed, unsettled, request);
    match difference.is_empty() {
        true => text.push_str("It changes nothing of what runs here may do.\n"),
        false => text.push_str(&as_text(&difference, &titles, style)),
    }
    if !unsettled.dormant.is_empty() {
        text.push_str(&format!("{}\n", style.paint(Meaning::Warning, DORMANT)));
        let row = |rule: &Rule| {
            vec![Cell::plain(escape(&rule.text)), Cell::of(Meaning::Faint, escape(&rule.origin.to_string()))]
        };
        text.push_str(&table(&unsettled.dormant.iter().map(row).collect::<Vec<_>>(), style));
    }
    if let Some(doubt) = &unsettled.doubt {
        text.push_str(&Report(vec![doubt.clone()]).render(style.colours == Colours::On));
    }
    let doubts = doubts(composed);
    if !doubts.0.is_empty() {
        text.push_str(&doubts.render(style.colours == Colours::On));
    }
    text
}

/// Said of what could not be seen in the difference, since it makes none today.
const DORMANT: &str = "Under conditions that do not hold here and now it also says";

/// What in it goes too far or has no effect. That a pattern matches nothing here is no reason for distrust.
fn doubts(composed: &Composed) -> Report {
    check::check(composed, &Machine { matches: &|_| Matches::Unknown, called_for: &[] })
}

/// What it would change: against what was trusted before, else against a project without a policy. Within the ceilings,
/// since nobody gets more than they let.
fn wanted(composed: &Composed, unsettled: &Unsettled, request: &Request) -> Difference {
    let stages = composed.stages();
    let within = |kind: StageKind| {
        let counts = |stage: &&Stage| {
            stage.kind == kind || !matches!(stage.kind, StageKind::Grants | StageKind::Untrusted)
        };
        stages::meet(stages.iter().filter(counts))
    };
    let before = unsettled.before.as_ref().and_then(|before| {
        let then = Request { texts: before.iter().cloned().collect(), ..request.clone() };
        // What was trusted then may be no policy to this version; what is asked for is then all of it.
        let then = stages::composed(&then).ok().filter(|then| then.unsettled().is_none())?;
        stages::meet(&then.stages())
    });
    match (before.or_else(|| within(StageKind::Grants)), within(StageKind::Untrusted)) {
        (Some(before), Some(after)) => difference(&before, &after),
        _ => Difference::default(),
    }
}

/// Asks on the terminal.
fn says_yes() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let title = "nobody is there to say yes: standard input is no terminal";
        let help = "read the above, then: ringfence policy trust --yes";
        return Err(Failure::Policy(Diagnostic::error(title).help(help).into()));
    }
    let asked = |source| Failure::Io { what: "ask on the terminal".into(), source, hint: None };
    write!(io::stderr(), "Trust it? [y/N] ").map_err(asked)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(asked)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// There is nothing to be trusted.
fn settled(request: &Request) -> Result<u8, Failure> {
    let cwd = escape(&request.cwd.display().to_string()).into_owned();
    render::print(format!("nothing to trust: {cwd} has no {NAME}, or what it says is trusted\n").as_bytes())?;
    Ok(exit::DONE)
}

fn list(places: &Places) -> Result<u8, Failure> {
    let (records, doubtful) = trust::list(places).map_err(|why| Failure::Policy(why.into()))?;
    let mut text = String::new();
    for record in &records {
        for (nth, (path, _)) in record.files.iter().enumerate() {
            let lead = if nth == 0 { "" } else { "  and " };
            text.push_str(&format!("{lead}{}\n", escape(&path.display().to_string())));
        }
    }
    render::print(text.as_bytes())?;
    match doubtful.is_empty() {
        true => Ok(exit::DONE),
        false => Err(Failure::Policy(Report(doubtful))),
    }
}

fn remove(places: &Places, request: &Request) -> Result<u8, Failure> {
    let here = request.cwd.ancestors().map(|directory| directory.join(NAME));
    for file in here {
        if trust::distrust(places, &file).map_err(|why| Failure::Policy(why.into()))? {
            render::print(format!("trusted no more: {}\n", escape(&file.display().to_string())).as_bytes())?;
            return Ok(exit::DONE);
        }
    }
    let title =
        format!("nothing that is trusted lies in {} or above", escape(&request.cwd.display().to_string()));
    Err(Failure::Policy(
        Diagnostic::error(title).help("`ringfence policy trust --list` lists what is trusted").into(),
    ))
}
