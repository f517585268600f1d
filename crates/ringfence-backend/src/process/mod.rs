//! Landlock and seccomp on a process tree, without namespaces: for hosts that refuse user namespaces. Lighter, and it
//! says what it cannot hold.

mod lower;
mod verdicts;

use ringfence_enter::Fence;
use ringfence_plan::{Host, Plan, Verdicts};

use crate::launch::{LaunchError, Running, launch};
use crate::scratch::Scratch;
use crate::{Backend, Command, HeldLimits, Lowered, Refusal};

pub(crate) struct Process;

const NAME: &str = "process";

impl Backend for Process {
    fn name(&self) -> &'static str {
        NAME
    }

    fn lower(&self, plan: &Plan, host: &Host) -> Result<Box<dyn Lowered>, Refusal> {
        if host.landlock == 0 {
            return Err(Refusal {
                backend: NAME,
                why: "this kernel has no Landlock, or it is not among the active security modules".into(),
                mend: "boot with lsm=landlock,… on kernel 5.13 or newer, or use the namespaces backend"
                    .into(),
            });
        }
        let (fence, limits) = lower::fence(plan, host);
        let verdicts = verdicts::verdicts(plan, host, &limits);
        Ok(Box::new(LoweredProcess { fence, limits, verdicts }))
    }
}

struct LoweredProcess {
    fence: Fence,
    limits: HeldLimits,
    verdicts: Verdicts,
}

impl Lowered for LoweredProcess {
    fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    fn limits(&self) -> &HeldLimits {
        &self.limits
    }

    fn is_captured(&self) -> bool {
        false
    }

    fn is_gated(&self) -> bool {
        false
    }

    fn steps(&self) -> Vec<String> {
        lower::steps(&self.fence)
    }

    fn launch(mut self: Box<Self>, mut command: Command) -> Result<Running, LaunchError> {
        let scratch =
            Scratch::new(&command.plan, command.temporary.as_deref()).map_err(LaunchError::Scratch)?;
        lower::use_scratch(&mut self.fence, &mut command, &scratch);
        let running = launch(&self.fence, command)?;
        Ok(Running { scratch: Some(scratch), ..running })
    }
}
