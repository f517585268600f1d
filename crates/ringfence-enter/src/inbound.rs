//! Sockets of the inner network for the gateway outside, which connects them to what the command listens on. They are
//! made here because a socket belongs to the network in which it is made, and because init is the one process in there
//! that the command can neither trace nor stop.
//!
//! Not a way out: such a socket reaches the inner loopback, and connections of its own are captured like any other's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use crate::capture::SOCKET;
use crate::socket;

/// Requests answered at once, before the command's own calls have their turn.
const BATCH: usize = 64;

/// The channel on which the gateway asks.
pub(crate) struct Inbound(OwnedFd);

impl Inbound {
    pub(crate) fn new(gateway: OwnedFd) -> Inbound {
        Inbound(gateway)
    }

    /// For poll(2).
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Answers each request with a socket that is connected to nothing. A request is a byte that says the version of the
    /// internet protocol, and four that the answer repeats.
    ///
    /// # Errors
    /// When the gateway is gone.
    pub(crate) fn serve(&self) -> io::Result<()> {
        for _ in 0..BATCH {
            let mut request = [0_u8; 5];
            match rustix::net::recv(&self.0, &mut request[..], RecvFlags::DONTWAIT) {
                Ok((5, _)) => {}
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let family = if request[0] == 6 { AddressFamily::INET6 } else { AddressFamily::INET };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let made = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
            // Without a socket the gateway learns that there is none. One that it does not take in time is closed here, and
            // the connection that waits for it ends by its own deadline: the command's calls do not wait for either.
            request[0] = SOCKET;
            let _ = socket::send(self.0.as_fd(), &request, made.as_ref().ok().map(AsFd::as_fd));
        }
        Ok(())
    }
}
