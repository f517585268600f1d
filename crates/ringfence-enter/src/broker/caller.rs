//! What the broker reads of the calling thread: its strings, descriptors, working directory, umask, terminal.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::sys::{memory, notify};

/// The thread whose call is served.
pub(super) struct Caller<'a> {
    pid: i32,
    id: u64,
    listener: BorrowedFd<'a>,
}

type Result<T> = std::result::Result<T, Errno>;

impl<'a> Caller<'a> {
    pub(super) fn new(call: &notify::Call, listener: BorrowedFd<'a>) -> Caller<'a> {
        Caller { pid: call.pid, id: call.id, listener }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn listener(&self) -> BorrowedFd<'a> {
        self.listener
    }

    /// Bytes at `address`, fewer than asked for where memory ends. Checked to be the caller's own.
    pub(super) fn bytes(&self, address: u64, len: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let read = memory::read(self.pid, address, &mut buffer)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::FAULT))?;
        buffer.truncate(read);
        self.check_alive()?;
        Ok(buffer)
    }

    /// The string at `address`: ENAMETOOLONG beyond PATH_MAX, EFAULT where it does not end in mapped memory.
    pub(super) fn string(&self, address: u64) -> Result<Vec<u8>> {
        if address == 0 {
            return Err(Errno::FAULT);
        }
        // Most names are short: one small read, then the longest possible.
        for len in [256, 4096] {
            let mut bytes = self.bytes(address, len)?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                bytes.truncate(end);
                return Ok(bytes);
            }
            if bytes.len() < len {
                return Err(Errno::FAULT);
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    /// The directory that a relative name starts from: a descriptor of the caller's, or its working directory.
    pub(super) fn directory(&self, number: i32) -> Result<OwnedFd> {
        let name = if number == libc::AT_FDCWD {
            "cwd".to_owned()
        } else if number >= 0 {
            format!("fd/{number}")
        } else {
            return Err(Errno::BADF);
        };
        let fd = self.entry(&name, OFlags::PATH).map_err(|errno| match errno {
            Errno::NOENT => Errno::BADF,
            other => other,
        })?;
        self.check_alive()?;
        Ok(fd)
    }

    /// A duplicate of one of the caller's descriptors, with its rights.
    pub(super) fn descriptor(&self, number: i32) -> Result<OwnedFd> {
        let fd = notify::take_descriptor(self.pid, number)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::BADF))?;
        self.check_alive()?;
        Ok(fd)
    }

    /// The mode bits that the caller's umask takes away (umask(2)).
    pub(super) fn umask(&self) -> Result<Mode> {
        let status = self.text("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).ok_or(Errno::IO)?;
        u32::from_str_radix(line.trim(), 8).map(Mode::from_raw_mode).map_err(|_| Errno::IO)
    }

    /// The process that this thread belongs to.
    pub(super) fn process(&self) -> Result<i32> {
        number(&self.text("status")?, "Tgid:").map(u32::cast_signed)
    }

    /// How many filters stand over this thread (seccomp(2)); it can only become more.
    pub(super) fn filters(&self) -> Result<u32> {
        number(&self.text("status")?, "Seccomp_filters:")
    }

    /// The controlling terminal as a device number (proc_pid_stat(5), field 7); 0 for none.
    pub(super) fn terminal(&self) -> Result<u64> {
        let stat = self.text("stat")?;
        // The second field is a name in parentheses that may hold anything; the rest follows the last one.
        let fields = stat.rsplit_once(')').ok_or(Errno::IO)?.1;
        fields.split_whitespace().nth(4).and_then(|field| field.parse().ok()).ok_or(Errno::IO)
    }

    /// Whether the caller's root directory is this process's own.
    pub(super) fn shares_our_root(&self) -> Result<bool> {
        let theirs = rustix::fs::fstat(self.entry("root", OFlags::PATH)?)?;
        let ours = rustix::fs::stat("/")?;
        Ok((theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino))
    }

    fn text(&self, name: &str) -> Result<String> {
        let text = read(&self.entry(name, OFlags::RDONLY)?)?;
        self.check_alive()?;
        Ok(text)
    }

    fn entry(&self, name: &str, flags: OFlags) -> Result<OwnedFd> {
        let path = CString::new(format!("/proc/{}/{name}", self.pid)).map_err(|_| Errno::INVAL)?;
        openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
    }

    /// A number may have been given to another process since the call; while the call waits, it has not.
    fn check_alive(&self) -> Result<()> {
        if notify::is_waiting(self.listener, self.id) { Ok(()) } else { Err(Errno::SRCH) }
    }
}

/// A file of /proc, of which a page is enough.
pub(super) fn read(file: &OwnedFd) -> Result<String> {
    let mut text = vec![0; 4096];
    let mut len = 0;
    while len < text.len() {
        match rustix::io::read(file, &mut text[len..])? {
            0 => break,
            read => len += read,
        }
    }
    text.truncate(len);
    String::from_utf8(text).or_else(|error| Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The number behind `name` in the text of a `status` (proc_pid_status(5)).
pub(super) fn number(status: &str, name: &str) -> Result<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or(Errno::IO)?;
    line.trim().parse().map_err(|_| Errno::IO)
}
