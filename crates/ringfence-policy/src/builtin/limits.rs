//! Limits that hold when nobody says otherwise: enough for a large build, not enough to take the machine down.
//!
//! No limit of time, output, file size or processor by default: a build or a server is entitled to them.

/// Processes and threads at once. A parallel build or a browser test takes some hundreds; a fork bomb wants all.
pub(crate) const PROCESSES: u32 = 4096;
/// Why.
pub(crate) const PROCESSES_WHY: &str = "a fork bomb must not reach the machine";

/// Bytes of the private /tmp and HOME, which live in memory.
pub(crate) const TMP: u64 = 2 << 30;
/// Why.
pub(crate) const TMP_WHY: &str = "the private /tmp and HOME live in memory";

/// How much of the machine's memory a run may take, in quarters. A fixed number would be wrong on every machine.
pub(crate) const MEMORY_QUARTERS: u64 = 3;
/// Why.
pub(crate) const MEMORY_WHY: &str =
    "three quarters of this machine's memory, so that a runaway leaves the rest alive";
