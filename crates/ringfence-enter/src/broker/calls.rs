//! Every other call that the filter hands over, one function a group. Arguments are read once, names are judged by where
//! they really are, and the call is made on descriptors.

mod times;

use std::os::fd::{AsFd, OwnedFd};

use ringfence_plan::Operation;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, chmodat, chownat, fstat, linkat, mkdirat, mknodat,
    openat, renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::caller::Caller;
use super::judge::{Judge, Kind};
use super::open::{self, Request, magic, with_umask_of};
use super::place::{self, Last, Place, path_of};
use super::{Answer, Broker, Failure, Outcome, attributes, repository, socket};
use crate::sys::notify::Call;

const DONE: Outcome = Ok(Answer::Value(0));

/// Makes the call. Older calls are their newer forms with fixed arguments.
pub(super) fn dispatch(broker: &Broker, caller: &Caller<'_>, call: &Call) -> Outcome {
    let b = Served { broker, caller };
    let [a0, a1, a2, a3, a4, _] = call.args;
    let here = libc::AT_FDCWD;
    match i64::from(call.number) {
        libc::SYS_openat => b.open(a0 as i32, a1, a2 as u32, a3 as u32),
        libc::SYS_mkdirat => b.mkdir(a0 as i32, a1, a2 as u32),
        libc::SYS_mknodat => b.mknod(a0 as i32, a1, a2 as u32),
        libc::SYS_renameat => b.rename((a0 as i32, a1), (a2 as i32, a3), 0),
        libc::SYS_renameat2 => b.rename((a0 as i32, a1), (a2 as i32, a3), a4 as u32),
        libc::SYS_linkat => b.link((a0 as i32, a1), (a2 as i32, a3), a4 as u32),
        libc::SYS_symlinkat => b.symlink(a0, a1 as i32, a2),
        libc::SYS_unlinkat => b.unlink(a0 as i32, a1, a2 as u32),
        libc::SYS_truncate => b.truncate(a0, a1),
        libc::SYS_fchmod => b.chmod_descriptor(a0 as i32, a1 as u32),
        libc::SYS_fchmodat => b.chmod(a0 as i32, a1, a2 as u32, 0),
        libc::SYS_fchmodat2 => b.chmod(a0 as i32, a1, a2 as u32, a3 as u32),
        libc::SYS_fchown => b.chown_descriptor(a0 as i32, (a1 as u32, a2 as u32)),
        libc::SYS_fchownat => b.chown(a0 as i32, a1, (a2 as u32, a3 as u32), a4 as u32),
        libc::SYS_utimensat => b.times(a0 as i32, a1, b.timespecs(a2)?, a3 as u32),
        libc::SYS_connect => socket::connect(broker, caller, a0 as i32, a1, a2 as u32),
        libc::SYS_bind => socket::bind(broker, caller, a0 as i32, a1, a2 as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => b.open(here, a0, a1 as u32, a2 as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_creat => {
            b.open(here, a0, (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u32, a1 as u32)
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => b.mkdir(here, a0, a1 as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mknod => b.mknod(here, a0, a1 as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => b.rename((here, a0), (here, a1), 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => b.link((here, a0), (here, a1), 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_symlink => b.symlink(a0, here, a1),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink => b.unlink(here, a0, 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rmdir => b.unlink(here, a0, libc::AT_REMOVEDIR as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod => b.chmod(here, a0, a1 as u32, 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown => b.chown(here, a0, (a1 as u32, a2 as u32), 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown => b.chown(here, a0, (a1 as u32, a2 as u32), libc::AT_SYMLINK_NOFOLLOW as u32),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utime => b.times(here, a0, b.seconds(a1)?, 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utimes => b.times(here, a0, b.timevals(a1)?, 0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_futimesat => b.times(a0 as i32, a1, b.timevals(a2)?, 0),
        number => attributes::dispatch(broker, caller, number, call.args),
    }
}

struct Served<'a> {
    broker: &'a Broker,
    caller: &'a Caller<'a>,
}

impl Served<'_> {
    fn find(&self, start: i32, path: u64, last: Last) -> Result<Place, Failure> {
        place::find(&self.broker.judge, self.caller, (start, &self.caller.string(path)?), last)
    }

    fn open(&self, start: i32, path: u64, flags: u32, mode: u32) -> Outcome {
        let path = self.caller.string(path)?;
        let request = Request {
            start,
            path,
            flags: OFlags::from_bits_retain(flags),
            mode: Mode::from_raw_mode(mode & 0o7777),
        };
        open::open(self.broker, self.caller, request)
    }

    fn mkdir(&self, start: i32, path: u64, mode: u32) -> Outcome {
        let place = self.find(start, path, Last::Keep)?;
        if place.object.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.broker.judge.may_create(&place.would_be()?, Kind::Directory, Operation::Create)?;
        repository::may_put(&self.broker.judge, &place, Operation::Create)?;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        with_umask_of(self.caller, || Ok(mkdirat(&place.parent, &place.name, mode)?))?;
        DONE
    }

    fn mknod(&self, start: i32, path: u64, mode: u32) -> Outcome {
        let kind = match FileType::from_raw_mode(mode) {
            FileType::Unknown => FileType::RegularFile,
            kind @ (FileType::RegularFile | FileType::Fifo | FileType::Socket) => kind,
            _ => return Err(Errno::PERM.into()),
        };
        let place = self.find(start, path, Last::Keep)?;
        if place.object.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.broker.judge.may_create(&place.would_be()?, Kind::Other, Operation::Create)?;
        repository::may_put(&self.broker.judge, &place, Operation::Create)?;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        with_umask_of(self.caller, || Ok(mknodat(&place.parent, &place.name, kind, mode, 0)?))?;
        DONE
    }

    fn rename(&self, old: (i32, u64), new: (i32, u64), flags: u32) -> Outcome {
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
        if flags.contains(RenameFlags::WHITEOUT) {
            return Err(Errno::INVAL.into());
        }
        let old = self.find(old.0, old.1, Last::Keep)?;
        let new = self.find(new.0, new.1, Last::Keep)?;
        let kind = kind_of(old.object.as_ref().ok_or(Errno::NOENT)?)?;
        self.broker.judge.may_move(&old.would_be()?, kind, Operation::Rename)?;
        if let Err(refusal) = self.broker.judge.may_move(&new.would_be()?, kind, Operation::Rename) {
            return if flags.is_empty() && rewrites_the_same(&old, &new)? {
                unlinkat(&old.parent, &old.name, AtFlags::empty())?;
                DONE
            } else {
                Err(refusal)
            };
        }
        self.broker.judge.may_carry(&old.would_be()?, &new.would_be()?, kind)?;
        repository::may_put(&self.broker.judge, &new, Operation::Rename)?;
        repository::may_put(&self.broker.judge, &old, Operation::Rename)?;
        if let Some(replaced) = &new.object {
            let kind = kind_of(replaced)?;
            self.broker.judge.may_move(&new.would_be()?, kind, Operation::Rename)?;
            if flags.contains(RenameFlags::EXCHANGE) {
                self.broker.judge.may_move(&old.would_be()?, kind, Operation::Rename)?;
                self.broker.judge.may_carry(&new.would_be()?, &old.would_be()?, kind)?;
            }
        }
        if (old.slash || new.slash) && kind != Kind::Directory {
            return Err(Errno::NOTDIR.into());
        }
        renameat_with(&old.parent, &old.name, &new.parent, &new.name, flags)?;
        DONE
    }

    fn link(&self, old: (i32, u64), new: (i32, u64), flags: u32) -> Outcome {
        let flags = AtFlags::from_bits_retain(flags);
        if !(AtFlags::SYMLINK_FOLLOW | AtFlags::EMPTY_PATH).contains(flags) {
            return Err(Errno::INVAL.into());
        }
        let old_path = self.caller.string(old.1)?;
        let source = if old_path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
            self.caller.descriptor(old.0)?
        } else {
            let last = if flags.contains(AtFlags::SYMLINK_FOLLOW) { Last::Follow } else { Last::Keep };
            place::find(&self.broker.judge, self.caller, (old.0, &old_path), last)?
                .object
                .ok_or(Errno::NOENT)?
        };
        // A second name for a protected file would be a way to write it.
        self.broker.judge.may_create(&path_of(&source)?, kind_of(&source)?, Operation::Link)?;
        let new = self.find(new.0, new.1, Last::Keep)?;
        if new.object.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.broker.judge.may_move(&new.would_be()?, kind_of(&source)?, Operation::Link)?;
        repository::may_put(&self.broker.judge, &new, Operation::Link)?;
        linkat(CWD, magic(&source), &new.parent, &new.name, AtFlags::SYMLINK_FOLLOW)?;
        DONE
    }

    fn symlink(&self, target: u64, start: i32, path: u64) -> Outcome {
        let target = self.caller.string(target)?;
        if target.is_empty() {
            return Err(Errno::NOENT.into());
        }
        let place = self.find(start, path, Last::Keep)?;
        if place.object.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.broker.judge.may_move(&place.would_be()?, Kind::Link, Operation::Create)?;
        repository::may_put(&self.broker.judge, &place, Operation::Create)?;
        symlinkat(target, &place.parent, &place.name)?;
        DONE
    }

    fn unlink(&self, start: i32, path: u64, flags: u32) -> Outcome {
        if flags & !(libc::AT_REMOVEDIR as u32) != 0 {
            return Err(Errno::INVAL.into());
        }
        let place = self.find(start, path, Last::Keep)?;
        let object = place.object.as_ref().ok_or(Errno::NOENT)?;
        if place.slash && flags == 0 {
            return Err(if kind_of(object)? == Kind::Directory { Errno::ISDIR } else { Errno::NOTDIR }.into());
        }
        self.broker.judge.may_create(&place.would_be()?, kind_of(object)?, Operation::Remove)?;
        repository::may_put(&self.broker.judge, &place, Operation::Remove)?;
        unlinkat(&place.parent, &place.name, AtFlags::from_bits_retain(flags))?;
        DONE
    }

    fn truncate(&self, path: u64, length: u64) -> Outcome {
        if length as i64 > 0 && length > self.broker.file_size {
            return Err(Errno::FBIG.into());
        }
        let place = self.find(libc::AT_FDCWD, path, Last::Follow)?;
        let object = place.object.as_ref().ok_or(Errno::NOENT)?;
        match FileType::from_raw_mode(fstat(object)?.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::INVAL.into()),
        }
        self.broker.judge.may_create(&path_of(object)?, Kind::Other, Operation::Write)?;
        repository::may_put(&self.broker.judge, &place, Operation::Write)?;
        let file = openat(CWD, magic(object), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::ftruncate(&file, length)?;
        DONE
    }

    fn chmod(&self, start: i32, path: u64, mode: u32, flags: u32) -> Outcome {
        let flags = AtFlags::from_bits_retain(flags);
        let path = self.caller.string(path)?;
        if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
            return self.chmod_descriptor(start, mode);
        }
        let last = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { Last::Keep } else { Last::Follow };
        let object =
            place::find(&self.broker.judge, self.caller, (start, &path), last)?.object.ok_or(Errno::NOENT)?;
        if kind_of(&object)? == Kind::Link {
            return Err(Errno::OPNOTSUPP.into());
        }
        may_set_attributes(&self.broker.judge, &object)?;
        chmodat(CWD, magic(&object), Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?;
        DONE
    }

    fn chmod_descriptor(&self, number: i32, mode: u32) -> Outcome {
        let object = place::in_own_mounts(self.caller.descriptor(number)?)?;
        may_set_attributes(&self.broker.judge, &object)?;
        chmodat(CWD, magic(&object), Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?;
        DONE
    }

    fn chown(&self, start: i32, path: u64, owner: (u32, u32), flags: u32) -> Outcome {
        let flags = AtFlags::from_bits_retain(flags);
        let path = self.caller.string(path)?;
        if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
            return self.chown_descriptor(start, owner);
        }
        let last = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { Last::Keep } else { Last::Follow };
        let place = place::find(&self.broker.judge, self.caller, (start, &path), last)?;
        let object = place.object.as_ref().ok_or(Errno::NOENT)?;
        may_set_attributes(&self.broker.judge, object)?;
        let (uid, gid) = ids(owner);
        if kind_of(object)? == Kind::Link {
            chownat(&place.parent, &place.name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        } else {
            chownat(CWD, magic(object), uid, gid, AtFlags::empty())?;
        }
        DONE
    }

    fn chown_descriptor(&self, number: i32, owner: (u32, u32)) -> Outcome {
        let object = place::in_own_mounts(self.caller.descriptor(number)?)?;
        may_set_attributes(&self.broker.judge, &object)?;
        let (uid, gid) = ids(owner);
        chownat(CWD, magic(&object), uid, gid, AtFlags::empty())?;
        DONE
    }
}

/// An owner and a group; all ones leave it as it is (chown(2)).
fn ids((uid, gid): (u32, u32)) -> (Option<Uid>, Option<Gid>) {
    ((uid != u32::MAX).then(|| Uid::from_raw(uid)), (gid != u32::MAX).then(|| Gid::from_raw(gid)))
}

/// Whether renaming `old` over `new` would replace a file by its equal. Git does that with its configuration whenever it
/// sets what is set already (`git submodule update`, `git branch -m`). The protected file is then left as it is and the
/// other one removed, which comes to the same; were the other one changed meanwhile, nothing of that would arrive.
fn rewrites_the_same(old: &Place, new: &Place) -> Result<bool, Errno> {
    let (Some(theirs), Some(ours)) = (content(old)?, content(new)?) else { return Ok(false) };
    Ok(theirs == ours)
}

/// What a file holds, if it is a regular one of at most 1 MiB.
fn content(place: &Place) -> Result<Option<Vec<u8>>, Errno> {
    const MOST: usize = 1 << 20;
    let Some(object) = &place.object else { return Ok(None) };
    if FileType::from_raw_mode(fstat(object)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let file = openat(CWD, magic(object), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = vec![0; MOST + 1];
    let mut len = 0;
    loop {
        match rustix::io::read(&file, &mut content[len..])? {
            0 => break,
            read => len += read,
        }
    }
    content.truncate(len);
    Ok((len <= MOST).then_some(content))
}

/// Whether the attributes of an object may be changed. What has no name any more is nobody else's.
pub(super) fn may_set_attributes(judge: &Judge, object: &OwnedFd) -> Result<(), Failure> {
    if fstat(object)?.st_nlink == 0 {
        return Ok(());
    }
    judge.may_set_attributes(&path_of(object)?, kind_of(object)?)
}

pub(super) fn kind_of(object: &OwnedFd) -> Result<Kind, Errno> {
    Ok(match FileType::from_raw_mode(fstat(object.as_fd())?.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    })
}
