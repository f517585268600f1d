//! The inspector's process, as the supervisor sees it: started before the sandbox, so that neither has a copy of what the
//! other knows, heard, and ended with the run. What it does is `ringfence-inspect`'s.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ringfence_egress::budget::Ledger;
use ringfence_egress::report;
use ringfence_enter::{Roots, StandIn, capture, outpost};
use ringfence_inspect::rules::Rules;
use ringfence_inspect::{Engine, Setup, roots, secret};
use ringfence_plan::{Event, Placeholder, Plan, RuleId};
use rustix::event::Timespec;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use super::outpost::{Heard, Outpost};
use super::program;
use super::secrets::{self, Taken};
use super::trust;
use crate::error::Error;
use crate::outcome::EventLog;

/// An inspector that serves one sandbox. Dropping it ends it.
pub(super) struct Inspector(Outpost);

/// What the rest of the run has to know of it.
pub(super) struct Introduced {
    pub(super) inspector: Inspector,
    /// What stands for the credentials, in the order of [`Rules::places`].
    pub(super) placeholders: Vec<String>,
    /// The roots that clients inside are to trust, where it looks into what they say.
    pub(super) roots: Option<Roots>,
}

/// What it says first.
#[derive(Serialize, Deserialize)]
enum First {
    /// It is shut in; this is its authority's certificate.
    Ready(String),
    /// It cannot serve.
    Failed { why: String, rule: Option<RuleId> },
}

/// Longest packet.
const LONGEST: usize = 64 * 1024;
/// How long it may take to be ready; a program that prints a credential may ask its user for something.
const PATIENCE: Timespec = Timespec { tv_sec: 300, tv_nsec: 0 };

/// What it is started from.
pub(super) struct Start<'a> {
    pub(super) plan: &'a Plan,
    pub(super) landlock: u32,
    pub(super) ledger: Ledger,
    pub(super) taken: Taken,
    /// The caller's own file of roots.
    pub(super) own_roots: Option<PathBuf>,
    /// Whether a parent proxy or a resolver is to be spoken to by TLS.
    pub(super) wraps: bool,
    /// The command's variables, which tell where its Java lies.
    pub(super) env: &'a [CString],
}

impl Inspector {
    /// Starts one where the plan asks for it, and waits until it is shut in.
    ///
    /// # Errors
    /// When a credential is not to be had, or it cannot serve.
    pub(super) fn start(start: Start<'_>) -> Result<Option<Introduced>, Error> {
        let looks = Rules::of(start.plan);
        let is_looking = looks.is_some();
        let Some(rules) = looks.or_else(|| start.wraps.then(|| Rules::none(start.plan))) else {
            return Ok(None);
        };
        let placeholders =
            placeholders(rules.places().len()).map_err(Error::supervise("make placeholders"))?;
        let own = start.own_roots.as_deref();
        let host = fixed(start.plan, own).and_then(|()| roots::read(own));
        let (_, host) = host.map_err(|why| Error::Inspector { why, rule: None })?;
        let (plan, env) = (start.plan, start.env);
        // The values go with `start`: they are the child's then, and here they are wiped.
        let outpost = Outpost::fork(LONGEST, |supervisor| {
            let (placeholders, roots) = (placeholders.clone(), host.clone());
            serve(Given { rules, placeholders, roots, start }, supervisor)
        });
        let mut inspector = Inspector(outpost.map_err(Error::supervise("start the inspector"))?);
        let certificate = inspector.is_ready(plan)?;
        let roots = is_looking.then(|| trust::roots(plan, env, (host, &certificate)));
        Ok(Some(Introduced { inspector, placeholders, roots }))
    }

    /// Waits until it is locked in; its certificate.
    fn is_ready(&mut self, plan: &Plan) -> Result<String, Error> {
        let gone = || Error::Inspector { why: "its process ended before it could serve".into(), rule: None };
        let first = self.0.first(PATIENCE).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                Error::Inspector { why: "it was not ready in time".into(), rule: None }
            }
            io::ErrorKind::UnexpectedEof => gone(),
            _ => Error::supervise("wait for the inspector")(error),
        })?;
        match serde_json::from_slice(first) {
            Ok(First::Ready(certificate)) => Ok(certificate),
            Ok(First::Failed { why, rule }) => {
                Err(Error::Inspector { why, rule: rule.map(|rule| plan.rule(rule).to_string()) })
            }
            Err(_) => Err(gone()),
        }
    }

    /// Makes its channel to the gateway, and gives it one end; the other is the gateway's. After the sandbox, whose first
    /// process would keep a copy of it open.
    pub(super) fn connect(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = capture::channel()?;
        self.0.tell(b"g", Some(theirs.as_fd()))?;
        Ok(ours)
    }

    /// For poll(2).
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.fd()
    }

    /// Passes on what it tells; if it has ended, that too.
    pub(super) fn hear(&mut self, log: &mut EventLog<'_>) {
        self.0.hear(|heard| match heard {
            Heard::Packet(packet) => pass_on(packet, log),
            Heard::Lost => log.network(&Event::InspectorLost),
        });
    }

    /// The run is over, and the gateway with it: hears what it has left to tell.
    pub(super) fn finish(self, log: &mut EventLog<'_>) {
        self.0.finish(|packet| pass_on(packet, log));
    }
}

/// It reads what anybody sends, and may have been taken over: then it lies about requests, and about nothing else. A change
/// of rules is the supervisor's own to tell.
fn pass_on(packet: &[u8], log: &mut EventLog<'_>) {
    if let Ok(
        event @ (Event::NetworkRefused { .. }
        | Event::RequestRefused { .. }
        | Event::RequestsAllowed { .. }
        | Event::CredentialAlarm { .. }),
    ) = serde_json::from_slice(packet)
    {
        log.network(&event);
    } else if let Some(events) = report::is_missed(packet) {
        log.missed(events);
    }
}

