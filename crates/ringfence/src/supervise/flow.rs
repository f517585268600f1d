//! Bytes on their way from one descriptor to another, in a poll loop that must not wait for either.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

/// One direction. The buffer is made on first use: most runs have none.
#[derive(Default)]
pub(super) struct Flow {
    buffer: Vec<u8>,
    start: usize,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes wait to be written.
    Some(usize),
    /// None now.
    Nothing,
    /// None any more.
    End,
}

/// Bytes read at once.
const CAPACITY: usize = 64 * 1024;

/// A pipe that polls writable takes this much without waiting (PIPE_BUF of pipe(7)). The descriptors are the caller's
/// and shared with others, so they cannot be made non-blocking.
const CHUNK: usize = 4096;

impl Flow {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Reads once. Only when [`Flow::is_empty`].
    pub(super) fn read(&mut self, from: BorrowedFd<'_>) -> Read {
        self.start = 0;
        self.buffer.resize(CAPACITY, 0);
        let result = rustix::io::read(from, &mut self.buffer[..]);
        self.buffer.truncate(*result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Read::End,
            Ok(len) => Read::Some(len),
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            // EIO is the end of a pseudo-terminal whose other side is closed (pty(7)).
            Err(_) => Read::End,
        }
    }

    /// Puts `bytes` behind what waits.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Forgets all but the first `len` bytes that wait.
    pub(super) fn keep(&mut self, len: usize) {
        self.buffer.truncate(self.start + len);
    }

    /// Writes once. An error means that nobody reads any more.
    pub(super) fn write(&mut self, to: BorrowedFd<'_>) -> Result<(), Errno> {
        let waiting = &self.buffer[self.start..];
        let chunk = if takes_all(to) { waiting } else { &waiting[..waiting.len().min(CHUNK)] };
        match rustix::io::write(to, chunk) {
            Ok(len) => {
                self.start += len;
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.start = 0;
    }
}

/// Whether a write of any size does not wait for a reader.
fn takes_all(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bytes_arrive_whole_and_the_end_is_told() {
        let (from, input) = rustix::pipe::pipe().unwrap();
        let (output, to) = rustix::pipe::pipe().unwrap();
        let sent: Vec<u8> = (0..50_000_u32).map(|i| i as u8).collect();
        rustix::io::write(&input, &sent).unwrap();
        drop(input);
        let mut flow = Flow::default();
        let mut received = Vec::new();
        while let Read::Some(_) = flow.read(from.as_fd()) {
            while !flow.is_empty() {
                flow.write(to.as_fd()).unwrap();
                let mut part = [0; CHUNK];
                let len = rustix::io::read(&output, &mut part).unwrap();
                received.extend_from_slice(&part[..len]);
            }
        }
        assert_eq!(received, sent);
        drop(output);
        flow.push(b"x");
        assert_eq!(flow.write(to.as_fd()), Err(Errno::PIPE));
    }
}
