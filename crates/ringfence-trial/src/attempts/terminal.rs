//! Attempts to type at the terminal of whoever started the fence, and the way to have a terminal at all.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::sys::{address, call};
use super::{Attempted, Entry, Failed, any, argument};

pub(super) const TABLE: &[Entry] = &[
    ("tiocsti", |_| tiocsti()),
    ("tioclinux", |_| tioclinux()),
    ("in_terminal", |arguments| in_terminal(arguments)),
];

const TIOCSTI: usize = 0x5412;
const TIOCLINUX: usize = 0x541c;
/// A filter that compares 64 bits misses what the kernel reads as 32 (CVE-2019-10063).
const HIGH_BITS: usize = 1 << 32;

/// Types a letter at descriptor 0, and at the controlling terminal by its name.
fn tiocsti() -> Attempted {
    let byte = b"X";
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal.as_ref().map_or(0, |file| std::os::fd::AsRawFd::as_raw_fd(file) as usize);
    any([
        ("stdin".into(), call(libc::SYS_ioctl, &[0, TIOCSTI, address(byte)]).map(drop)),
        (
            "stdin, high bits".into(),
            call(libc::SYS_ioctl, &[0, TIOCSTI | HIGH_BITS, address(byte)]).map(drop),
        ),
        ("/dev/tty".into(), call(libc::SYS_ioctl, &[terminal, TIOCSTI, address(byte)]).map(drop)),
    ])
}

/// Paste of the console's selection. On a terminal that is no console the kernel's answer is ENOTTY, which already
/// shows that the call went through.
fn tioclinux() -> Attempted {
    let paste = [3_u8, 0];
    let reached = |request: usize| match call(libc::SYS_ioctl, &[0, request, address(&paste)]) {
        Err(Failed::Refused(libc::ENOTTY | libc::EINVAL)) => Ok(()),
        other => other.map(drop),
    };
    any([("stdin".into(), reached(TIOCLINUX)), ("high bits".into(), reached(TIOCLINUX | HIGH_BITS))])
}

/// Becomes the leader of a session whose controlling terminal is descriptor 0 and runs the rest of the arguments. No
/// attempt: the harness starts programs that must have a terminal by it.
fn in_terminal(arguments: &[String]) -> Attempted {
    let program = argument(arguments, 0)?;
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    Err(Command::new(program).args(&arguments[1..]).exec().into())
}