fn placeholders(count: usize) -> io::Result<Vec<String>> {
    let placeholder = || {
        let mut random = [0; 20];
        let length = getrandom(&mut random, GetRandomFlags::empty())?;
        if length == random.len() {
            Ok(secret::placeholder(&random))
        } else {
            Err(io::ErrorKind::Other.into())
        }
    };
    (0..count).map(|_| placeholder()).collect()
}

/// The placeholders as the sandbox gets them: variables (`NAME=`, and the value) and files.
pub(super) fn shown(plan: &Plan, placeholders: &[String]) -> (Vec<(String, String)>, Vec<StandIn>) {
    let (mut variables, mut files) = (Vec::new(), Vec::new());
    let Some(rules) = Rules::of(plan) else { return (variables, files) };
    for ((number, place), text) in rules.places().iter().enumerate().zip(placeholders) {
        match place {
            Placeholder::Env(name) => variables.push((name.clone(), text.clone())),
            Placeholder::File(path) => files.push(StandIn {
                path: path.clone(),
                text: text.clone().into_bytes(),
                rule: rules.rule_of_placeholder(number),
            }),
        }
    }
    (variables, files)
}

struct Given<'a> {
    rules: Rules,
    placeholders: Vec<String>,
    roots: Vec<u8>,
    start: Start<'a>,
}

/// In the inspector's process: from the copy of the supervisor to the end.
fn serve(given: Given<'_>, supervisor: OwnedFd) -> io::Result<()> {
    let Given { rules, placeholders, roots, start } = given;
    let Start { plan, landlock, ledger, taken, own_roots: _, wraps: _, env: _ } = start;
    // Here the caller's terminal and variables are still there, which a program that prints one may need.
    let secrets = match secrets::read(plan, &taken) {
        Ok(secrets) => secrets,
        Err((why, rule)) => return say(&supervisor, &First::Failed { why, rule: Some(rule) }),
    };
    drop(taken);
    let [supervisor] = outpost::detach([supervisor]).map_err(io::Error::other)?;
    let first = supervisor.try_clone()?;
    let setup = Setup { rules, secrets, placeholders, ledger, roots, supervisor };
    let engine = match Engine::new(setup) {
        Ok(engine) => engine,
        Err(why) => return say(&first, &First::Failed { why, rule: None }),
    };
    outpost::lock_without_sockets(landlock).map_err(io::Error::other)?;
    say(&first, &First::Ready(engine.certificate().to_owned()))?;
    drop(first);
    engine.serve()
}

fn say(supervisor: &OwnedFd, first: &First) -> io::Result<()> {
    rustix::io::write(supervisor, &serde_json::to_vec(first)?)?;
    Ok(())
}

/// The caller's own file of roots, if it names one.
pub(super) fn own_roots(caller_env: &[(std::ffi::OsString, std::ffi::OsString)]) -> Option<PathBuf> {
    let named = caller_env.iter().find(|(name, _)| name == "SSL_CERT_FILE").map(|(_, path)| Path::new(path));
    named.filter(|path| !path.as_os_str().is_empty()).map(Path::to_path_buf)
}

/// Whether the caller's own file of roots is out of the sandbox's reach: whoever may write there says which servers are
/// believed, and who gets a credential.
fn fixed(plan: &Plan, own: Option<&Path>) -> Result<(), String> {
    let Some(own) = own else { return Ok(()) };
    let file = std::path::absolute(own).map_err(|error| error.to_string())?;
    program::is_out_of_reach(plan, &file)
        .map_err(|why| format!("SSL_CERT_FILE names {}, which {why}", own.display()))
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{AbsPath, Access, Change, Grant, Origin, Rule};

    use super::*;

    #[test]
    fn no_roots_are_believed_that_the_sandbox_may_change() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let mut plan = Plan::top(AbsPath::root());
        plan.files.grants.clear();
        plan.files.grants.push(Grant {
            path: AbsPath::new(root.join("project")).unwrap(),
            access: Access::Write,
            optional: false,
            rule: RuleId(0),
        });
        std::fs::create_dir(root.join("project")).unwrap();
        std::os::unix::fs::symlink(root.join("project/roots.pem"), root.join("link")).unwrap();
        for (file, good) in [
            ("project/roots.pem", false),
            ("link", false),
            ("beside/../project/x", false),
            ("roots.pem", true),
        ] {
            assert_eq!(fixed(&plan, Some(&root.join(file))).is_ok(), good, "{file}");
        }
        assert!(fixed(&plan, None).is_ok());
    }

    #[test]
    fn it_tells_of_requests_and_of_nothing_else() {
        let mut told = Vec::new();
        let mut note = |event: &Event| told.push(event.clone());
        let mut log = EventLog::new(&mut note);
        let requests =
            Event::RequestsAllowed { host: "a.org".into(), port: 443, rule: RuleId(1), requests: u64::MAX };
        let text = Rule { text: "network.allow = \"evil.org\"".into(), origin: Origin::Flag("x".into()) };
        let changed =
            Event::RuleChanged { change: Change::Allow, target: "evil.org".into(), rule: RuleId(9), text };
        for event in [&requests, &changed, &Event::NetworkLost, &Event::InspectorLost, &requests] {
            pass_on(&serde_json::to_vec(event).unwrap(), &mut log);
        }
        assert_eq!(told, [requests.clone(), requests]);
    }
}
