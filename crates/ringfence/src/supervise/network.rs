//! The network of one run as it is put together: what has to be there before the sandbox, and what only after it, so that none
//! of the processes is a copy of one that knew what it must not.
//!
//! Not what each of them does: that is in `gateway`, `inspector` and `parent`.

use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;

use ringfence_egress::budget::Ledger;
use ringfence_enter::{Roots, StandIn, capture};
use ringfence_plan::Plan;

use super::gateway::{Gateway, With};
use super::inspector::Inspector;
use super::secrets::Taken;
use super::{inspector, parent, proxy, published};
use crate::error::Error;
use crate::run::Job;

/// What is there before the sandbox.
pub(super) struct Network {
    captured: bool,
    landlock: u32,
    ledger: Ledger,
    /// Where the listeners come from inside; where nothing is to pass, there is no such channel.
    hand_over: Option<OwnedFd>,
    inspector: Option<Inspector>,
    placeholders: Vec<String>,
}

/// What the sandbox is to have of it.
pub(super) struct Inside {
    pub(super) gateway: Option<OwnedFd>,
    pub(super) roots: Option<Roots>,
    pub(super) stand_ins: Vec<StandIn>,
}

impl Network {
    /// Before the sandbox, which is a copy of this process: no value of a credential is left here. The command's variables
    /// are those that it is to have.
    pub(super) fn prepare(job: &mut Job<'_>) -> Result<(Network, Inside), Error> {
        let captured = job.lowered.is_captured();
        let is_gated = job.lowered.is_gated();
        let channel = is_gated.then(capture::channel).transpose();
        let (gateway, hand_over) = channel.map_err(Error::supervise("make the gateway's channel"))?.unzip();
        let Job { plan, caller_env, command, landlock, .. } = job;
        if let Some(asked) = &plan.network.parent {
            parent::keep_out(asked, caller_env, &mut command.env);
        }
        if captured {
            proxy::set_variables(&mut command.env, &plan.environment);
        }
        let ledger = Ledger::new(plan.network.budgets.clone()).map_err(Error::supervise("count budgets"))?;
        let introduced = if captured {
            let wraps = parent::is_by_tls(plan, caller_env) || plan.network.resolver.is_some();
            introduce(plan, caller_env, (*landlock, ledger.clone(), wraps), &mut command.env)?
        } else {
            Introductions::default()
        };
        let Introductions { inspector, placeholders, roots, stand_ins } = introduced;
        let network = Network { captured, landlock: *landlock, ledger, hand_over, inspector, placeholders };
        Ok((network, Inside { gateway, roots, stand_ins }))
    }

    /// Whether there will be a gateway.
    pub(super) fn is_gated(&self) -> bool {
        self.hand_over.is_some()
    }

    /// After the sandbox, which then has no descriptor of the gateway's and no secret of the proxy's, and beside its set-up.
    /// The gateway is not waited for.
    pub(super) fn serve(
        self,
        plan: &Plan,
        caller_env: &[(OsString, OsString)],
    ) -> Result<(Option<Gateway>, Option<Inspector>), Error> {
        let Network { captured, landlock, ledger, hand_over, inspector, placeholders } = self;
        let parent = if captured { parent::of(plan, caller_env)? } else { None };
        let to_inspector = inspector.as_ref().map(Inspector::connect).transpose();
        let to_inspector = to_inspector.map_err(Error::supervise("join gateway and inspector"))?;
        let with = With { ledger, parent, inspector: to_inspector, placeholders };
        let gateway = hand_over.map(|hand_over| Gateway::start(plan, with, landlock, hand_over));
        let gateway = gateway.transpose().map_err(Error::supervise("start the gateway"))?;
        if let Some(gateway) = &gateway {
            // Here, so that neither the sandbox nor the gateway's other channels keep a port open that the run has given up.
            let published = published::open(plan)?;
            gateway.publish(published).map_err(Error::supervise("give the gateway its ports"))?;
        }
        Ok((gateway, inspector))
    }
}

/// What an inspector brings with it.
#[derive(Default)]
struct Introductions {
    inspector: Option<Inspector>,
    placeholders: Vec<String>,
    roots: Option<Roots>,
    stand_ins: Vec<StandIn>,
}

/// Starts the inspector, if the plan asks for one, and gives the command what it is to know of it.
fn introduce(
    plan: &Plan,
    caller_env: &mut Vec<(OsString, OsString)>,
    (landlock, ledger, wraps): (u32, Ledger, bool),
    env: &mut Vec<CString>,
) -> Result<Introductions, Error> {
    let own_roots = inspector::own_roots(caller_env);
    let taken = Taken::of(&plan.network.credentials, caller_env);
    taken.keep_out(env);
    let start = inspector::Start { plan, landlock, ledger, taken, own_roots, wraps, env };
    let Some(introduced) = Inspector::start(start)? else { return Ok(Introductions::default()) };
    let inspector::Introduced { inspector, placeholders, roots } = introduced;
    let (variables, stand_ins) = inspector::shown(plan, &placeholders);
    for (name, text) in variables {
        let prefix = format!("{name}=");
        env.retain(|variable| !variable.as_bytes().starts_with(prefix.as_bytes()));
        env.extend(CString::new(prefix + &text));
    }
    Ok(Introductions { inspector: Some(inspector), placeholders, roots, stand_ins })
}
