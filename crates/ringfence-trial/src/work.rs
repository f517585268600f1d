//! Work that must go on inside the fence as it does outside. The same shell script runs in both; it must end with 0 and
//! print the same.

use std::time::Duration;

use crate::attack::prepare;
use crate::program;
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
        let mut flags = self.flags.clone();
        let mut script = format!("set -euo pipefail\n{}", self.script);
        if self.rust {
            let Some(rust) = crate::user::rust() else {
                return Ok(Outcome::Skipped("this user has no Rust tool-chain".into()));
            };
            let rust = rust.to_string_lossy().into_owned();
            script = format!("RFTRIAL_RUST={rust}\n{script}");
            flags.extend(["--read".into(), rust]);
        }
        let place = session.place()?;
        prepare(session, &place, self.prepare)?;
        let mut bare = session.bare_command(&place, &["bash", "-c", &script]);
        bare.current_dir(place.work.join(self.directory));
        let bare = program::run_and_sweep(bare, &[], self.patience)?;
        if bare.code != 0 {
            return Ok(Outcome::NotProved(format!("it does not work without a fence: {}", bare.describe())));
        }
        drop(place);
        let place = session.place()?;
        prepare(session, &place, self.prepare)?;
        let host = place.host_side();
        let mut command = session.fence(&place, &flags);
        command.current_dir(place.work.join(self.directory));
        command.args(["bash", "-c", &format!("echo {BEGUN}\n{script}")]);
        let mut fenced = program::run(command, &[], self.patience)?;
        strip_begun(&mut fenced)?;
        let changes = host.changes(&place.host_side());
        if fenced.code != 0 {
            Err(format!("it fails inside the fence: {}", fenced.describe()))
        } else if fenced.stdout != bare.stdout {
            Err(format!(
                "it prints something else inside: {}\noutside: {}",
                fenced.describe(),
                bare.describe()
            ))
        } else if !changes.is_empty() && !self.changes_host {
            Err(format!("it changed the host: {}", changes.join("\n")))
        } else {
            Ok(Outcome::Passed)
        }
    }
}
