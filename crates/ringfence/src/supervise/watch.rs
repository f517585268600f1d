//! Holds limits that no control group holds here, by measuring the process tree. A burst between two measurements goes
//! through; the verdict says so.

use std::time::{Duration, Instant};

use ringfence_backend::limits::{SAMPLE_MS, Watched};
use ringfence_plan::{Bytes, Limit};

use super::process_table::{ProcessTree, Usage};

/// Measures the tree below one process.
pub(super) struct Watch {
    limits: Watched,
    init: u32,
    tree: ProcessTree,
    peak: u64,
    next: Instant,
}

impl Watch {
    /// `None` if there is nothing to measure.
    pub(super) fn new(limits: Watched, init: u32) -> Option<Watch> {
        let next = Instant::now() + Duration::from_millis(10);
        (!limits.is_empty()).then(|| Watch { limits, init, tree: ProcessTree::default(), peak: 0, next })
    }

    /// When to call [`Watch::measure`].
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The most memory seen, if memory is measured.
    pub(super) fn peak_memory(&self) -> Option<Bytes> {
        self.limits.memory.map(|_| Bytes(self.peak))
    }

    /// Measures now, and says which limit is exceeded.
    pub(super) fn measure(&mut self, scratch_size: impl FnOnce() -> Option<u64>) -> Option<Limit> {
        let began = Instant::now();
        let Watched { memory, swap, processes, tmp } = self.limits;
        let reads_tree = memory.is_some() || swap.is_some() || processes.is_some();
        let usage = if reads_tree { self.tree.measure(self.init) } else { Usage::default() };
        // The closer to a limit, the sooner the next look.
        let mut nearest = 0.0_f64;
        let mut exceeded = None;
        if let Some(limit) = processes {
            nearest = f64::from(usage.tasks) / f64::from(limit.max(1));
            if usage.tasks > limit {
                exceeded = Some(Limit::Processes);
            }
        }
        if let Some(limit) = memory {
            let used = if usage.resident > limit { self.tree.proportional() } else { usage.resident };
            self.peak = self.peak.max(used);
            nearest = nearest.max(used as f64 / limit.max(1) as f64);
            if used > limit {
                exceeded = Some(Limit::Memory);
            }
        }
        if let Some(limit) = swap {
            let used = self.tree.swapped();
            nearest = nearest.max(used as f64 / limit.max(1) as f64);
            if used > limit {
                exceeded = Some(Limit::Memory);
            }
        }
        if let Some(limit) = tmp {
            let used = scratch_size().unwrap_or(0);
            nearest = nearest.max(used as f64 / limit.max(1) as f64);
            if used > limit {
                exceeded = Some(Limit::Tmp);
            }
        }
        self.next = Instant::now() + pause(nearest, began.elapsed());
        exceeded
    }
}

/// How long to wait when `share` of a limit is used and measuring took `cost`: measuring takes at most a twentieth of
/// one processor, unless the limit is near.
fn pause(share: f64, cost: Duration) -> Duration {
    let wanted = SAMPLE_MS as f64 * (1.0 - share).clamp(0.05, 1.0);
    Duration::from_secs_f64(wanted / 1000.0).max(cost * if share > 0.5 { 4 } else { 19 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_shrinks_near_the_limit_and_grows_with_the_cost() {
        let ms = Duration::from_millis;
        assert_eq!(pause(0.0, ms(0)), ms(SAMPLE_MS));
        assert_eq!(pause(2.0, ms(0)), ms(5));
        assert_eq!(pause(0.0, ms(100)), ms(1900));
        assert_eq!(pause(0.9, ms(100)), ms(400));
    }

    #[test]
    fn a_tree_beyond_its_limit_is_told() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id();
        let limits = |memory, processes| Watched { memory, processes, ..Watched::default() };
        let measure = |limits| Watch::new(limits, own).unwrap().measure(|| Some(7));
        assert_eq!(measure(limits(Some(1), None)), Some(Limit::Memory));
        assert_eq!(measure(limits(Some(1 << 40), Some(10_000))), None);
        assert_eq!(measure(limits(None, Some(0))), Some(Limit::Processes));
        assert_eq!(measure(Watched { tmp: Some(6), ..Watched::default() }), Some(Limit::Tmp));
        assert_eq!(measure(Watched { tmp: Some(7), ..Watched::default() }), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
