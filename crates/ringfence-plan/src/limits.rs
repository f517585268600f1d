//! The resource part of a plan. `None` means: no limit of ours.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Field, RuleId};

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bytes(pub u64);

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Millis(pub u64);

/// Processor time a second in thousandths of one processor: 2000 is two processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Millicpus(pub u32);

/// What the whole process tree of a run may use at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Resident memory of all processes together, shared pages and tmpfs included.
    pub memory: Option<Bytes>,
    /// Swap on top of `memory`.
    pub swap: Option<Bytes>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
    /// Processor bandwidth.
    pub cpu: Option<Millicpus>,
    /// Wall-clock time from start to end.
    pub time: Option<Millis>,
    /// Open descriptors of one process (RLIMIT_NOFILE).
    pub open_files: Option<u32>,
    /// Size of one written file (RLIMIT_FSIZE).
    pub file_size: Option<Bytes>,
    /// Size of the private /tmp, /dev/shm and HOME together.
    pub tmp: Bytes,
    /// Bytes written to standard output and standard error together.
    pub output: Option<Bytes>,
    /// The line that says each of them, for those that somebody said.
    #[serde(default)]
    pub rules: BTreeMap<Field, RuleId>,
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match UNITS.iter().find(|(_, shift)| self.0 >= 1 << shift && self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms % 3_600_000 == 0 && ms > 0 => write!(f, "{} h", ms / 3_600_000),
            ms if ms % 60_000 == 0 && ms > 0 => write!(f, "{} min", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{} s", ms / 1000),
            ms => write!(f, "{ms} ms"),
        }
    }
}

impl fmt::Display for Millicpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processors", f64::from(self.0) / 1000.0)
    }
}
