//! epoll(7), edge-triggered unless said otherwise: a descriptor is added once, and leaves by being closed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{Timespec, epoll};

/// Whose descriptor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The supervisor's channel.
    Supervisor,
    /// The channel on which init hands the listeners over.
    HandOver,
    /// A listener, by its place.
    Listener(usize),
    /// A connection's side towards the sandbox.
    Client(usize),
    /// A connection's side towards the world.
    Server(usize),
    /// A question of the resolver.
    Query(usize),
    /// The way to the resolver of the plan.
    Resolver,
    /// A flow of datagrams.
    Flow(usize),
    /// The inspector's channel.
    Inspector,
}

/// What happened to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other end sends no more, or there is an error: reading goes on to the end.
    pub(crate) hung_up: bool,
}

pub(crate) struct Poller(OwnedFd);

/// Most events taken at once.
const BATCH: usize = 256;

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        Ok(Poller(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        use epoll::EventFlags;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(token.pack()), flags)?)
    }

    /// For what is only read, and of which some may be left for the next time.
    pub(crate) fn add_until_read(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        use epoll::EventFlags;
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(token.pack()), EventFlags::IN)?)
    }

    /// Takes one out that is not closed with this process's descriptor: another process has it too.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// What happened, waiting for it until `due` at the latest.
    pub(crate) fn wait(&self, due: Option<Instant>, happened: &mut Vec<Happened>) -> io::Result<()> {
        use epoll::EventFlags;
        happened.clear();
        let mut events = [MaybeUninit::uninit(); BATCH];
        let timeout = due.map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
        });
        match epoll::wait(&self.0, &mut events[..], timeout.as_ref()) {
            Ok((events, _)) => {
                happened.extend(events.iter().filter_map(|event| {
                    let flags = event.flags;
                    Some(Happened {
                        token: Token::unpack(event.data.u64())?,
                        readable: flags.intersects(
                            EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR,
                        ),
                        writable: flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
                        hung_up: flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
                    })
                }));
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Token {
    fn pack(self) -> u64 {
        let (kind, index) = match self {
            Token::Supervisor => (0, 0),
            Token::HandOver => (1, 0),
            Token::Listener(index) => (2, index),
            Token::Client(index) => (3, index),
            Token::Server(index) => (4, index),
            Token::Query(index) => (5, index),
            Token::Flow(index) => (6, index),
            Token::Inspector => (7, 0),
            Token::Resolver => (8, 0),
        };
        kind << 32 | index as u64
    }

    fn unpack(packed: u64) -> Option<Token> {
        let index = (packed & 0xffff_ffff) as usize;
        Some(match packed >> 32 {
            0 => Token::Supervisor,
            1 => Token::HandOver,
            2 => Token::Listener(index),
            3 => Token::Client(index),
            4 => Token::Server(index),
            5 => Token::Query(index),
            6 => Token::Flow(index),
            7 => Token::Inspector,
            8 => Token::Resolver,
            _ => return None,
        })
    }
}
