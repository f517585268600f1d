//! What init and supervisor tell each other: one message a packet on a SOCK_SEQPACKET pair. Not a public wire format:
//! both ends are always the same build.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ringfence_plan::{Operation, RuleId};
use rustix::event::{PollFd, PollFlags, poll};

use crate::fence::{SetUpError, Step};
use crate::socket;

/// Longest message, bytes: a denied path of PATH_MAX and its head.
const MAX: usize = 4096 + 64;

/// From init to the supervisor.
#[derive(Debug)]
pub enum FromInit {
    /// Everything is set up; waiting for [`ToInit::Go`] if that was asked for.
    Ready,
    /// A step failed; nothing was started.
    Failed(SetUpError),
    /// The master of the pseudo-terminal.
    Terminal(OwnedFd),
    /// The command runs, under this number inside.
    Started {
        /// Process id inside the sandbox.
        pid: u32,
    },
    /// The command could not be executed (execve(2)).
    ExecFailed {
        /// The kernel's answer.
        errno: i32,
    },
    /// Something was refused.
    Denied {
        /// What was asked for.
        operation: Operation,
        /// On which path.
        path: String,
        /// By which rule.
        rule: RuleId,
        /// Of which process inside.
        pid: u32,
    },
    /// Refusals that were not told, since the supervisor did not keep up.
    Missed {
        /// How many.
        refusals: u64,
    },
    /// The command was stopped by this signal.
    Stopped {
        /// Signal number.
        signal: i32,
    },
    /// The command exited.
    Exited {
        /// Exit code.
        code: u8,
    },
    /// A signal ended the command.
    Signaled {
        /// Signal number.
        signal: i32,
    },
}

/// From the supervisor to init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToInit {
    /// Start the command.
    Go,
    /// Send this signal to the command's process group.
    Signal(i32),
    /// Continue the stopped command in the foreground.
    Continue,
}

/// One end of the channel.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
    /// Refusals that the other end has not taken.
    missed: Cell<u64>,
}

impl Control {
    /// Both ends: the supervisor's and init's.
    pub fn pair() -> io::Result<(Control, Control)> {
        let (ours, theirs) = socket::seqpacket_pair()?;
        let end = |socket| Control { socket, missed: Cell::new(0) };
        Ok((end(ours), end(theirs)))
    }

