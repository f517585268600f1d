//! bind(2): for a unix socket it makes a name in the filesystem. Other families pass as they are.

use ringfence_plan::Operation;
use rustix::io::Errno;

use super::caller::Caller;
use super::judge::Kind;
use super::place::{self, Last};
use super::{Answer, Broker, Outcome};
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
    // With the caller's own spelling, which getsockname(2) gives back, from the caller's own directory. No other call of
    // this sandbox changes a name between the look and the call.
    let start = caller.directory(libc::AT_FDCWD)?;
    rustix::process::fchdir(&start)?;
    let bound = super::open::with_umask_of(caller, || Ok(net::bind(&socket, &address)?));
    let _ = rustix::process::chdir("/");
    bound?;
    Ok(Answer::Value(0))
}
