//! Namespaces and a root of its own, with Landlock and seccomp inside: the strongest that Linux gives without a virtual
//! machine.

mod capture;
mod lower;
mod verdicts;

use ringfence_enter::Fence;
use ringfence_plan::{Host, Plan, Support, Verdicts};

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

struct LoweredNamespaces {
    fence: Fence,
    limits: HeldLimits,
    verdicts: Verdicts,
}

impl Lowered for LoweredNamespaces {
    fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    fn limits(&self) -> &HeldLimits {
        &self.limits
    }

    fn steps(&self) -> Vec<String> {
        lower::steps(&self.fence)
    }

    fn launch(self: Box<Self>, command: Command) -> Result<Running, LaunchError> {
        launch(&self.fence, command)
    }
}
