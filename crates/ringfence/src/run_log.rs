//! What was decided in the last runs of this user, kept so that somebody can read it afterwards: connections with their
//! rules, bytes and durations, refusals, changes of rules. Not an audit: it is bounded, lies with its user, and a run that
//! cannot write it goes on.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ringfence_plan::{Ending, Event, Rule};
use serde::{Deserialize, Serialize};

use crate::outcome::Traffic;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLog {
    /// What it is called by; while it runs its owner calls it so too.
    pub id: String,
    /// When it began (RFC 3339, UTC).
    pub time: String,
    /// Where its command was started; bytes that are no UTF-8 are replaced, as in every text here.
    pub cwd: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The backend that held it.
    pub backend: String,
    /// How its command ended; `None` where it did not start, or its end is not known.
    pub ending: Option<Ending>,
    /// What went through the gateway, as far as it was heard, with what is left out of `entries`.
    pub traffic: Traffic,
    /// How many events are left out of `entries`: past the first thousand of a kind, or never heard.
    #[serde(default)]
    pub left_out: u64,
    /// What happened, in its order.
    pub entries: Vec<Entry>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Since the beginning, milliseconds. Of a connection, when it ended.
    pub at: u64,
    /// What. Names in it were chosen by the command: escape before showing.
    pub event: Event,
    /// The rule that decided, with its place.
    pub rule: Option<Rule>,
}

/// How many runs are kept.
pub const KEPT_RUNS: usize = 20;

/// The longest file that is read.
const LONGEST: u64 = 32 << 20;

impl RunLog {
    /// The run of this name, or the last one: of those that had something to tell. `None` if there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read, or that is none.
    pub fn read(state: &Path, id: Option<&str>) -> io::Result<Option<RunLog>> {
        let names = names(state)?;
        let is_meant = |name: &&String| id.is_none_or(|id| id_of(name) == Some(id));
        let Some(name) = names.iter().rev().find(is_meant) else { return Ok(None) };
        let mut text = Vec::new();
        std::fs::File::open(place(state).join(name))?.take(LONGEST).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map(Some).map_err(io::Error::from)
    }

    /// The names of the runs that are kept, eldest first.
    ///
    /// # Errors
    /// When it cannot be looked.
    pub fn ids(state: &Path) -> io::Result<Vec<String>> {
        Ok(names(state)?.iter().filter_map(|name| id_of(name)).map(str::to_owned).collect())
    }
}

/// The directory, in this user's state directory.
pub(crate) fn place(state: &Path) -> PathBuf {
    state.join("log")
}

/// Files are called by the moment, so that they sort, and by the run.
pub(crate) fn file_name(since_epoch: std::time::Duration, id: &str) -> String {
    format!("{:014}-{id}.json", since_epoch.as_millis())
}

/// The files, eldest first.
pub(crate) fn names(state: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(place(state)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| id_of(name).is_some()).collect();
    names.sort_unstable();
    Ok(names)
}

fn id_of(name: &str) -> Option<&str> {
    let (moment, id) = name.strip_suffix(".json")?.split_once('-')?;
    moment.bytes().all(|byte| byte.is_ascii_digit()).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_run_is_the_one_that_began_last_whatever_its_number() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(RunLog::read(state.path(), None).unwrap(), None);
        std::fs::create_dir(place(state.path())).unwrap();
        for (millis, id) in [(999, "90"), (1_700_000_000_000, "7"), (1_700_000_000_001, "12-1")] {
            let log = RunLog {
                id: id.into(),
                time: String::new(),
                cwd: "/".into(),
                argv: Vec::new(),
                backend: "namespaces".into(),
                ending: Some(Ending::Exited(0)),
                traffic: Traffic::default(),
                left_out: 0,
                entries: vec![Entry { at: 1, event: Event::NetworkLost, rule: None }],
            };
            let file = place(state.path()).join(file_name(Duration::from_millis(millis), id));
            std::fs::write(file, serde_json::to_vec(&log).unwrap()).unwrap();
        }
        std::fs::write(place(state.path()).join("else.json"), "").unwrap();
        assert_eq!(RunLog::ids(state.path()).unwrap(), ["90", "7", "12-1"]);
        assert_eq!(RunLog::read(state.path(), None).unwrap().unwrap().id, "12-1");
        assert_eq!(RunLog::read(state.path(), Some("90")).unwrap().unwrap().id, "90");
        assert_eq!(RunLog::read(state.path(), Some("1")).unwrap(), None);
    }
}
