//! The values of credentials, from where the plan says that they come from. Read in the inspector's own process, before it
//! shuts itself in, so that nobody else ever has them; but for a variable, which the caller had already.
//!
//! Not what is done with them.

use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringfence_inspect::secret::{SHORTEST, Secret};
use ringfence_plan::{Credential, Plan, RuleId, Source};
use zeroize::Zeroizing;

use super::program;

/// The variables that hold values, taken out of the caller's.
#[derive(Default)]
pub(crate) struct Taken(Vec<(String, Zeroizing<Vec<u8>>)>);

/// How long a program may take to print one.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it has.
const PAUSE: Duration = Duration::from_millis(5);
/// More bytes than this are no credential.
const LONGEST: u64 = 64 * 1024;

impl Taken {
    /// Takes those that the plan's credentials come from out of `variables`, and out of this process's own, which the
    /// sandbox's first process is a copy of.
    pub(crate) fn of(credentials: &[Credential], variables: &mut Vec<(OsString, OsString)>) -> Taken {
        let mut taken = Vec::new();
        for credential in credentials {
            let Source::Env(name) = &credential.source else { continue };
            if let Some(at) = variables.iter().position(|(known, _)| known == OsStr::new(name)) {
                let (_, value) = variables.swap_remove(at);
                taken.push((name.clone(), Zeroizing::new(value.into_encoded_bytes())));
            }
            ringfence_enter::outpost::forget_variable(name);
        }
        Taken(taken)
    }

    /// Takes them from the command's variables too: many have the same value under two names, of which a rule may let the
    /// other pass.
    pub(crate) fn keep_out(&self, env: &mut Vec<CString>) {
        let is_one = |variable: &CString| {
            let text = variable.to_bytes();
            let value = text.iter().position(|byte| *byte == b'=').map(|at| text[at + 1..].trim_ascii());
            // What is too short for a credential is refused later, and is the value of much else.
            let is_value = |(_, taken): &(String, Zeroizing<Vec<u8>>)| {
                taken.len() >= SHORTEST && value == Some(taken.trim_ascii())
            };
            self.0.iter().any(is_value)
        };
        env.retain(|variable| !is_one(variable));
    }

    fn get(&self, name: &str) -> Option<&Zeroizing<Vec<u8>>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// The values, in the order of the plan's credentials.
///
/// # Errors
/// When one is not to be had: why, without the value, and whose rule asks for it.
pub(super) fn read(plan: &Plan, taken: &Taken) -> Result<Vec<Secret>, (String, RuleId)> {
    let value = |credential: &Credential| {
        let found = value(plan, &credential.source, taken);
        let secret = found.and_then(|text| Secret::new(text).map_err(str::to_owned));
        secret.map_err(|why| (format!("{} {why}", credential.source), credential.rule))
    };
    plan.network.credentials.iter().map(value).collect()
}

/// One value. The error reads after the source's name.
pub(super) fn value(plan: &Plan, source: &Source, taken: &Taken) -> Result<Zeroizing<Vec<u8>>, String> {
    match source {
        Source::Env(name) => taken.get(name).cloned().ok_or_else(|| "is not set".into()),
        Source::File(path) => {
            program::is_out_of_reach(plan, path.as_path())?;
            read_file(path.as_path()).map_err(|error| format!("cannot be read: {error}"))
        }
        Source::Command(words) => printed(&mut program::command(plan, words)?),
        Source::Secret { service, account } => {
            let mut program = program::command(plan, &["secret-tool".into()])?;
            printed(program.args(["lookup", "service", service, "account", account])).map_err(|why| {
                format!("is asked for by `secret-tool lookup service … account …`, which {why}")
            })
        }
        Source::Outside => Err("is of the sandbox around".into()),
    }
}

fn read_file(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    std::fs::File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// What a program prints, outside, with the caller's terminal and environment.
fn printed(program: &mut Command) -> Result<Zeroizing<Vec<u8>>, String> {
    let spawned = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut child = spawned.map_err(|error| format!("cannot be started: {error}"))?;
    let Some(mut output) = child.stdout.take() else { return Err("has no output".into()) };
    let until = Instant::now() + PATIENCE;
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    let read = read_until(&mut output, &mut text, until);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if read.is_ok() && Instant::now() < until => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                let _ = (child.kill(), child.wait());
                break None;
            }
        }
    };
    match (read, status) {
        (Err(why), _) => Err(why),
        (Ok(()), None) => Err("did not end in time".into()),
        (Ok(()), Some(status)) if !status.success() => Err(format!("failed ({status})")),
        (Ok(()), Some(_)) => Ok(text),
    }
}

