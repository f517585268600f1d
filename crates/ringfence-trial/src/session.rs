//! One run of the table: a backend, a user and the program on trial. Starts programs with and without the fence in
//! equal surroundings. Judges nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::place::Place;
use crate::program::{self, Ran};

/// Printed by the fenced shell before the attempt: without it a fence that never started would pass for one that held.
pub(crate) const BEGUN: &str = "rftrial-begun";

/// How long one attempt may take unless its row says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where programs are looked for: nothing of a developer's own tool-chains.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// One backend, one user.
pub struct Session {
    /// The backend on trial.
    pub backend: &'static str,
    /// Whether the user is root.
    pub is_root: bool,
    /// The program on trial, where this user can run it.
    pub(crate) ringfence: PathBuf,
    /// This program, where the fence lets it be run.
    pub(crate) trial: PathBuf,
    scratch: PathBuf,
    unenforced: BTreeMap<String, String>,
    narrowed: BTreeMap<String, String>,
    mechanisms: BTreeMap<String, String>,
    serial: AtomicU32,
}

impl Session {
    /// Prepares a session: scratch directory, copies of both programs, and what this backend says it cannot hold.
    pub fn start(backend: &'static str, ringfence: &Path, trial: &Path) -> Result<Session, String> {
        let scratch = PathBuf::from(format!("/tmp/rftrial-{}-{backend}", std::process::id()));
        let bin = scratch.join("bin");
        let fail = |what: &str, error: std::io::Error| format!("{what}: {error}");
        fs::create_dir_all(&bin).map_err(|error| fail("making the scratch directory", error))?;
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o755))
            .map_err(|error| fail("chmod", error))?;
        let (trial, ringfence) = (copy(trial, &bin)?, copy(ringfence, &bin)?);
        let mut session = Session {
            backend,
            is_root: rustix::process::geteuid().is_root(),
            ringfence,
            trial,
            scratch,
            unenforced: BTreeMap::new(),
            narrowed: BTreeMap::new(),
            mechanisms: BTreeMap::new(),
            serial: AtomicU32::new(0),
        };
        let plan = session.ask_for_the_plan()?;
        collect("unenforced", &plan, &mut session.unenforced);
        collect("narrowed", &plan, &mut session.narrowed);
        mechanisms(&plan, &mut session.mechanisms);
        Ok(session)
    }

    /// Why the backend does not hold `field` on this host, if it says so.
    pub(crate) fn unenforced(&self, field: &str) -> Option<&str> {
        self.unenforced.get(field).map(String::as_str)
    }

    /// What the workload loses where the backend holds `field` more strictly than asked, if it says so.
    pub(crate) fn narrowed(&self, field: &str) -> Option<&str> {
        self.narrowed.get(field).map(String::as_str)
    }

    /// What the backend says of how it holds `field`, if that has these words: a gap that it names itself.
    pub(crate) fn admits(&self, field: &str, words: &str) -> Option<&str> {
        self.mechanisms.get(field).map(String::as_str).filter(|text| text.contains(words))
    }

    /// A new place for one attempt.
    pub(crate) fn place(&self) -> Result<Place, String> {
        Place::make(&self.scratch.join(self.serial.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// `ringfence run` in `place` with the flags that every attempt needs and `flags`; the command is to be added.
    pub(crate) fn fence(&self, place: &Place, flags: &[String]) -> Command {
        let mut command = self.environment(Command::new(&self.ringfence), place);
        command.args(["run", "--containment", self.backend]);
        for field in self.unenforced.keys() {
            command.args(["--allow-unenforced", field]);
        }
        command.arg("--read").arg(self.bin());
        for (name, value) in self.variables(place) {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.args(flags.iter().map(|flag| place.expand(flag))).arg("--");
        command
    }

    /// The words of `ringfence run` inside a fence of [`Session::fence`], with the flags that every attempt needs and
    /// `flags`; the command is to be added. Of backends it may choose: only one works there.
    pub(crate) fn inner(&self, place: &Place, flags: &[&str]) -> Vec<String> {
        let mut words = vec![self.ringfence.to_string_lossy().into_owned(), "run".into(), "--quiet".into()];
        // Whoever asks for a deny himself does not do without.
        let denies = flags.contains(&"--deny");
        for field in self.unenforced.keys().filter(|field| !(denies && *field == "filesystem.deny")) {
            words.extend(["--allow-unenforced".into(), field.clone()]);
        }
        words.extend(["--read".into(), self.bin().to_string_lossy().into_owned()]);
        for (name, value) in self.variables(place) {
            words.extend(["--env".into(), format!("{name}={value}")]);
        }
        words.extend(flags.iter().map(|flag| place.expand(flag)));
        words.push("--".into());
        words
    }

    /// Runs a shell line inside the fence.
    pub(crate) fn fenced(&self, place: &Place, flags: &[String], line: &str) -> Result<Ran, String> {
        let mut command = self.fence(place, flags);
        command.args(["sh", "-c", &format!("echo {BEGUN}\n{line}")]);
        let mut ran = program::run(command, &[], PATIENCE)?;
        strip_begun(&mut ran)?;
        Ok(ran)
    }

    /// Runs a shell line without a fence, in the same surroundings.
    pub(crate) fn bare(&self, place: &Place, line: &str) -> Result<Ran, String> {
        program::run_and_sweep(self.bare_command(place, &["sh", "-c", line]), &[], PATIENCE)
    }

    /// A program without a fence, in the same surroundings.
    pub(crate) fn bare_command(&self, place: &Place, argv: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.environment(Command::new(&argv[0]), place);
        command.args(&argv[1..]);
        command
    }

    /// `command` with a clean environment in the workspace of `place`.
    fn environment(&self, mut command: Command, place: &Place) -> Command {
        command.env_clear().current_dir(&place.work).env("PATH", PATH).env("HOME", &place.home);
        command.env("LANG", "C.UTF-8").env("TERM", "dumb").env("USER", "rftrial").envs(self.variables(place));
        // Root would otherwise be told by git that the scratch repository is another's.
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    /// The variables that attempts use.
    fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("TRIAL", text(&self.trial)),
            ("OUTSIDE", text(&place.outside)),
            ("WORK", text(&place.work)),
            ("HOSTHOME", text(&place.home)),
            ("GIT_AUTHOR_NAME", "t".into()),
            ("GIT_AUTHOR_EMAIL", "t@example.com".into()),
            ("GIT_COMMITTER_NAME", "t".into()),
            ("GIT_COMMITTER_EMAIL", "t@example.com".into()),
        ]
    }

    /// The directory of both programs.
    pub(crate) fn bin(&self) -> PathBuf {
        self.scratch.join("bin")
    }

    /// The scratch directory, by which mounts and processes of this session are told from others.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Whether `program` is there for the rows to use.
    pub(crate) fn has(program: &str) -> bool {
        PATH.split(':').any(|directory| Path::new(directory).join(program).exists())
    }

    /// Asks for the plan, in which the backend says what it does not hold on this host.
    fn ask_for_the_plan(&self) -> Result<serde_json::Value, String> {
        let place = self.place()?;
        let mut command = self.environment(Command::new(&self.ringfence), &place);
        // With a deny inside a granted tree, so that the backend answers for that, too, whatever the policy denies anyway.
        command
            .args(["plan", "--json", "--containment", self.backend, "--deny"])
            .arg(place.work.join("denied"));
        let ran = program::run(command, &[], PATIENCE)?;
        serde_json::from_slice(&ran.stdout)
            .map_err(|error| format!("`ringfence plan --json` gave no JSON ({error}): {}", ran.describe()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nothing to do about a failure: the directory is in /tmp and named for this program.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Takes the mark of a begun attempt off its output; an error if it is not there.
pub(crate) fn strip_begun(ran: &mut Ran) -> Result<(), String> {
    let mark = format!("{BEGUN}\n");
    if !ran.stdout.starts_with(mark.as_bytes()) {
        return Err(format!("the fenced command did not start: {}", ran.describe()));
    }
    ran.stdout.drain(..mark.len());
    Ok(())
}

/// The mechanism of each field.
fn mechanisms(value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(members) => {
            let text = |name| members.get(name).and_then(|text| text.as_str());
            if let (Some(field), Some(mechanism)) = (text("field"), text("mechanism")) {
                found.insert(field.to_owned(), mechanism.to_owned());
            }
            members.values().for_each(|member| mechanisms(member, found));
        }
        serde_json::Value::Array(entries) => entries.iter().for_each(|entry| mechanisms(entry, found)),
        _ => {}
    }
}

/// In whatever shape the plan is printed, a field's verdict is an object with these three members.
fn collect(word: &str, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(members) => {
            if members.get("verdict").and_then(|verdict| verdict.as_str()) == Some(word) {
                let text =
                    |name| members.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
                found.insert(text("field"), text("why"));
            }
            members.values().for_each(|member| collect(word, member, found));
        }
        serde_json::Value::Array(entries) => {
            entries.iter().for_each(|entry| collect(word, entry, found));
        }
        _ => {}
    }
}

/// A copy that every user can run.
fn copy(program: &Path, into: &Path) -> Result<PathBuf, String> {
    let name =
        if program.file_name() == Some(OsStr::new("ringfence")) { "ringfence" } else { "ringfence-trial" };
    let copy = into.join(name);
    fs::copy(program, &copy)
        .and_then(|_| fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("copying {}: {error}", program.display()))?;
    Ok(copy)
}
