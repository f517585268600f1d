//! Whether what is at a place can have been written, or put there, only by its owners.
//!
//! Pure: what fstat(2) said comes in, so that each case is a row of a test.

use rustix::fs::{FileType, Mode, Stat};

use super::{Fault, Guard, LINK, Place, Side};

/// What fstat(2) says, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) owner: u32,
    pub(super) group: u32,
    /// The permission bits, the sticky one included.
    pub(super) mode: Mode,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

impl Guard {
    /// Whether what is at `place` can have been written, or put there, only by the owners.
    pub(super) fn judge(
        &self,
        place: Place,
        about: &About,
        is_private: impl Fn(u32) -> bool,
    ) -> Result<(), Fault> {
        match (place, about.kind) {
            (_, Kind::Symlink) => return Err(Fault::Kind(LINK)),
            (Place::File, Kind::Directory) => return Err(Fault::Kind("is a directory, not a file")),
            (Place::File, Kind::Other) => return Err(Fault::Kind("is no ordinary file")),
            (Place::Root | Place::Above | Place::Holder, Kind::File | Kind::Other) => {
                return Err(Fault::Kind("is no directory"));
            }
            _ => {}
        }
        // The root directory of a rootless container or namespace belongs to a root that has no number in there.
        let unmapped_root = place == Place::Root && about.owner == NOBODY;
        if !self.owners.contains(&about.owner) && !unmapped_root {
            return Err(Fault::Owner(about.owner));
        }
        // In a sticky directory others may add names, but not take or replace what belongs to the owners: /tmp may lie
        // above, and must not be where the files are, since a hard link of theirs would count as a file of the owner's.
        let sticky = about.mode.contains(Mode::SVTX) && matches!(place, Place::Root | Place::Above);
        let group =
            about.mode.contains(Mode::WGRP) && !(self.side != Side::Machine && is_private(about.group));
        if !sticky && (group || about.mode.contains(Mode::WOTH)) {
            return Err(Fault::Writable(format!("{:04o}", about.mode.bits())));
        }
        Ok(())
    }
}

impl About {
    pub(super) fn of(stat: &Stat) -> About {
        let mode = Mode::from_raw_mode(stat.st_mode);
        About { kind: Kind::of(stat), owner: stat.st_uid, group: stat.st_gid, mode }
    }
}

impl Kind {
    pub(super) fn of(stat: &Stat) -> Kind {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        }
    }
}

/// What a user namespace shows for an owner that it has no number for (user_namespaces(7), overflowuid).
const NOBODY: u32 = 65534;
