//! Starts runs for the rows: with pipes, or on a terminal of their own.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A directory of its own for one row, gone when it is done.
pub(crate) struct Workspace(pub(crate) PathBuf);

impl Workspace {
    pub(crate) fn new() -> Workspace {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringfence-row-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Workspace(path.canonicalize().unwrap())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A run of `command` under sh with `options` of the runner.
pub(crate) fn run(workspace: &Workspace, options: &[&str], command: &str) -> Command {
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.arg("--run").args(options).args(["--", "/bin/sh", "-c", command]).current_dir(&workspace.0);
    run.stdin(Stdio::null());
    run
}

/// What came of a run that was given nothing to read.
pub(crate) struct Result {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

pub(crate) fn finish(options: &[&str], command: &str) -> Result {
    let began = Instant::now();
    let output = run(&Workspace::new(), options, command).output().unwrap();
    Result {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// Reads from a child's output until `text` has come.
pub(crate) fn wait_for(child: &mut Child, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let len = child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
        assert!(len > 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

/// Waits until the child is stopped.
pub(crate) fn wait_stopped(child: &Child) {
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        if waitid(WaitId::Pid(pid), options).unwrap().is_some_and(|status| status.stopping_signal().is_some())
        {
            return;
        }
        assert!(Instant::now() < until, "was not stopped");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run on a terminal, of which the row is the user.
pub(crate) struct OnTerminal {
    pub(crate) child: Child,
    pub(crate) master: OwnedFd,
    seen: String,
    _workspace: Workspace,
}

impl OnTerminal {
    pub(crate) fn start(command: &str) -> OnTerminal {
        OnTerminal::start_with(&[], command, true)
    }

    /// `stdout_too`: otherwise standard output is a pipe, as in a pipeline.
    pub(crate) fn start_with(options: &[&str], command: &str, stdout_too: bool) -> OnTerminal {
        let workspace = Workspace::new();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let size = Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let mut options = options.to_vec();
        options.push("terminal");
        if stdout_too {
            options.push("own-session");
        }
        let mut run = run(&workspace, &options, command);
        run.stdin(slave.try_clone().unwrap()).stderr(slave.try_clone().unwrap());
        if stdout_too {
            run.stdout(slave);
        } else {
            run.stdout(Stdio::piped());
        }
        OnTerminal { child: run.spawn().unwrap(), master, seen: String::new(), _workspace: workspace }
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        let mut file = std::fs::File::from(self.master.try_clone().unwrap());
        file.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads the screen until `text` stands there; forgets what came before its end.
    pub(crate) fn expect(&mut self, text: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            assert!(
                Instant::now() < until && self.read_more(),
                "{text:?} did not come; the screen has {:?}",
                self.seen
            );
        }
    }

    /// The child's exit code; the screen is read on, so that nothing waits for it.
    pub(crate) fn code(&mut self) -> i32 {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            self.read_more();
        }
    }

    fn read_more(&mut self) -> bool {
        let soon = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&soon)).unwrap() == 0 {
            return true;
        }
        let mut buffer = [0; 4096];
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(len) if len > 0 => {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..len]));
                true
            }
            _ => {
                std::thread::sleep(Duration::from_millis(5));
                false
            }
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
