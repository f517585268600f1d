//! Attempts against the time between a check and its use: one thread asks for what is allowed while others change what
//! was asked. Each goes on for the given number of seconds; the row looks from outside at what came of it.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};

use super::sys::{SharedText, address, call};
use super::{Attempted, Entry, Failed, argument};

pub(super) const TABLE: &[Entry] = &[
    ("race_text", |a| race_text(argument(a, 0)?, argument(a, 1)?, seconds(a)?)),
    ("race_directory", |a| race_directory(argument(a, 0)?, argument(a, 1)?, seconds(a)?)),
    ("race_descriptor", |a| race_descriptor(argument(a, 0)?, argument(a, 1)?, seconds(a)?)),
    ("exchange_for", |a| exchange_for(argument(a, 0)?, argument(a, 1)?, seconds(a)?)),
];

fn seconds(arguments: &[String]) -> Result<Duration, Failed> {
    let number = argument(arguments, 2)?.parse().map_err(|_| Failed::Setup("seconds are wanted".into()))?;
    Ok(Duration::from_secs(number))
}

const CREATE: i32 = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
const AT_FDCWD: usize = (-100_isize).cast_unsigned();

/// Runs `flip` on two threads while `ask` is called again and again, for `time`.
fn against(time: Duration, flip: impl Fn(usize) + Sync, mut ask: impl FnMut()) -> u64 {
    let stop = AtomicBool::new(false);
    let mut asked = 0;
    std::thread::scope(|scope| {
        for which in 0..2 {
            let (stop, flip) = (&stop, &flip);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    flip(which);
                }
            });
        }
        let start = Instant::now();
        while start.elapsed() < time {
            ask();
            asked += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    asked
}

/// The path in memory changes between `allowed` and `denied` (of equal length) while creating, linking and renaming ask
/// by it.
fn race_text(allowed: &str, denied: &str, time: Duration) -> Attempted {
    if allowed.len() != denied.len() {
        return Err(Failed::Setup("the two names differ in length".into()));
    }
    fs::write("source", "planted")?;
    let shared = SharedText::new(allowed.len());
    shared.set(allowed.as_bytes());
    let mut turn = 0_u64;
    let asked = against(
        time,
        |which| shared.set(if which == 0 { allowed.as_bytes() } else { denied.as_bytes() }),
        || {
            turn += 1;
            let path = shared.address();
            // Refusals are what is expected; the row looks at the result.
            let _ = match turn % 5 {
                0 => call(libc::SYS_linkat, &[AT_FDCWD, address(c"source"), AT_FDCWD, path, 0]),
                1 => {
                    let _ = fs::write("moved", "planted");
                    call(libc::SYS_renameat2, &[AT_FDCWD, address(c"moved"), AT_FDCWD, path, 0])
                }
                2 => call(libc::SYS_symlinkat, &[address(c"source"), AT_FDCWD, path]),
                3 => call(libc::SYS_mkdirat, &[AT_FDCWD, path, 0o755]),
                _ => open(path, AT_FDCWD),
            };
            let _ = fs::remove_file(allowed);
            let _ = fs::remove_dir(allowed);
        },
    );
    println!("asked {asked} times");
    Ok(())
}

fn open(path: usize, directory: usize) -> Result<i64, Failed> {
    let number = call(libc::SYS_openat, &[directory, path, CREATE.cast_unsigned() as usize, 0o755])?;
    let _ = call(libc::SYS_write, &[number.cast_unsigned() as usize, address(b"planted"), 7]);
    call(libc::SYS_close, &[number.cast_unsigned() as usize])
}

/// The directory `way` on the path to the file is exchanged with a symlink to `denied`.
fn race_directory(way: &str, denied: &str, time: Duration) -> Attempted {
    fs::create_dir_all(way)?;
    let link = format!("{way}.link");
    rustix::fs::symlink(denied, &link)?;
    let file =
        std::ffi::CString::new(format!("{way}/planted")).map_err(|error| Failed::Setup(error.to_string()))?;
    let other = std::ffi::CString::new(format!("{way}/planted.d"))
        .map_err(|error| Failed::Setup(error.to_string()))?;
    let asked = against(
        time,
        |_| {
            let _ = rustix::fs::renameat_with(CWD, way, CWD, &link, RenameFlags::EXCHANGE);
        },
        || {
            let _ = open(address(file.as_c_str()), AT_FDCWD);
            let _ = call(libc::SYS_mkdirat, &[AT_FDCWD, address(other.as_c_str()), 0o755]);
        },
    );
    println!("asked {asked} times");
    Ok(())
}

/// The directory's descriptor is replaced by one of `denied` under the same number.
fn race_descriptor(allowed: &str, denied: &str, time: Duration) -> Attempted {
    fs::create_dir_all(allowed)?;
    let directory = |path: &str| rustix::fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty());
    let (good, bad): (OwnedFd, OwnedFd) = (directory(allowed)?, directory(denied)?);
    let number = 77_usize;
    let put =
        |from: &OwnedFd| drop(call(libc::SYS_dup3, &[from.as_raw_fd().cast_unsigned() as usize, number, 0]));
    put(&good);
    let asked = against(
        time,
        |which| put(if which == 0 { &good } else { &bad }),
        || {
            let _ = open(address(c"planted"), number);
            let _ = call(libc::SYS_mkdirat, &[number, address(c"planted.d"), 0o755]);
            let _ = call(libc::SYS_symlinkat, &[address(c"x"), number, address(c"planted.l")]);
        },
    );
    println!("asked {asked} times");
    Ok(())
}

/// Exchanges two names for a while; run outside, against the setting up of fences.
fn exchange_for(one: &str, other: &str, time: Duration) -> Attempted {
    let start = Instant::now();
    while start.elapsed() < time {
        rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
    }
    Ok(())
}
