//! Why a run did not start or was lost: kinds, with hints apart, so that the edge can say both in its own words.

use std::io;
use std::path::PathBuf;

use ringfence_plan::Field;

use crate::refused::Refused;

/// Why a run did not start, or was lost. In every case nothing of it is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Some field of the plan is not held by any backend that may be used here.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The caller would do without a part of the fence, and the policy does not let him.
    #[error("doing without {} is forbidden by {rule}", names(.fields))]
    Bypass {
        /// The fields that were named.
        fields: Vec<Field>,
        /// The rule that forbids it.
        rule: String,
    },
    /// The run could not be recorded, so it was not started.
    #[error("failed to record the run in {destination}: {why}; asked for by {rule}")]
    Audit {
        /// As the policy has it.
        destination: String,
        /// The kernel's answer, or ours.
        why: String,
        /// The rule that wants the record.
        rule: String,
    },
    /// The proxy that connections are to go through cannot be used.
    #[error("failed to use the parent proxy: {why}; asked for by {rule}")]
    Parent {
        /// What is wrong, without a secret.
        why: String,
        /// The rule that asks for it.
        rule: String,
    },
    /// The resolver of the plan is not one that may be asked directly.
    #[error(
        "failed to use the resolver {resolver}: it would have to be asked through the parent proxy, which is not done; asked for by {rule}"
    )]
    Resolver {
        /// Which.
        resolver: String,
        /// The rule that asks for it.
        rule: String,
    },
    /// Requests cannot be looked into, or a credential is not to be had.
    #[error("failed to start the inspector: {why}{}", rule.as_ref().map(|rule| format!("; asked for by {rule}")).unwrap_or_default())]
    Inspector {
        /// What is wrong, without a secret.
        why: String,
        /// The rule that asks for it, where one does.
        rule: Option<String>,
    },
    /// The command line cannot be passed to a program.
    #[error("the command {what}")]
    BadCommand {
        /// Completes "the command …".
        what: String,
    },
    /// The working directory would not exist inside.
    #[error("the working directory {} {why}", path.display())]
    WorkingDirectory {
        /// As given.
        path: PathBuf,
        /// Completes "the working directory …".
        why: String,
    },
    /// A limit could not be set.
    #[error("failed to set {} in {}: {source}", names(.fields), path.display())]
    Limit {
        /// The limits that were to be held there.
        fields: Vec<Field>,
        /// The control group or its file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A port of this machine's loopback could not be opened for what listens inside.
    #[error("failed to open port {port} of this machine's loopback: {source}; asked for by {rule}")]
    Publish {
        /// The port.
        port: u16,
        /// The one inside.
        inside: u16,
        /// The rule that asks for it.
        rule: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The sandbox could not be started.
    #[error("{source}")]
    Launch {
        /// Which backend.
        backend: &'static str,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A step inside the sandbox failed, before the command was started.
    #[error("{source}{}", rule.as_ref().map(|rule| format!("; asked for by {rule}")).unwrap_or_default())]
    SetUp {
        /// Which backend.
        backend: &'static str,
        /// Step, operand and the kernel's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// The rule behind it, where one is.
        rule: Option<String>,
    },
    /// The fence stands, but the command cannot be executed in it (execve(2)).
    #[error("failed to execute {program}: {source}")]
    Execute {
        /// As given.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The sandbox ended before its command did, and nobody said why.
    #[error("the sandbox ended before its command did ({how})")]
    Lost {
        /// How its first process ended.
        how: String,
    },
    /// A system call of the supervisor failed.
    #[error("failed to {what}: {source}")]
    Supervise {
        /// Completes "failed to …".
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// The exit code that stands for this error: 126 and 127 as the shell has them, 125 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Execute { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Error::Execute { .. } => 126,
            _ => 125,
        }
    }

    /// What the user can do, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Error::Refused(refused) => refused.hints.clone(),
            Error::Bypass { .. } => vec![
                "leave out --allow-unenforced; `ringfence plan` shows what each backend holds here".into(),
                "whoever wrote that rule can change it".into(),
            ],
            Error::Audit { .. } => vec![
                "make that place writable for this user, outside of everything that the command may write"
                    .into(),
                "whoever wrote that rule can name another place".into(),
            ],
            Error::Parent { .. } => vec![
                "a proxy is an http://, https:// or socks5:// URL, its credential user:password".into(),
                "leave that rule out, and connections are made directly".into(),
            ],
            Error::Resolver { .. } => vec![
                "put its host into network.no_proxy, and it is asked directly".into(),
                "leave that rule out: the proxy looks up the names that go through it".into(),
            ],
            Error::Inspector { rule, .. } => vec![match rule {
                Some(_) => "set the source that the rule names, or leave the credential out".into(),
                None => "a run without network.http, network.credential, network.resolver and an https:// proxy needs no inspector"
                    .into(),
            }],
            Error::WorkingDirectory { path, .. } => {
                let path = path.display();
                vec![
                    format!(
                        "grant it: --read {path}, or --write {path}; a ceiling may refuse that: ringfence why read {path}"
                    ),
                    "start somewhere else: --cwd DIR with a directory that the policy grants".into(),
                ]
            }
            Error::Limit { fields, .. } => {
                let names = fields.iter().map(|field| format!("--allow-unenforced {field}"));
                let mut hints =
                    vec!["choose a larger limit, or see `ringfence doctor` for what this host offers".into()];
                hints.extend(names.map(|flag| format!("run without that limit: {flag}")));
                hints
            }
            Error::Publish { port, inside, source, .. } => other_ports(*port, *inside, source.kind()),
            Error::Launch { backend, .. } | Error::SetUp { backend, rule: None, .. } => {
                let mut hints =
                    vec!["`ringfence doctor` tries every feature and says what would mend it".to_owned()];
                if *backend == "namespaces" {
                    hints.push("use the backend without namespaces: --containment process".into());
                }
                hints
            }
            Error::SetUp { rule: Some(_), .. } => {
                vec!["change that rule, or mark its path `optional` if it may be absent".into()]
            }
            Error::Execute { source, .. } if source.kind() == io::ErrorKind::NotFound => vec![
                "inside, only granted paths exist: `ringfence plan` lists them, --read DIR adds one".into(),
            ],
            Error::Execute { .. }
            | Error::BadCommand { .. }
            | Error::Lost { .. }
            | Error::Supervise { .. } => Vec::new(),
        }
    }

    /// Whether the set-up failed, before the command was started, since nf_tables or a part of it is missing: then
    /// [`ringfence_backend::probe_capture`] tells what there is instead.
    #[cfg(target_os = "linux")]
    pub fn is_uncaptured(&self) -> bool {
        let Error::SetUp { source, .. } = self else { return false };
        source
            .downcast_ref::<ringfence_backend::SetUpError>()
            .is_some_and(|error| error.step == ringfence_backend::Step::Capture)
    }

    /// Nothing is set up on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn is_uncaptured(&self) -> bool {
        false
    }

    pub(crate) fn supervise(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Supervise { what, source }
    }
}

