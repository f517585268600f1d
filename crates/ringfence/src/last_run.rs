//! What the last run of this user was refused, kept so that somebody can ask why afterwards. Not an audit: it holds one
//! run, lies with its user, and a run that cannot write it goes on.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ringfence_plan::{Event, Operation, Origin, Plan, Rule};
use serde::{Deserialize, Serialize};

/// The refusals of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began (RFC 3339, UTC).
    pub time: String,
    /// Where its command was started; bytes that are no UTF-8 are replaced, as in every text here.
    pub cwd: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The backend that held it.
    pub backend: String,
    /// How many refusals there were, those left out of `refusals` too.
    pub denied: u64,
    /// What was refused, first come first, at most [`MOST`].
    pub refusals: Vec<Refusal>,
    /// Where it was not let connect to, in the same way.
    #[serde(default)]
    pub connections: Vec<RefusedConnection>,
}

/// A connection that was refused, as often as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedConnection {
    /// The name or address, and the port where there was one: `example.org:443`, `[2001:db8::1]:53`. Chosen by the
    /// command.
    pub target: String,
    /// How often, as far as it was told.
    pub count: u64,
    /// The rule that refused, in the words of the policy.
    pub rule: String,
    /// Who said so.
    pub origin: Origin,
}

/// What was refused, as often as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the command asked for.
    pub operation: Operation,
    /// On which path. Chosen by the command: escape before showing.
    pub path: String,
    /// How often, as far as it was told.
    pub count: u64,
    /// The rule that refused, in the words of the policy.
    pub rule: String,
    /// Who said so.
    pub origin: Origin,
}

/// How many different refusals are kept.
pub const MOST: usize = 100;

/// The longest file that is read: [`MOST`] paths of the greatest length, and room.
const LONGEST: u64 = 4 << 20;

impl LastRun {
    /// The record in this user's state directory; `None` if the last run was refused nothing.
    ///
    /// # Errors
    /// When there is one that cannot be read, or that is none.
    pub fn read(state: &Path) -> io::Result<Option<LastRun>> {
        let file = match std::fs::File::open(LastRun::place(state)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map(Some).map_err(io::Error::from)
    }

    /// The file, in this user's state directory.
    pub fn place(state: &Path) -> PathBuf {
        state.join("last-run.json")
    }

    /// Takes down a refusal of a run of `plan`.
    pub(crate) fn note(&mut self, event: &Event, plan: &Plan) {
        let (operation, path, rule) = match event {
            Event::Denied { operation, path, rule, pid: _ } => (operation, path, rule),
            Event::NetworkRefused { host, address, port, protocol, barrier: _, rule } => {
                let address = address.map(|address| match address {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("[{address}]"),
                });
                let Some(target) = host.clone().or(address) else { return };
                let scheme = protocol.scheme();
                let target = port.map_or(target.clone(), |port| format!("{scheme}{target}:{port}"));
                return self.note_connection(target, plan.rule(*rule));
            }
            Event::RequestRefused { host, port, method, path, barrier: _, rule } => {
                return self.note_connection(format!("{host}:{port} {method} {path}"), plan.rule(*rule));
            }
            Event::CredentialAlarm { host, port, place: _, rule } => {
                let host = host.as_deref().unwrap_or("an address");
                return self.note_connection(format!("{host}:{port}"), plan.rule(*rule));
            }
            Event::Connected { .. }
            | Event::RequestsAllowed { .. }
            | Event::NetworkFailed { .. }
            | Event::Inbound { .. }
            | Event::RuleChanged { .. }
            | Event::NetworkLost
            | Event::InspectorLost
            | Event::LimitReached { .. } => return,
        };
        let is_known = |known: &Refusal| known.operation == *operation && known.path == *path;
        match self.refusals.iter().position(is_known) {
            Some(index) => self.refusals[index].count += 1,
            None if self.refusals.len() < MOST => {
                let rule = plan.rule(*rule);
                self.refusals.push(Refusal {
                    operation: *operation,
                    path: path.clone(),
                    count: 1,
                    rule: rule.text.clone(),
                    origin: rule.origin.clone(),
                });
            }
            None => {}
        }
    }

    fn note_connection(&mut self, target: String, rule: &Rule) {
        match self.connections.iter().position(|known| known.target == target) {
            Some(index) => self.connections[index].count += 1,
            None if self.connections.len() < MOST => {
                let (rule, origin) = (rule.text.clone(), rule.origin.clone());
                self.connections.push(RefusedConnection { target, count: 1, rule, origin });
            }
            None => {}
        }
    }
}
