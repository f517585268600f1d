//! The caller's terminal and the sandbox's own: raw on this side, so that keys, job control and size are the inner
//! one's; put back whatever happens. Only bytes pass: the command never holds a descriptor of the caller's terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ringfence_enter::StdioSource;
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::process::getpgrp;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::flow::{Flow, Read};

/// While our terminal is another's (a pager in its own mode, the shell's with us in the background), how often to look
/// whether it is ours again. No signal tells: a shell's `fg` of a running job sends none.
const PAUSE: Duration = Duration::from_millis(200);

/// The end-of-file character of a terminal in its first state (VEOF, termios(3)).
const END_OF_FILE: u8 = 4;

/// Both terminals of a run.
pub(super) struct Terminal {
    input: Option<Tty>,
    output: Tty,
    /// Raw: everything is for the command. Otherwise lines are, because our output goes to another program of the
    /// pipeline, which may want keys of its own (a pager).
    interactive: bool,
    /// As it was when we came or were continued; `None` while it is not ours to restore.
    saved: Option<Termios>,
    /// The sandbox's terminal, our side; `None` before it is made and after it has ended.
    master: Option<OwnedFd>,
    keys: Flow,
    screen: Flow,
    look_again: Option<Instant>,
}

/// A descriptor of the caller's terminal.
enum Tty {
    Standard(BorrowedFd<'static>),
    Opened(OwnedFd),
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Tty::Standard(fd) => *fd,
            Tty::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Terminal {
    /// Marks the standard descriptors that are terminals, and takes those over; `None` if none is one.
    pub(super) fn take_over(stdio: &mut [StdioSource; 3]) -> Option<Terminal> {
        let standard = [stdin(), stdout(), stderr()];
        let is_terminal = standard.map(isatty);
        for (source, _) in stdio.iter_mut().zip(is_terminal).filter(|(_, is_terminal)| *is_terminal) {
            *source = StdioSource::Terminal;
        }
        let output = [1, 2, 0].into_iter().find(|number| is_terminal[*number])?;
        let input = match is_terminal {
            [true, _, _] => Some(Tty::Standard(standard[0])),
            // A pager inside reads its keys from /dev/tty.
            [_, true, _] => {
                let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
                open("/dev/tty", flags, Mode::empty()).ok().map(Tty::Opened)
            }
            _ => None,
        };
        Some(Terminal {
            interactive: is_terminal[1] && input.is_some(),
            input,
            output: Tty::Standard(standard[output]),
            saved: None,
            master: None,
            keys: Flow::default(),
            screen: Flow::default(),
            look_again: None,
        })
    }

    /// Connects the sandbox's terminal, which begins with the size and the modes of ours.
    pub(super) fn connect(&mut self, master: OwnedFd) {
        if let Ok(flags) = fcntl_getfl(&master) {
            let _ = fcntl_setfl(&master, flags | OFlags::NONBLOCK);
        }
        // In the background our terminal has the modes of whoever edits a line there: the kernel's first modes are better.
        let modes = if self.is_foreground() { tcgetattr(&self.output) } else { tcgetattr(&master) };
        if let Ok(mut modes) = modes {
            if !self.interactive {
                // Ours echoes already.
                modes.local_modes -= LocalModes::ECHO;
            }
            let _ = tcsetattr(&master, OptionalActions::Now, &modes);
        }
        self.master = Some(master);
        self.resize();
        self.enter();
    }

    /// Whether Ctrl-Z reaches the command as a key, and so has stopped nobody else of our job.
    pub(super) fn is_raw(&self) -> bool {
        self.saved.is_some() && self.interactive
    }

    /// Takes the terminal if our job is in its foreground: at the start, and when we are continued.
    pub(super) fn enter(&mut self) {
        if self.saved.is_some() || self.master.is_none() {
            return;
        }
        if !self.is_foreground() {
            self.look_again = Some(Instant::now() + PAUSE);
            return;
        }
        let Ok(modes) = tcgetattr(&self.output) else { return };
        if self.interactive {
            let mut raw = modes.clone();
            raw.make_raw();
            if tcsetattr(&self.output, OptionalActions::Now, &raw).is_err() {
                return;
            }
        }
        self.saved = Some(modes);
    }

    /// Gives the terminal back as it was.
    pub(super) fn leave(&mut self) {
        let Some(modes) = self.saved.take() else { return };
        // From the background it would strike whoever has the terminal now.
        if self.is_foreground() {
            // After the output, so that no last line is cooked twice.
            let _ = tcsetattr(&self.output, OptionalActions::Drain, &modes);
        }
    }

    /// Gives the inner terminal the size of ours; the kernel tells the processes there.
    pub(super) fn resize(&self) {
        if let (Some(master), Ok(size)) = (&self.master, tcgetwinsize(&self.output)) {
            let _ = tcsetwinsize(master, size);
        }
    }

    /// What to poll: our terminal for keys, the inner one for keys and output, ours for output.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        let master = self.master.as_ref().map(AsFd::as_fd);
        let reading =
            self.saved.is_some() && self.keys.is_empty() && self.look_again.is_none() && master.is_some();
        Wanted {
            keyboard: self.input.as_ref().filter(|_| reading).map(AsFd::as_fd),
            inner_output: master.filter(|_| self.screen.is_empty()),
            inner_room: master.filter(|_| !self.keys.is_empty()),
            screen: (!self.screen.is_empty()).then(|| self.output.as_fd()),
        }
    }

    /// When to look again whether our terminal is still another's.
    pub(super) fn next(&self) -> Option<Instant> {
        self.look_again
    }

    /// Another look is due.
    pub(super) fn retake(&mut self) {
        self.look_again = None;
        self.enter();
    }

    /// Our terminal has keys.
    pub(super) fn read_keys(&mut self) {
        let Some(input) = &self.input else { return };
        if !self.is_foreground() {
            // Put into the background without being stopped: the keys are another's.
            self.saved = None;
            self.look_again = Some(Instant::now() + PAUSE);
            return;
        }
        if !self.interactive && is_taken(input) {
            self.look_again = Some(Instant::now() + PAUSE);
            return;
        }
        match self.keys.read(input.as_fd()) {
            Read::Some(_) => self.write_keys(),
            Read::Nothing => {}
            Read::End if self.interactive => self.input = None,
            Read::End => self.keys.push(&[END_OF_FILE]),
        }
    }

    /// The inner terminal has room.
    pub(super) fn write_keys(&mut self) {
        if let Some(master) = &self.master
            && self.keys.write(master.as_fd()).is_err()
        {
            self.keys.clear();
        }
    }

    /// The inner terminal has output: how many bytes.
    pub(super) fn read_screen(&mut self) -> usize {
        let Some(master) = &self.master else { return 0 };
        match self.screen.read(master.as_fd()) {
            Read::Some(len) => len,
            Read::Nothing => 0,
            Read::End => {
                self.end();
                0
            }
        }
    }

    /// Forgets output beyond the first `len` bytes that wait.
    pub(super) fn keep(&mut self, len: usize) {
        self.screen.keep(len);
    }

    /// Our terminal has room.
    pub(super) fn write_screen(&mut self) {
        if self.screen.write(self.output.as_fd()).is_err() {
            self.screen.clear();
        }
    }

    /// The inner terminal says no more.
    pub(super) fn end(&mut self) {
        self.master = None;
        self.look_again = None;
        self.keys.clear();
    }

    /// Whether all output has been shown.
    pub(super) fn is_done(&self) -> bool {
        self.master.is_none() && self.screen.is_empty()
    }

    fn is_foreground(&self) -> bool {
        // A terminal that is not our session's has no job control over us.
        tcgetpgrp(&self.output).map_or(true, |foreground| foreground == getpgrp())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Descriptors to poll; absent ones are of no interest now.
pub(super) struct Wanted<'a> {
    pub(super) keyboard: Option<BorrowedFd<'a>>,
    pub(super) inner_output: Option<BorrowedFd<'a>>,
    pub(super) inner_room: Option<BorrowedFd<'a>>,
    pub(super) screen: Option<BorrowedFd<'a>>,
}

/// Whether another program reads single keys from our terminal: we leave it in line mode, so whoever changed that wants
/// them.
fn is_taken(tty: &Tty) -> bool {
    tcgetattr(tty).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON))
}