fn read_until(
    output: &mut std::process::ChildStdout,
    text: &mut Vec<u8>,
    until: Instant,
) -> Result<(), String> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&*output, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err("did not end in time".into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("cannot be heard: {error}")),
        }
        match output.read(&mut *chunk) {
            Ok(0) => return Ok(()),
            Ok(length) if text.len() + length <= LONGEST as usize => text.extend_from_slice(&chunk[..length]),
            Ok(_) => return Err("prints more than any credential has".into()),
            Err(error) => return Err(format!("cannot be heard: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{AbsPath, Placeholder};

    use super::*;

    fn credential(source: Source) -> Credential {
        Credential {
            endpoint: "a.org:443".parse().unwrap(),
            header: "Authorization".into(),
            methods: Vec::new(),
            paths: Vec::new(),
            source,
            placeholder: Placeholder::Env("T".into()),
            rule: RuleId(3),
        }
    }

    fn value_of(source: Source, variables: &mut Vec<(OsString, OsString)>) -> Result<Vec<u8>, String> {
        let mut plan = Plan::top(AbsPath::root());
        plan.files.grants.clear();
        plan.network.credentials = vec![credential(source)];
        let taken = Taken::of(&plan.network.credentials, variables);
        let read = read(&plan, &taken).map_err(|(why, _)| why)?;
        Ok(read[0].bytes().to_vec())
    }

    #[test]
    fn a_value_passes_inside_under_no_other_name() {
        let mut variables: Vec<(OsString, OsString)> =
            vec![("RF_ONE".into(), "value-of-it\n".into()), ("RF_TINY".into(), "1".into())];
        let credentials = ["RF_ONE", "RF_TINY"].map(|name| credential(Source::Env(name.into())));
        let taken = Taken::of(&credentials, &mut variables);
        let own = |text: &str| CString::new(text).unwrap();
        let mut env = vec![own("ALIAS=value-of-it"), own("OTHER=value-of-it-not"), own("LEVEL=1"), own("X")];
        taken.keep_out(&mut env);
        assert_eq!(env, [own("OTHER=value-of-it-not"), own("LEVEL=1"), own("X")]);
    }

    #[test]
    fn a_value_comes_from_where_the_plan_says_and_a_failure_does_not_show_it() {
        let mut variables: Vec<(OsString, OsString)> =
            vec![("RF_T".into(), "value-of-it\n".into()), ("OTHER".into(), "x".into())];
        assert_eq!(value_of(Source::Env("RF_T".into()), &mut variables).unwrap(), b"value-of-it");
        assert_eq!(variables, [("OTHER".into(), "x".into())], "it was taken out");
        assert!(value_of(Source::Env("RF_T".into()), &mut variables).unwrap_err().contains("is not set"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-a-file\n").unwrap();
        let path = AbsPath::new(file.path()).unwrap();
        assert_eq!(value_of(Source::File(path), &mut variables).unwrap(), b"from-a-file");
        let command = |words: &[&str]| Source::Command(words.iter().map(ToString::to_string).collect());
        assert_eq!(
            value_of(command(&["echo", "from-a-program"]), &mut variables).unwrap(),
            b"from-a-program"
        );
        let failed =
            value_of(command(&["sh", "-c", "echo half-a-secret; exit 3"]), &mut variables).unwrap_err();
        assert!(failed.contains("exit status: 3") && !failed.starts_with("half"), "{failed}");
        let short = value_of(command(&["echo", "tiny"]), &mut variables).unwrap_err();
        assert!(short.contains("fewer than 8") && short.contains("echo tiny"), "{short}");
    }
}
