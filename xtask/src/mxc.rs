//! MXC's published programs beside ours: each weakness shown there and held here, in one run: `cargo xtask mxc`.
//! Not a test of MXC: what is tried is what docs/mxc.md says of both.

mod command_line;
mod files;
mod network;
mod processes;
mod programs;
mod row;
mod sdk;
mod subject;
pub(crate) mod tun;

pub(crate) use programs::Programs;

use crate::person::Person;
use crate::target_dir;
use anyhow::{Context, Result, bail, ensure};
use row::{Row, Seen, Who};
use std::fs;
use std::path::{Path, PathBuf};
use subject::{Place, Subject};

const USAGE: &str = "\
cargo xtask mxc [--user NAME] [--required] [--only TEXT] [--ringfence PROGRAM]

  --user NAME    as root: try what needs no privilege as this user
  --required     fail where Node, bubblewrap or a row's tool is missing, instead of saying that it was skipped
  --only TEXT    the rows whose names contain TEXT; `sdk` is the SDK's
  --ringfence    try this program, not the debug build of this checkout
";

struct Options {
    user: Option<String>,
    required: bool,
    only: String,
    ringfence: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Options> {
        let mut options = Options { user: None, required: false, only: String::new(), ringfence: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--user" => options.user = Some(value()?),
                "--required" => options.required = true,
                "--only" => options.only = value()?,
                "--ringfence" => options.ringfence = Some(value()?.into()),
                "--help" => bail!("{USAGE}"),
                _ => bail!("mxc: `{word}` is unknown\n\n{USAGE}"),
            }
        }
        Ok(options)
    }

    fn ringfence(&self) -> Result<PathBuf> {
        let built = format!("{}-unknown-linux-gnu/debug/ringfence", std::env::consts::ARCH);
        let program = self.ringfence.clone().unwrap_or_else(|| target_dir().join(built));
        program.canonicalize().with_context(|| format!("no {}: build it first", program.display()))
    }
}

/// Tries every row on each program; fails where one is not as docs/mxc.md says.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    if let Some(missing) = programs::missing() {
        ensure!(!options.required, "missing: {missing}");
        println!("skipped: {missing} is missing");
        return Ok(());
    }
    let programs = Programs::installed()?;
    let person = Person::named(options.user.as_deref())?;
    let scratch = person.home.join(format!("ringfence-mxc-{}", std::process::id()));
    fs::create_dir(&scratch).with_context(|| format!("failed to create {}", scratch.display()))?;
    let tried = programs.laid_out(&options.ringfence()?, &scratch.join("bin")).and_then(|subjects| {
        person.give(&scratch)?;
        try_all(&options, &subjects, &Beside { person: &person, scratch: &scratch })
    });
    let sdk = match tried {
        Ok(()) if "sdk".contains(&options.only) => sdk::drives_ours(&programs, &scratch, &person),
        other => other,
    };
    fs::remove_dir_all(&scratch).with_context(|| format!("failed to remove {}", scratch.display()))?;
    sdk
}

struct Beside<'a> {
    person: &'a Person,
    scratch: &'a Path,
}

fn try_all(options: &Options, subjects: &[Subject], beside: &Beside<'_>) -> Result<()> {
    let mut wrong = Vec::new();
    let mut skipped = Vec::new();
    let rows = [files::rows(), processes::rows(), network::rows(), command_line::rows()].concat();
    let heads: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    println!("| weakness | as | {} |\n| --- | --- | --- | --- | --- |", heads.join(" | "));
    for row in rows.iter().filter(|row| row.name.contains(&options.only)) {
        if let Some(why) = row.is_moot() {
            println!("not to be shown here: {}: {why}", row.name);
            continue;
        }
        if let Some(why) = row.cannot_be_tried(beside.person) {
            skipped.push(format!("{}: {why}", row.name));
            continue;
        }
        let mut cells = Vec::new();
        for subject in subjects {
            let seen = try_one(row, subject, beside);
            let (cell, fault) = judge(row, subject, seen);
            cells.push(cell);
            wrong.extend(fault);
        }
        let who = if row.who == Who::Root { "root" } else { "a user" };
        println!("| {} | {who} | {} |", row.name, cells.join(" | "));
    }
    for line in &skipped {
        println!("skipped: {line}");
    }
    ensure!(wrong.is_empty(), "not as docs/mxc.md has it:\n{}", wrong.join("\n"));
    ensure!(skipped.is_empty() || !options.required, "{} rows were skipped", skipped.len());
    Ok(())
}

fn try_one(row: &Row, subject: &Subject, beside: &Beside<'_>) -> Result<Seen> {
    let place = Place::new(subject, row, beside.person, beside.scratch)?;
    (row.attempt)(&place)
}

/// The cell, and what is wrong with it if something is.
fn judge(row: &Row, subject: &Subject, seen: Result<Seen>) -> (String, Option<String>) {
    let expected = row.exposed.contains(&subject.generation);
    match seen {
        Ok(Seen::Exposed(how)) if expected => (format!("weak: {how}"), None),
        Ok(Seen::Held(how)) if !expected => (format!("holds: {how}"), None),
        Ok(seen) => {
            let fault = format!("{} on {}: {seen:?}", row.name, subject.name);
            (format!("UNEXPECTED {seen:?}"), Some(fault))
        }
        Err(error) => {
            (format!("FAILED {error:#}"), Some(format!("{} on {}: {error:#}", row.name, subject.name)))
        }
    }
}
