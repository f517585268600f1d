//! open(2), openat(2) and creat(2) for writing or creating. The object is looked at before it is opened, and what is
//! opened is that object.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ringfence_plan::Operation;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, major, minor, openat};
use rustix::io::Errno;
use rustix::process::umask;

use super::caller::Caller;
use super::judge::Kind;
use super::place::{self, Last, Place, path_of};
use super::{Answer, Broker, Failure, Outcome, repository, worktree};
use crate::sys::{clone, notify};

/// How often a name may appear and vanish before the call gives up, as the kernel's own look-up would in the end.
const ATTEMPTS: usize = 16;

/// The arguments of the call.
pub(super) struct Request {
    pub(super) start: i32,
    pub(super) path: Vec<u8>,
    pub(super) flags: OFlags,
    pub(super) mode: Mode,
}

impl Request {
    fn writes(&self) -> bool {
        self.flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC)
    }

    fn answer(&self, fd: OwnedFd) -> Answer {
        Answer::Descriptor { fd, cloexec: self.flags.contains(OFlags::CLOEXEC) }
    }

    /// The flags for a call of ours: never across exec, never a controlling terminal for this process.
    fn ours(&self) -> OFlags {
        self.flags | OFlags::CLOEXEC | OFlags::NOCTTY
    }
}

pub(super) fn open(broker: &Broker, caller: &Caller<'_>, mut request: Request) -> Outcome {
    if request.flags.contains(OFlags::PATH) {
        request.flags &= OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    }
    if request.flags.contains(OFlags::TMPFILE) {
        return open_nameless(broker, caller, &request);
    }
    let creates = request.flags.contains(OFlags::CREATE);
    let exclusive = creates && request.flags.contains(OFlags::EXCL);
    let last = if exclusive || request.flags.contains(OFlags::NOFOLLOW) { Last::Keep } else { Last::Follow };
    for _ in 0..ATTEMPTS {
        let place = place::find(&broker.judge, caller, (request.start, &request.path), last)?;
        if place.object.is_some() {
            return if exclusive {
                Err(Errno::EXIST.into())
            } else {
                open_existing(broker, caller, &request, place)
            };
        }
        if !creates {
            return Err(Errno::NOENT.into());
        }
        if place.slash {
            return Err(Errno::ISDIR.into());
        }
        match create(broker, caller, &request, &place) {
            Err(Failure::Kernel(Errno::EXIST)) if !exclusive => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN.into())
}

/// O_TMPFILE: the path names the directory, and the file has no name until link(2) asks for one.
fn open_nameless(broker: &Broker, caller: &Caller<'_>, request: &Request) -> Outcome {
    let place = place::find(&broker.judge, caller, (request.start, &request.path), Last::Follow)?;
    let directory = place.object.ok_or(Errno::NOENT)?;
    broker.judge.may_change(&path_of(&directory)?, Operation::Create)?;
    with_umask_of(caller, || {
        Ok(request.answer(openat(CWD, magic(&directory), request.ours(), request.mode)?))
    })
}

fn open_existing(broker: &Broker, caller: &Caller<'_>, request: &Request, place: Place) -> Outcome {
    let object = place.object.as_ref().ok_or(Errno::NOENT)?;
    let stat = fstat(object)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Symlink if !request.flags.contains(OFlags::PATH) => return Err(Errno::LOOP.into()),
        FileType::Directory if request.flags.contains(OFlags::CREATE) => return Err(Errno::ISDIR.into()),
        FileType::Directory => {}
        _ if place.slash => return Err(Errno::NOTDIR.into()),
        _ => {}
    }
    if request.writes() && kind != FileType::Directory {
        broker.judge.may_create(&path_of(object)?, Kind::Other, Operation::Write)?;
        repository::may_put(&broker.judge, &place, Operation::Write)?;
    }
    if broker.judge.is_narrowed() {
        broker.judge.may_reach(&path_of(object)?)?;
    }
    if kind == FileType::CharacterDevice && (major(stat.st_rdev), minor(stat.st_rdev)) == (5, 0) {
        return open_terminal(caller, request);
    }
    let flags = request.ours() & !(OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW);
    if kind == FileType::Fifo && may_wait(request.flags) {
        return open_later(caller, place.object, flags, request.flags.contains(OFlags::CLOEXEC));
    }
    Ok(request.answer(openat(CWD, magic(object), flags, Mode::empty())?))
}

fn create(broker: &Broker, caller: &Caller<'_>, request: &Request, place: &Place) -> Outcome {
    let path = place.would_be()?;
    repository::may_put(&broker.judge, place, Operation::Create)?;
    match broker.judge.may_create(&path, Kind::Other, Operation::Create) {
        Ok(()) => {}
        Err(refusal) => {
            // What an inner sandbox keeps out of reach is no place for a pointer either.
            broker.judge.may_reach(&path)?;
            // `git worktree add` writes pointers; the broker writes the right ones itself.
            let sink = worktree::write_pointer(&broker.judge, place, &path)?;
            return sink.map(|sink| request.answer(sink)).ok_or(refusal);
        }
    }
    let flags = request.ours() | OFlags::EXCL | OFlags::NOFOLLOW;
    with_umask_of(caller, || Ok(request.answer(openat(&place.parent, &place.name, flags, request.mode)?)))
}

/// /dev/tty is the terminal of whoever opens it, which here must be the caller's.
fn open_terminal(caller: &Caller<'_>, request: &Request) -> Outcome {
    let device = caller.terminal()?;
    // Terminals of devpts have major 136 to 143 (Documentation/admin-guide/devices.txt).
    if !(136..=143).contains(&major(device)) {
        return Err(Errno::NXIO.into());
    }
    let index = (major(device) - 136) * 256 + minor(device);
    let flags = request.ours() & !(OFlags::CREATE | OFlags::EXCL);
    Ok(request.answer(openat(CWD, format!("/dev/pts/{index}"), flags, Mode::empty())?))
}

/// Opening a FIFO waits for its other end (fifo(7)), unless for both directions at once.
fn may_wait(flags: OFlags) -> bool {
    !flags.intersects(OFlags::NONBLOCK | OFlags::RDWR | OFlags::PATH)
}

/// Lets a helper process wait for the other end and answer, so that this one serves the other end meanwhile.
fn open_later(caller: &Caller<'_>, object: Option<OwnedFd>, flags: OFlags, cloexec: bool) -> Outcome {
    let object = object.ok_or(Errno::NOENT)?;
    let (listener, id) = (caller.listener(), caller.id());
    clone::fork_with(|| {
        let answered = match openat(CWD, magic(&object), flags, Mode::empty()) {
            Ok(fd) => notify::answer_with(listener, id, fd.as_fd(), cloexec),
            Err(errno) => notify::answer(listener, id, 0, errno.raw_os_error()),
        };
        i32::from(answered.is_err())
    })?;
    Ok(Answer::Later)
}

/// The name under which an opened object can be opened again, whatever its path has become.
pub(super) fn magic(object: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", object.as_raw_fd())
}

/// Makes something with the mode bits that the caller would get.
pub(super) fn with_umask_of<T>(
    caller: &Caller<'_>,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let ours = umask(caller.umask()?);
    let made = make();
    umask(ours);
    made
}