/// The ways on where `port` could not be opened, which was to lead to `inside`.
fn other_ports(port: u16, inside: u16, kind: io::ErrorKind) -> Vec<String> {
    let other = match port {
        // Those are root's.
        ..1024 => 8000 + port,
        1024..60_000 => port + 1,
        _ => port - 1,
    };
    let mut hints = vec![format!(
        "name another port in front of the colon: \"{other}:{inside}\" leads from {other} to the same port inside"
    )];
    match kind {
        io::ErrorKind::AddrInUse => hints.push(format!("end what listens there: ss -ltnp 'sport = :{port}'")),
        io::ErrorKind::PermissionDenied => hints.push("ports below 1024 are root's; take one above".into()),
        _ => {}
    }
    hints
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_program_is_127_and_one_that_cannot_run_126() {
        let execute =
            |errno| Error::Execute { program: "x".into(), source: io::Error::from_raw_os_error(errno) };
        assert_eq!(
            (execute(2).exit_code(), execute(13).exit_code(), execute(8).exit_code()),
            (127, 126, 126)
        );
    }

    #[test]
    fn the_port_that_is_proposed_is_one_that_its_user_may_open() {
        for (port, other) in [(80, "8080:"), (1023, "9023:"), (8080, "8081:"), (65_535, "65534:")] {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            let hints = Error::Publish { port, inside: 3000, rule: String::new(), source }.hints();
            assert!(hints[0].contains(&format!("\"{other}3000\"")), "{hints:?}");
        }
    }
}
