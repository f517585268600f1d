//! bind(2): for a unix socket it makes a name in the filesystem. Other families pass as they are.

use ringfence_plan::Operation;
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use super::caller::Caller;
use super::judge::Kind;
use super::place::{self, Last, Place};
use super::{Answer, Broker, Outcome, repository};
use crate::sys::net;

/// sizeof(struct sockaddr_storage), socket(7).
const LARGEST: u32 = 128;

/// Where the path of a unix address begins (unix(7)).
const PATH: usize = 2;

pub(super) fn bind(broker: &Broker, caller: &Caller<'_>, socket: i32, address: u64, length: u32) -> Outcome {
    if length > LARGEST {
        return Err(Errno::INVAL.into());
    }
    let address = caller.bytes(address, length as usize)?;
    if address.len() < length as usize {
        return Err(Errno::FAULT.into());
    }
    let socket = caller.descriptor(socket)?;
    let family = address.get(..PATH).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    let path = address.get(PATH..).unwrap_or_default();
    // An empty path asks for an abstract name, a leading NUL gives one: neither is in the filesystem.
    let named = family == Some(libc::AF_UNIX as u16) && path.first().is_some_and(|byte| *byte != 0);
    if !named {
        net::bind(&socket, &address)?;
        return Ok(Answer::Value(0));
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    let place = place::find(&broker.judge, caller, (libc::AT_FDCWD, &path[..end]), Last::Keep)?;
    if place.object.is_some() {
        return Err(Errno::ADDRINUSE.into());
    }
    broker.judge.may_create(&place.would_be()?, Kind::Other, Operation::Create)?;
    repository::may_put(&broker.judge, &place, Operation::Create)?;
    let spelled = leads_to(caller, &path[..end], &place)?;
    let address = if spelled { address } else { [&address[..PATH], place.name.to_bytes(), b"\0"].concat() };
    let bound = super::open::with_umask_of(caller, || Ok(net::bind(&socket, &address)?));
    let _ = rustix::process::chdir("/");
    bound?;
    Ok(Answer::Value(0))
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
