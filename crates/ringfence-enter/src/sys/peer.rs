//! Who is at the other end of a socket, held so that no other process can come to his number (SO_PEERPIDFD, Linux 6.5).
//!
//! Not what he may: that is the asker's to judge.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The process that connected. With an error of kind `Unsupported` where the kernel does not tell.
///
/// # Errors
/// When it is over already, or the kernel is too old.
pub fn process(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut number: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers are to locals with their sizes, which outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        let error = io::Error::last_os_error();
        let is_old = error.raw_os_error() == Some(libc::ENOPROTOOPT);
        return Err(if is_old { io::ErrorKind::Unsupported.into() } else { error });
    }
    // SAFETY: the kernel has just made the descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Whether the process that connected lives, as far as the kernel tells.
    fn lives(socket: &UnixStream) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match process(socket.as_fd()) {
            Ok(process) => poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&now)) == Ok(0),
            Err(_) => false,
        }
    }

    #[test]
    fn who_connected_and_ended_is_nobody_whoever_has_his_number() {
        let (own, other) = UnixStream::pair().unwrap();
        if process(own.as_fd()).is_err_and(|error| error.kind() == io::ErrorKind::Unsupported) {
            eprintln!("not tried: this kernel has no SO_PEERPIDFD");
            return;
        }
        assert!(lives(&own) && lives(&other));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut command = Command::new("true");
        let connects = move || UnixStream::connect(&path).map(drop);
        // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(connects) };
        assert!(command.status().unwrap().success());
        let (client, _) = listener.accept().unwrap();
        assert!(!lives(&client));
    }
}
