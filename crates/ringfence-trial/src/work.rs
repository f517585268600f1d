//! Work that must go on inside the fence as it does outside. The same shell script runs in both; it must end with 0 and
//! print the same.

use std::fs;
use std::time::Duration;

use crate::attack::prepare;
use crate::program::{self, Ran};
use crate::row::{Outcome, Row};
use crate::session::{BEGUN, Session, strip_begun};

/// A piece of work.
pub(crate) struct Work {
    name: &'static str,
    tools: &'static [&'static str],
    prepare: &'static str,
    script: &'static str,
    flags: Vec<String>,
    patience: Duration,
    field: Option<&'static str>,
    rust: bool,
    changes_host: bool,
    directory: &'static str,
    presets: Option<&'static [&'static str]>,
    without: Without,
}

impl Work {
    /// The work that `script` (for bash, stopped at the first failure) does.
    pub(crate) fn new(name: &'static str, script: &'static str) -> Work {
        Work {
            name,
            tools: &["bash"],
            prepare: "",
            script,
            flags: Vec::new(),
            patience: Duration::from_secs(120),
            field: None,
            rust: false,
            changes_host: false,
            directory: ".",
            presets: None,
            without: Without::NotTried,
        }
    }

    /// The programs it needs; where one is missing the row is skipped.
    pub(crate) fn with(self, tools: &'static [&'static str]) -> Work {
        Work { tools, ..self }
    }

    /// What is done in the place before, without a fence.
    pub(crate) fn after(self, prepare: &'static str) -> Work {
        Work { prepare, ..self }
    }

    /// More flags for `ringfence run`.
    pub(crate) fn flags(self, flags: &[&str]) -> Work {
        Work { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..self }
    }

    /// The field without which it has no meaning.
    pub(crate) fn held_by(self, field: &'static str) -> Work {
        Work { field: Some(field), ..self }
    }

    /// The same where a flag lets it change something outside the workspace.
    pub(crate) fn that_changes_the_host(self) -> Work {
        Work { changes_host: true, ..self }
    }

    /// The same, started in this directory of the workspace.
    pub(crate) fn started_in(self, directory: &'static str) -> Work {
        Work { directory, ..self }
    }

    /// The same with a Rust tool-chain, whose place the script finds in `RFTRIAL_RUST`.
    pub(crate) fn with_rust(self) -> Work {
        Work { rust: true, ..self }
    }

    /// The same under a policy that extends these presets and says nothing else.
    pub(crate) fn under(self, presets: &'static [&'static str]) -> Work {
        Work { presets: Some(presets), ..self }
    }

    /// The same, where the base alone must not be enough: otherwise the presets were not put to the test.
    pub(crate) fn not_under_the_base(self) -> Work {
        Work { without: Without::Fails, ..self }
    }

    /// The same, where it may end well under the base alone but must print something else.
    pub(crate) fn prints_otherwise_under_the_base(self) -> Work {
        Work { without: Without::PrintsOtherwise, ..self }
    }

    /// The row of this work.
    pub(crate) fn row(self) -> Row {
        let field = self.field;
        let row = Row::new(format!("works: {}", self.name), &[], move |session| {
            self.judge(session).unwrap_or_else(Outcome::Failed)
        });
        Row { field, ..row }
    }

    fn judge(&self, session: &Session) -> Result<Outcome, String> {
        if let Some(missing) = self.tools.iter().find(|tool| !Session::has(tool)) {
            return Ok(Outcome::Skipped(format!("this host has no {missing}")));
        }
        if let Some(why) = self.field.and_then(|field| session.narrowed(field)) {
            return Ok(Outcome::Skipped(format!("the backend says that it is stricter here: {why}")));
        }
        let Some(texts) = self.texts() else {
            return Ok(Outcome::Skipped("this user has no Rust tool-chain".into()));
        };
        let bare = self.bare(session, &texts)?;
        if bare.code != 0 {
            return Ok(Outcome::NotProved(format!("it does not work without a fence: {}", bare.describe())));
        }
        let (fenced, changes) = self.fenced(session, &texts, self.presets)?;
        if fenced.code != 0 {
            return Err(format!("it fails inside the fence: {}", fenced.describe()));
        }
        if fenced.stdout != bare.stdout {
            return Err(format!(
                "it prints something else inside: {}\noutside: {}",
                fenced.describe(),
                bare.describe()
            ));
        }
        if !changes.is_empty() && !self.changes_host {
            return Err(format!("it changed the host: {}", changes.join("\n")));
        }
        self.without(session, &texts, &fenced)
    }

    /// The control of the presets.
    fn without(&self, session: &Session, texts: &Texts, with: &Ran) -> Result<Outcome, String> {
        if self.without == Without::NotTried {
            return Ok(Outcome::Passed);
        }
        let (ran, _) = self.fenced(session, texts, Some(&["base"]))?;
        let same = match self.without {
            Without::PrintsOtherwise => ran.code == 0 && ran.stdout == with.stdout,
            _ => ran.code == 0,
        };
        if same {
            return Ok(Outcome::NotProved("it works as well under the base alone".into()));
        }
        Ok(Outcome::Passed)
    }

    /// What the shell is told; `None` where there is no tool-chain to do it with.
    fn texts(&self) -> Option<Texts> {
        let mut texts = Texts {
            prepare: self.prepare.to_owned(),
            script: format!("set -euo pipefail\n{}", self.script),
            flags: self.flags.clone(),
        };
        if self.rust {
            let rust = crate::user::rust()?.to_string_lossy().into_owned();
            texts.script = format!("RFTRIAL_RUST={rust}\n{}", texts.script);
            texts.prepare = format!("RFTRIAL_RUST={rust}\n{}", texts.prepare);
            texts.flags.extend(["--read".into(), rust]);
        }
        Some(texts)
    }

    fn bare(&self, session: &Session, texts: &Texts) -> Result<Ran, String> {
        let place = session.place()?;
        prepare(session, &place, &texts.prepare)?;
        let mut bare = session.bare_command(&place, &["bash", "-c", &texts.script]);
        bare.current_dir(place.work.join(self.directory));
        program::run_and_sweep(bare, &[], self.patience)
    }

    /// How it ends inside, and what it changed of the host.
    fn fenced(
        &self,
        session: &Session,
        texts: &Texts,
        presets: Option<&[&str]>,
    ) -> Result<(Ran, Vec<String>), String> {
        let place = session.place()?;
        prepare(session, &place, &texts.prepare)?;
        let mut flags = texts.flags.clone();
        if let Some(presets) = presets {
            let policy = place.outside.join("policy.toml");
            fs::write(&policy, format!("version = 1\nextends = {presets:?}\n"))
                .map_err(|error| format!("writing the policy: {error}"))?;
            flags.extend(["--policy".into(), policy.to_string_lossy().into_owned()]);
        }
        let host = place.host_side();
        let mut command = session.fence(&place, &flags);
        command.current_dir(place.work.join(self.directory));
        command.args(["bash", "-c", &format!("echo {BEGUN}\n{}", texts.script)]);
        let mut fenced = program::run(command, &[], self.patience)?;
        strip_begun(&mut fenced)?;
        Ok((fenced, host.changes(&place.host_side())))
    }
}

/// What must become of work under the base alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    NotTried,
    Fails,
    PrintsOtherwise,
}

/// What a shell is told.
struct Texts {
    prepare: String,
    script: String,
    flags: Vec<String>,
}
