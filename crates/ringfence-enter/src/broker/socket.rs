//! bind(2) and connect(2): for a unix socket the one makes a name in the filesystem and the other looks one up, which is
//! how services of the host would be reached. Other families pass as they are.

use std::os::fd::OwnedFd;

use ringfence_plan::Operation;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fcntl_getfl, fcntl_setfl, fstat, openat, openat2};
use rustix::io::Errno;

use super::caller::Caller;
use super::judge::Kind;
use super::place::{self, Last, Place};
use super::{Answer, Broker, Outcome, repository};
use crate::sys::{clone, net, notify};

/// sizeof(struct sockaddr_storage), socket(7).
const LARGEST: u32 = 128;

/// Where the path of a unix address begins (unix(7)).
const PATH: usize = 2;

pub(super) fn bind(broker: &Broker, caller: &Caller<'_>, socket: i32, address: u64, length: u32) -> Outcome {
    let address = copy(caller, address, length)?;
    let socket = caller.descriptor(socket)?;
    let Some(path) = name_in(&address) else {
        net::bind(&socket, &address)?;
        return Ok(Answer::Value(0));
    };
    let place = place::find(&broker.judge, caller, (libc::AT_FDCWD, path), Last::Keep)?;
    if place.object.is_some() {
        return Err(Errno::ADDRINUSE.into());
    }
    broker.judge.may_create(&place.would_be()?, Kind::Other, Operation::Create)?;
    repository::may_put(&broker.judge, &place, Operation::Create)?;
    let spelled = leads_to(caller, path, &place)?;
    let shorter = [&address[..PATH], place.name.to_bytes(), b"\0"].concat();
    let address = if spelled { &address } else { &shorter };
    let bound = super::open::with_umask_of(caller, || Ok(net::bind(&socket, address)?));
    let _ = rustix::process::chdir("/");
    bound?;
    remember(broker, &place)?;
    Ok(Answer::Value(0))
}

/// Most bound sockets at once that have a name.
const MOST: usize = 4096;

fn remember(broker: &Broker, place: &Place) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(&place.parent, &place.name, flags, Mode::empty())?;
    let stat = fstat(&made)?;
    let mut bound = broker.bound.borrow_mut();
    if bound.len() >= MOST {
        // What has no name any more is found by no path.
        bound.retain(|_, socket| fstat(socket).is_ok_and(|stat| stat.st_nlink > 0));
    }
    if bound.len() >= MOST {
        return Err(Errno::NFILE);
    }
    bound.insert((stat.st_dev as u64, stat.st_ino as u64), made);
    Ok(())
}

/// Connects, if not to a socket in the filesystem that something outside has bound.
pub(super) fn connect(
    broker: &Broker,
    caller: &Caller<'_>,
    socket: i32,
    address: u64,
    length: u32,
) -> Outcome {
    let mut address = copy(caller, address, length)?;
    let socket = caller.descriptor(socket)?;
    let mut object = None;
    if let Some(path) = name_in(&address) {
        let place = place::find(&broker.judge, caller, (libc::AT_FDCWD, path), Last::Follow)?;
        let found = place.object.ok_or(Errno::NOENT)?;
        let stat = fstat(&found)?;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        if is_socket && !broker.bound.borrow().contains_key(&(stat.st_dev as u64, stat.st_ino as u64)) {
            return Err(Errno::ACCESS.into());
        }
        // The object that was looked at, not its name again.
        address.truncate(PATH);
        address.extend_from_slice(super::open::magic(&found).as_bytes());
        address.push(0);
        object = Some(found);
    }
    let flags = fcntl_getfl(&socket)?;
    if flags.contains(OFlags::NONBLOCK) {
        net::connect(&socket, &address)?;
        return Ok(Answer::Value(0));
    }
    if object.is_none() {
        match at_once(&socket, flags, &address) {
            Err(error) if is_under_way(&error) => {}
            other => return Ok(other.map(|()| Answer::Value(0))?),
        }
    }
    // It may wait for room in the other's queue. A helper waits, and this process serves others meanwhile.
    let (listener, id) = (caller.listener(), caller.id());
    clone::fork_with(move || {
        let _kept_open = object;
        let errno = net::connect(&socket, &address).err().and_then(|error| error.raw_os_error()).unwrap_or(0);
        i32::from(notify::answer(listener, id, 0, errno).is_err())
    })?;
    Ok(Answer::Later)
}

/// Tries without waiting: in a namespace that ends at its loopback a connection is made or refused before the call comes
/// back, and a helper for each would cost more than the connection. Others see the socket not to block for as long, while
/// it is not connected and there is nothing to wait for.
fn at_once(socket: &OwnedFd, flags: OFlags, address: &[u8]) -> std::io::Result<()> {
    fcntl_setfl(socket, flags | OFlags::NONBLOCK)?;
    let connected = match net::connect(socket, address) {
        // The answer is there, but it is taken in only as the call lets go of the socket. Asked again, connect(2) tells.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => net::connect(socket, address),
        other => other,
    };
    fcntl_setfl(socket, flags)?;
    connected
}

/// Whether a connection is still to be made or refused.
fn is_under_way(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EALREADY))
}

/// The address of a call, whole.
fn copy(caller: &Caller<'_>, address: u64, length: u32) -> Result<Vec<u8>, Errno> {
    if length > LARGEST {
        return Err(Errno::INVAL);
    }
    let bytes = caller.bytes(address, length as usize)?;
    if bytes.len() < length as usize { Err(Errno::FAULT) } else { Ok(bytes) }
}

/// The path of a unix address that has one: an empty path asks for an abstract name and a leading NUL gives one, and
/// neither is in the filesystem.
fn name_in(address: &[u8]) -> Option<&[u8]> {
    let family = address.get(..PATH).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    let path = address.get(PATH..).unwrap_or_default();
    if family != Some(libc::AF_UNIX as u16) || path.first().is_none_or(|byte| *byte == 0) {
        return None;
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    Some(&path[..end])
}

/// Goes to a directory from which the socket can be bound: the caller's own if the path, as spelled, leads to `place` from
/// there without any link, so that getsockname(2) will give back that spelling; else the directory of `place`, from which
/// its last name does. (`/proc/self` in the spelling would be this process.)
fn leads_to(caller: &Caller<'_>, path: &[u8], place: &Place) -> Result<bool, Errno> {
    let start = caller.directory(libc::AT_FDCWD)?;
    let plain = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => &path[..at + 1],
        None => b".",
    };
    let parent = fstat(&place.parent)?;
    let same = openat2(&start, directory, flags, Mode::empty(), plain)
        .and_then(fstat)
        .is_ok_and(|found| (found.st_dev, found.st_ino) == (parent.st_dev, parent.st_ino));
    rustix::process::fchdir(if same { &start } else { &place.parent })?;
    Ok(same)
}