    /// For poll(2).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next message of init, without waiting: `None` when there is none now; an error of kind `UnexpectedEof`
    /// when init is gone.
    pub fn receive(&mut self) -> io::Result<Option<FromInit>> {
        let mut buffer = [0; MAX];
        match socket::receive(self.fd(), &mut buffer) {
            Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((len, descriptor)) => FromInit::decode(&buffer[..len], descriptor).map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Tells init something.
    pub fn send(&self, message: ToInit) -> io::Result<()> {
        let (kind, value) = match message {
            ToInit::Go => (1, 0),
            ToInit::Signal(number) => (2, number),
            ToInit::Continue => (3, 0),
        };
        let mut packet = [0; 8];
        packet[0] = kind;
        packet[4..].copy_from_slice(&i32::to_ne_bytes(value));
        socket::send(self.fd(), &packet, None)
    }

    /// Init's side: the next message of the supervisor, without waiting; `UnexpectedEof` when it is gone.
    pub(crate) fn receive_order(&self) -> io::Result<Option<ToInit>> {
        let mut packet = [0; 8];
        match socket::receive(self.fd(), &mut packet) {
            Ok((8, _)) => {
                let value = i32::from_ne_bytes([packet[4], packet[5], packet[6], packet[7]]);
                match packet[0] {
                    1 => Ok(Some(ToInit::Go)),
                    2 => Ok(Some(ToInit::Signal(value))),
                    3 => Ok(Some(ToInit::Continue)),
                    _ => Err(io::ErrorKind::InvalidData.into()),
                }
            }
            Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Init's side: tells the supervisor something.
    pub(crate) fn report(&self, message: &FromInit) -> io::Result<()> {
        // A supervisor that does not keep up misses refusals, never how many, nor how the command fared.
        let waits = !matches!(message, FromInit::Denied { .. });
        let refusals = self.missed.get();
        if refusals > 0 && self.put(&FromInit::Missed { refusals }, waits).is_ok() {
            self.missed.set(0);
        }
        let told = self.put(message, waits);
        if !waits && told.is_err() {
            self.missed.update(|missed| missed + 1);
        }
        told
    }

    /// Sends a message, and waits for room if it is to.
    fn put(&self, message: &FromInit, waits: bool) -> io::Result<()> {
        let mut packet = Vec::with_capacity(64);
        let descriptor = message.encode(&mut packet);
        packet.truncate(MAX);
        loop {
            match socket::send(self.fd(), &packet, descriptor) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waits => {
                    poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], None)?;
                }
                other => return other,
            }
        }
    }
}

const OPERATIONS: [Operation; 6] = [
    Operation::Create,
    Operation::Write,
    Operation::Rename,
    Operation::Remove,
    Operation::Attributes,
    Operation::Link,
];

impl FromInit {
    fn encode<'a>(&'a self, packet: &mut Vec<u8>) -> Option<BorrowedFd<'a>> {
        let mut head = |kind: u8, small: u8, a: u32, b: u32, text: &str| {
            packet.extend_from_slice(&[kind, small, 0, 0]);
            packet.extend_from_slice(&a.to_ne_bytes());
            packet.extend_from_slice(&b.to_ne_bytes());
            packet.extend_from_slice(text.as_bytes());
        };
        match self {
            FromInit::Ready => head(1, 0, 0, 0, ""),
            FromInit::Failed(error) => {
                let step = Step::ALL.iter().position(|step| *step == error.step).unwrap_or(0);
                let rule = error.rule.map_or(u32::MAX, |rule| rule.0);
                head(2, step as u8, error.errno as u32, rule, &error.operand);
            }
            FromInit::Terminal(master) => {
                head(3, 0, 0, 0, "");
                return Some(master.as_fd());
            }
            FromInit::Started { pid } => head(4, 0, *pid, 0, ""),
            FromInit::ExecFailed { errno } => head(5, 0, *errno as u32, 0, ""),
            FromInit::Denied { operation, path, rule, pid } => {
                let operation = OPERATIONS.iter().position(|known| known == operation).unwrap_or(0);
                head(6, operation as u8, rule.0, *pid, path);
            }
            FromInit::Stopped { signal } => head(7, 0, *signal as u32, 0, ""),
            FromInit::Exited { code } => head(8, *code, 0, 0, ""),
            FromInit::Signaled { signal } => head(9, 0, *signal as u32, 0, ""),
            FromInit::Missed { refusals } => head(10, 0, *refusals as u32, (*refusals >> 32) as u32, ""),
        }
        None
    }

    fn decode(packet: &[u8], descriptor: Option<OwnedFd>) -> io::Result<FromInit> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let word = |at: usize| -> io::Result<u32> {
            let bytes = packet.get(at..at + 4).ok_or_else(bad)?;
            Ok(u32::from_ne_bytes(bytes.try_into().map_err(|_| bad())?))
        };
        let (a, b, small) = (word(4)?, word(8)?, packet[1]);
        let text = || String::from_utf8_lossy(&packet[12..]).into_owned();
        Ok(match packet[0] {
            1 => FromInit::Ready,
            2 => FromInit::Failed(SetUpError {
                step: *Step::ALL.get(usize::from(small)).ok_or_else(bad)?,
                operand: text(),
                errno: a as i32,
                rule: (b != u32::MAX).then_some(RuleId(b)),
            }),
            3 => FromInit::Terminal(descriptor.ok_or_else(bad)?),
            4 => FromInit::Started { pid: a },
            5 => FromInit::ExecFailed { errno: a as i32 },
            6 => FromInit::Denied {
                operation: *OPERATIONS.get(usize::from(small)).ok_or_else(bad)?,
                path: text(),
                rule: RuleId(a),
                pid: b,
            },
            7 => FromInit::Stopped { signal: a as i32 },
            8 => FromInit::Exited { code: small },
            9 => FromInit::Signaled { signal: a as i32 },
            10 => FromInit::Missed { refusals: u64::from(b) << 32 | u64::from(a) },
            _ => return Err(bad()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_reports_arrives_as_it_was() {
        let (mut ours, theirs) = Control::pair().unwrap();
        assert!(ours.receive().unwrap().is_none());
        let denied =
            FromInit::Denied { operation: Operation::Rename, path: "/w/é".into(), rule: RuleId(7), pid: 42 };
        theirs.report(&denied).unwrap();
        match ours.receive().unwrap().unwrap() {
            FromInit::Denied { operation: Operation::Rename, path, rule: RuleId(7), pid: 42 } => {
                assert_eq!(path, "/w/é");
            }
            other => panic!("{other:?}"),
        }
        ours.send(ToInit::Signal(15)).unwrap();
        assert_eq!(theirs.receive_order().unwrap(), Some(ToInit::Signal(15)));
        drop(theirs);
        assert_eq!(ours.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn refusals_that_nobody_takes_are_counted() {
        let (mut ours, theirs) = Control::pair().unwrap();
        let path = "/w/x".repeat(100);
        let denied = FromInit::Denied { operation: Operation::Write, path, rule: RuleId(7), pid: 42 };
        let told = (0..10_000).take_while(|_| theirs.report(&denied).is_ok()).count();
        for _ in 0..5 {
            assert!(theirs.report(&denied).is_err());
        }
        for _ in 0..told {
            assert!(matches!(ours.receive().unwrap(), Some(FromInit::Denied { .. })));
        }
        theirs.report(&FromInit::Exited { code: 0 }).unwrap();
        assert!(matches!(ours.receive().unwrap(), Some(FromInit::Missed { refusals: 6 })));
        assert!(matches!(ours.receive().unwrap(), Some(FromInit::Exited { code: 0 })));
        assert!(ours.receive().unwrap().is_none());
    }

    #[test]
    fn a_descriptor_travels_with_its_message() {
        let (mut ours, theirs) = Control::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        theirs.report(&FromInit::Terminal(null.into())).unwrap();
        assert!(matches!(ours.receive().unwrap(), Some(FromInit::Terminal(_))));
    }
}
