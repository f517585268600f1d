//! One place that audit records go to: a file or a socket of the system's log. Not what they say.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_plan::{AbsPath, Access, AuditDestination, Plan, RuleId};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};

/// An open destination.
pub(super) struct Destination {
    name: String,
    fd: OwnedFd,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Socket,
}

/// How long a record may keep the run waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// For the log to take it: a second.
    Required,
    /// Not at all: the loop that holds limits and terminal is behind it.
    Passing,
}

/// The priority of syslog(3): the facility for what concerns security, LOG_AUTHPRIV, and LOG_NOTICE.
const PRIORITY: u32 = (10 << 3) | 5;

impl Destination {
    /// Opens it with the caller's rights.
    pub(super) fn open(destination: &AuditDestination) -> io::Result<Destination> {
        let (kind, fd) = match destination {
            AuditDestination::File(path) => (Kind::File, open_file(path)?),
            AuditDestination::Socket(path) => (Kind::Socket, open_socket(path)?),
        };
        Ok(Destination { name: name(destination), fd, kind })
    }

    /// As the policy has it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Hands over one record: one write(2) or one datagram, so that records of runs beside each other stay whole.
    pub(super) fn put(&mut self, record: &str, urgency: Urgency) -> io::Result<()> {
        let (text, written) = match self.kind {
            Kind::File => {
                let line = format!("{record}\n");
                let written = rustix::io::write(&self.fd, line.as_bytes())?;
                (line, written)
            }
            Kind::Socket => {
                let message = format!("<{PRIORITY}>ringfence[{}]: {record}", std::process::id());
                let wait = if urgency == Urgency::Passing { SendFlags::DONTWAIT } else { SendFlags::empty() };
                let sent = send(&self.fd, message.as_bytes(), wait | SendFlags::NOSIGNAL)?;
                (message, sent)
            }
        };
        if written == text.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// `destination` as the policy has it.
pub(super) fn name(destination: &AuditDestination) -> String {
    match destination {
        AuditDestination::File(path) => path.to_string(),
        AuditDestination::Socket(path) => format!("unix:{path}"),
    }
}

/// The rule by which the command itself could write there, or put something else in its place.
pub(super) fn reachable(destination: &AuditDestination, plan: &Plan) -> Option<RuleId> {
    let (AuditDestination::File(path) | AuditDestination::Socket(path)) = destination;
    let real = real(path);
    let by_name = [Some(path), real.as_ref()].into_iter().flatten().find_map(|path| {
        let (access, rule) = plan.files.access(path)?;
        (access == Access::Write).then_some(rule)
    });
    by_name.or_else(|| by_link(&real?, plan))
}

/// The rule that makes the place `real` writable under another name: a grant that leads there through a symlink.
fn by_link(real: &AbsPath, plan: &Plan) -> Option<RuleId> {
    let leads_there = |path: &AbsPath| {
        let place = path.as_path().canonicalize().ok();
        place.is_some_and(|place| place != path.as_path() && real.as_path().starts_with(place))
    };
    let mut writable = plan.files.grants.iter().filter(|grant| grant.access == Access::Write);
    writable.find(|grant| leads_there(&grant.path)).map(|grant| grant.rule)
}

/// Where `path` really is: its directory may be named through a symlink.
fn real(path: &AbsPath) -> Option<AbsPath> {
    let parent: PathBuf = path.as_path().parent()?.canonicalize().ok()?;
    AbsPath::new(parent.join(path.as_path().file_name()?)).ok()
}

/// A plain file, made if it is absent. No symlink, which could lead a record anywhere, and no pipe to wait at.
fn open_file(path: &AbsPath) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let fd = open(path.as_path(), flags, Mode::RUSR | Mode::WUSR)?;
    match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
        FileType::RegularFile => Ok(fd),
        _ => Err(io::Error::other("it is not a plain file")),
    }
}

fn open_socket(path: &AbsPath) -> io::Result<OwnedFd> {
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&fd, Timeout::Send, Some(Duration::from_secs(1)))?;
    connect(&fd, &SocketAddrUnix::new(path.as_path())?)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: std::path::PathBuf) -> AuditDestination {
        AuditDestination::File(AbsPath::new(path).unwrap())
    }

    #[test]
    fn only_a_plain_file_under_its_own_name_is_opened() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::os::unix::fs::symlink(at("new"), at("link")).unwrap();
        let fifo = std::ffi::CString::new(at("fifo").to_str().unwrap()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        for bad in ["link", "fifo", "directory", "absent/file"] {
            assert!(Destination::open(&file(at(bad))).is_err(), "{bad}");
        }
        let mut good = Destination::open(&file(at("new"))).unwrap();
        good.put("{}", Urgency::Required).unwrap();
        Destination::open(&file(at("new"))).unwrap().put("[]", Urgency::Passing).unwrap();
        assert_eq!(std::fs::read_to_string(at("new")).unwrap(), "{}\n[]\n");
        let mode = std::os::unix::fs::MetadataExt::mode(&at("new").metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_socket_gets_one_datagram_a_record_and_a_full_one_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = AbsPath::new(place.path().join("log")).unwrap();
        let socket = AuditDestination::Socket(path.clone());
        assert!(Destination::open(&socket).is_err());
        let listener = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let mut destination = Destination::open(&socket).unwrap();
        destination.put("{\"a\":1}", Urgency::Required).unwrap();
        let mut buffer = [0; 100];
        let len = listener.recv(&mut buffer).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&buffer[..len]),
            format!("<85>ringfence[{}]: {{\"a\":1}}", std::process::id())
        );
        let begun = std::time::Instant::now();
        let refused = (0..10_000).find_map(|_| destination.put("{}", Urgency::Passing).err()).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(begun.elapsed() < Duration::from_millis(900));
        assert!(destination.put("{}", Urgency::Required).is_err());
    }

    #[test]
    fn what_a_grant_reaches_through_a_link_is_no_place_for_records() {
        use ringfence_policy::{Context, Sources, Surroundings, compile, compose};
        let scratch = tempfile::tempdir().unwrap();
        let place = AbsPath::new(scratch.path().canonicalize().unwrap()).unwrap();
        let at = |name: &str| place.join(name).unwrap();
        for name in ["project", "logs", "beside"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink("logs", at("link")).unwrap();
        let context = Context::new(at("project"), at("home"), "u");
        let text = format!("[filesystem]\nwrite = ['{}']\n", at("link"));
        let sources = Sources::of_text("policy", &text, context, Surroundings::default()).unwrap();
        let plan = compile(&compose(sources).unwrap()).unwrap();
        let rule = |name: &str| reachable(&file(at(name).into()), &plan);
        for name in ["logs/audit", "link/audit", "project/audit"] {
            assert!(rule(name).is_some(), "{name}");
        }
        assert!(plan.rule(rule("logs/audit").unwrap()).text.contains("link"));
        assert_eq!((rule("beside/audit"), rule("logs-of-others")), (None, None));
    }
}
