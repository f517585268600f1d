//! Namespaces and a root of its own, with Landlock and seccomp inside: the strongest that Linux gives without a virtual
//! machine.

mod capture;
mod lower;
mod verdicts;

use ringfence_enter::capture::Means;
use ringfence_enter::{Confinement, Fence, NetworkLayout, RootLayout};
use ringfence_plan::{Capture, Host, Network, NetworkMode, Plan, Support, Verdicts};

use crate::launch::{LaunchError, Running, launch};
use crate::{Backend, Command, HeldLimits, Lowered, Refusal};

pub(crate) struct Namespaces;

const NAME: &str = "namespaces";

impl Backend for Namespaces {
    fn name(&self) -> &'static str {
        NAME
    }

    fn lower(&self, plan: &Plan, host: &Host) -> Result<Box<dyn Lowered>, Refusal> {
        if let Support::No { why, mend } = &host.user_namespaces {
            return Err(Refusal { backend: NAME, why: why.clone(), mend: mend.clone() });
        }
        // Mounts are made by descriptors only, so that no path is looked up twice; mount_setattr(2) came last.
        if host.kernel < (5, 12) {
            let (major, minor) = host.kernel;
            let why = format!("the kernel is {major}.{minor}; mount_setattr(2) came with 5.12");
            return Err(Refusal {
                backend: NAME,
                why,
                mend: "use a newer kernel, or the process backend".into(),
            });
        }
        let (fence, limits) = lower::fence(plan, host);
        let verdicts = verdicts::verdicts(plan, host, &limits);
        Ok(Box::new(LoweredNamespaces { fence, limits, verdicts }))
    }
}

/// How its network is held here. Rules of which none lets anything through need no gateway where there cannot be one.
fn held_as(network: &Network, host: &Host) -> NetworkMode {
    match host.capture {
        Capture::None { .. } if network.is_closed() => NetworkMode::None,
        _ => network.held_as(),
    }
}

struct LoweredNamespaces {
    fence: Fence,
    limits: HeldLimits,
    verdicts: Verdicts,
}

impl LoweredNamespaces {
    fn layout(&self) -> Option<&RootLayout> {
        match &self.fence.confinement {
            Confinement::Namespaces(layout) => Some(layout),
            Confinement::Process => None,
        }
    }
}

impl Lowered for LoweredNamespaces {
    fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    fn limits(&self) -> &HeldLimits {
        &self.limits
    }

    fn is_captured(&self) -> bool {
        self.layout().is_some_and(|layout| matches!(layout.network, NetworkLayout::Captured(_)))
    }

    fn listened(&self) -> Option<&[u16]> {
        match &self.layout()?.network {
            NetworkLayout::Captured(Means::Listeners { tcp, .. }) => Some(tcp),
            NetworkLayout::Captured(Means::Tables(_)) | NetworkLayout::Own | NetworkLayout::Host => None,
        }
    }

    fn is_gated(&self) -> bool {
        self.is_captured() || self.layout().is_some_and(|layout| layout.inbound)
    }

    fn steps(&self) -> Vec<String> {
        lower::steps(&self.fence)
    }

    fn launch(self: Box<Self>, command: Command) -> Result<Running, LaunchError> {
        launch(&self.fence, command)
    }
}
