//! Attempts that no shell can make: raw system calls and races. This program is run again inside the fence as
//! `ringfence-trial attempt NAME`, and again outside as the control.
//!
//! Not the judge: an attempt says what the kernel answered; the rows say what it should have been.

mod descriptors;
mod kernel;
mod paths;
mod processes;
mod races;
mod sockets;
mod sys;
mod terminal;

use std::fmt;
use std::process::ExitCode;

/// Why an attempt did not reach its goal.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The kernel refused, with this error number.
    Refused(i32),
    /// A signal of this number ended it.
    Killed(i32),
    /// The attempt could not be made at all.
    Setup(String),
}

/// What an attempt comes to.
type Attempted = Result<(), Failed>;

/// One attempt: its name, and what it does with the arguments behind the name.
type Entry = (&'static str, fn(&[String]) -> Attempted);

const TABLES: &[&[Entry]] = &[
    descriptors::TABLE,
    kernel::TABLE,
    paths::TABLE,
    processes::TABLE,
    races::TABLE,
    sockets::TABLE,
    terminal::TABLE,
];

/// Makes the attempt that `arguments` name. Exit code 0: it reached its goal; 1: refused; 3: it could not be made.
pub fn main(arguments: &[String]) -> ExitCode {
    let Some((name, rest)) = arguments.split_first() else {
        eprintln!("no attempt named");
        return ExitCode::from(3);
    };
    let Some((_, attempt)) = TABLES.iter().copied().flatten().find(|(known, _)| known == name) else {
        eprintln!("there is no attempt {name}");
        return ExitCode::from(3);
    };
    match attempt(rest) {
        Ok(()) => {
            println!("reached");
            ExitCode::SUCCESS
        }
        Err(failed @ Failed::Setup(_)) => {
            println!("{failed}");
            ExitCode::from(3)
        }
        Err(failed) => {
            println!("{failed}");
            ExitCode::from(1)
        }
    }
}

/// Becomes the program that `arguments` name, on what looks like a machine without netfilter.
pub fn without_netfilter(arguments: &[String]) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let Some((program, rest)) = arguments.split_first() else { return ExitCode::from(3) };
    let error = match sys::forget_netfilter() {
        Ok(()) => std::process::Command::new(program).args(rest).exec(),
        Err(error) => error,
    };
    eprintln!("without-netfilter {program}: {error}");
    ExitCode::from(3)
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Refused(number) => write!(f, "refused: {} ({number})", error_name(*number)),
            Failed::Killed(signal) => write!(f, "refused: signal {signal}"),
            Failed::Setup(why) => write!(f, "not tried: {why}"),
        }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Failed {
        match error.raw_os_error() {
            Some(number) => Failed::Refused(number),
            None => Failed::Setup(error.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for Failed {
    fn from(errno: rustix::io::Errno) -> Failed {
        Failed::Refused(errno.raw_os_error())
    }
}

/// The argument at `at`.
fn argument(arguments: &[String], at: usize) -> Result<&str, Failed> {
    arguments.get(at).map(String::as_str).ok_or(Failed::Setup(format!("argument {at} is missing")))
}

/// Whether this many of a list of attempts reached their goal: the whole did if any did.
fn any(attempts: impl IntoIterator<Item = (String, Attempted)>) -> Attempted {
    let mut refused = None;
    let mut reached = Vec::new();
    for (name, attempt) in attempts {
        match attempt {
            Ok(()) => reached.push(name),
            Err(failed) => {
                println!("{name}: {failed}");
                refused = Some(failed);
            }
        }
    }
    match refused {
        _ if !reached.is_empty() => {
            println!("reached by {}", reached.join(", "));
            Ok(())
        }
        Some(failed) => Err(failed),
        None => Err(Failed::Setup("nothing to try".into())),
    }
}

/// The symbol of an error number (errno(3)), for those that a fence gives.
fn error_name(number: i32) -> String {
    let known = match number {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EBADF => "EBADF",
        libc::ECHILD => "ECHILD",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::EINVAL => "EINVAL",
        libc::ENOTTY => "ENOTTY",
        libc::EROFS => "EROFS",
        libc::ENOSYS => "ENOSYS",
        libc::ELOOP => "ELOOP",
        libc::EPROTONOSUPPORT => "EPROTONOSUPPORT",
        libc::ESOCKTNOSUPPORT => "ESOCKTNOSUPPORT",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::EHOSTUNREACH => "EHOSTUNREACH",
        libc::ETIMEDOUT => "ETIMEDOUT",
        _ => return std::io::Error::from_raw_os_error(number).to_string(),
    };
    known.to_owned()
}
