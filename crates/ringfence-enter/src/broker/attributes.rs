//! Extended attributes (xattr(7)): setting and removing, by path, by link and by descriptor.

use std::os::fd::OwnedFd;

use rustix::fs::{XattrFlags, removexattr, setxattr};
use rustix::io::Errno;

use super::caller::Caller;
use super::calls::{kind_of, may_set_attributes};
use super::judge::Kind;
use super::open::magic;
use super::place::{self, Last};
use super::{Answer, Broker, Failure, Outcome};
use crate::nest::{ASKS, NAMESPACES, NARROWS, PROCESS};
use crate::sys::nest;

/// XATTR_NAME_MAX and XATTR_SIZE_MAX, linux/limits.h.
const LONGEST_NAME: usize = 255;
const LARGEST_VALUE: u64 = 65_536;

/// Makes the call; ENOSYS for what is none of these.
pub(super) fn dispatch(broker: &Broker, caller: &Caller<'_>, number: i64, args: [u64; 6]) -> Outcome {
    let [target, name, value, size, flags, _] = args;
    if number == libc::SYS_fsetxattr && target as i32 == nest::TARGET {
        return speak(broker, caller, &caller.string(name)?, &bytes(caller, value, size)?);
    }
    let object = match number {
        libc::SYS_setxattr | libc::SYS_removexattr => by_path(broker, caller, target, Last::Follow)?,
        libc::SYS_lsetxattr | libc::SYS_lremovexattr => by_path(broker, caller, target, Last::Keep)?,
        libc::SYS_fsetxattr | libc::SYS_fremovexattr => {
            place::in_own_mounts(caller.descriptor(target as i32)?)?
        }
        _ => return Err(Errno::NOSYS.into()),
    };
    let name = caller.string(name)?;
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(Errno::RANGE.into());
    }
    may_set_attributes(&broker.judge, &object)?;
    if kind_of(&object)? == Kind::Link {
        // No namespace that an unprivileged caller may write exists for symlinks (xattr(7)).
        return Err(Errno::PERM.into());
    }
    match number {
        libc::SYS_removexattr | libc::SYS_lremovexattr | libc::SYS_fremovexattr => {
            removexattr(magic(&object), &*name)?;
        }
        _ => {
            let value = bytes(caller, value, size)?;
            let flags = XattrFlags::from_bits_retain(flags as u32);
            setxattr(magic(&object), &*name, &value, flags)?;
        }
    }
    Ok(Answer::Value(0))
}

/// What an inner sandbox asks.
fn speak(broker: &Broker, caller: &Caller<'_>, name: &[u8], value: &[u8]) -> Outcome {
    let answer = if name == ASKS.to_bytes() {
        if broker.in_namespaces { NAMESPACES } else { PROCESS }
    } else if name == NARROWS.to_bytes() {
        broker.nested.add(caller, value)?;
        0
    } else {
        return Err(Errno::BADF.into());
    };
    Ok(Answer::Value(answer.into()))
}

fn by_path(broker: &Broker, caller: &Caller<'_>, path: u64, last: Last) -> Result<OwnedFd, Failure> {
    let path = caller.string(path)?;
    let place = place::find(&broker.judge, caller, (libc::AT_FDCWD, &path), last)?;
    Ok(place.object.ok_or(Errno::NOENT)?)
}

fn bytes(caller: &Caller<'_>, address: u64, size: u64) -> Result<Vec<u8>, Errno> {
    if size > LARGEST_VALUE {
        return Err(Errno::TOOBIG);
    }
    let mut value = Vec::with_capacity(size as usize);
    while value.len() < size as usize {
        let want = (size as usize - value.len()).min(4096);
        let part = caller.bytes(address + value.len() as u64, want)?;
        if part.is_empty() {
            return Err(Errno::FAULT);
        }
        value.extend(part);
    }
    Ok(value)
}
