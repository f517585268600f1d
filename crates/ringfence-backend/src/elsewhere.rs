//! The answers of systems that have no backend yet: no mechanism is known, so every plan is refused.
//! Not a fence of another kind: nothing here could start a command.

use crate::Backend;
use ringfence_plan::{CgroupHost, Host, Support};
use std::convert::Infallible;

/// No backend: the list is empty, so that a run is refused before anything is tried.
pub const ALL: &[&dyn Backend] = &[];

/// Nothing is launched on this system, so there is no way to say how.
#[derive(Debug)]
pub struct Command(Infallible);

/// Nothing is launched on this system, so nothing runs.
#[derive(Debug)]
pub struct Running(Infallible);

/// Nothing is launched on this system, so no launch fails.
#[derive(Debug, thiserror::Error)]
#[error("this system has no backend yet")]
pub struct LaunchError(Infallible);

/// A host that offers nothing that a plan could be held with.
pub fn probe() -> Host {
    Host {
        kernel: (0, 0),
        landlock: 0,
        user_namespaces: missing(),
        notification: missing(),
        cgroup: CgroupHost::None { why: "control groups are Linux's".into() },
        overlay: missing(),
        capture: ringfence_plan::Capture::None { why: "there is no backend for this system".into() },
        root: false,
        enclosure: None,
    }
}

/// The same: there is nothing to try.
pub fn probe_for(_: &ringfence_plan::Plan) -> Host {
    probe()
}

/// There is no sandbox of ours here.
pub fn is_enclosed() -> bool {
    false
}

/// Nothing is captured here.
pub fn probe_capture() -> ringfence_plan::Capture {
    probe().capture
}

/// The same.
pub fn probe_deeply() -> Host {
    probe()
}

fn missing() -> Support {
    Support::No {
        why: "ringfence has no backend for this system yet".into(),
        mend: "run it on Linux, or in a Linux virtual machine".into(),
    }
}
