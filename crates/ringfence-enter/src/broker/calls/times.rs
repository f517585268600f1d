//! The calls that set an object's times (utimensat(2) and its older forms), and the structures that they take.
//! Not how a path becomes an object.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use rustix::io::Errno;

use super::{DONE, Served, kind_of, may_set_attributes};
use crate::broker::Outcome;
use crate::broker::judge::Kind;
use crate::broker::open::magic;
use crate::broker::place::{self, Last};

impl Served<'_> {
    pub(super) fn times(&self, start: i32, path: u64, times: Timestamps, flags: u32) -> Outcome {
        let flags = AtFlags::from_bits_retain(flags);
        let named = if path == 0 { None } else { Some(self.caller.string(path)?) };
        let empty = flags.contains(AtFlags::EMPTY_PATH);
        let Some(path) = named.filter(|path| !(path.is_empty() && empty)) else {
            // futimens(3): the descriptor itself.
            let object = place::in_own_mounts(self.caller.descriptor(start)?)?;
            may_set_attributes(&self.broker.judge, &object)?;
            utimensat(CWD, magic(&object), &times, AtFlags::empty())?;
            return DONE;
        };
        let last = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { Last::Keep } else { Last::Follow };
        let place = place::find(&self.broker.judge, self.caller, (start, &path), last)?;
        let object = place.object.as_ref().ok_or(Errno::NOENT)?;
        may_set_attributes(&self.broker.judge, object)?;
        if kind_of(object)? == Kind::Link {
            utimensat(&place.parent, &place.name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        } else {
            utimensat(CWD, magic(object), &times, AtFlags::empty())?;
        }
        DONE
    }

    /// Two `struct timespec`; null means now.
    pub(super) fn timespecs(&self, address: u64) -> Result<Timestamps, Errno> {
        self.times_at(address, 1)
    }

    /// Two `struct timeval`.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn timevals(&self, address: u64) -> Result<Timestamps, Errno> {
        self.times_at(address, 1000)
    }

    /// Two pairs of seconds and a fraction, `unit` nanoseconds each.
    fn times_at(&self, address: u64, unit: i64) -> Result<Timestamps, Errno> {
        if address == 0 {
            return Ok(NOW);
        }
        let words = self.words::<4>(address)?;
        let time = |seconds: i64, fraction: i64| Timespec {
            tv_sec: seconds,
            tv_nsec: if unit == 1 { fraction } else { fraction.saturating_mul(unit) },
        };
        Ok(Timestamps { last_access: time(words[0], words[1]), last_modification: time(words[2], words[3]) })
    }

    /// `struct utimbuf`: two counts of seconds.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn seconds(&self, address: u64) -> Result<Timestamps, Errno> {
        if address == 0 {
            return Ok(NOW);
        }
        let [access, modification] = self.words::<2>(address)?;
        let time = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
        Ok(Timestamps { last_access: time(access), last_modification: time(modification) })
    }

    fn words<const N: usize>(&self, address: u64) -> Result<[i64; N], Errno> {
        let bytes = self.caller.bytes(address, N * 8)?;
        let mut words = [0; N];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = i64::from_ne_bytes(chunk.try_into().map_err(|_| Errno::FAULT)?);
        }
        if bytes.len() == N * 8 { Ok(words) } else { Err(Errno::FAULT) }
    }
}

const NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW as _ },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW as _ },
};
