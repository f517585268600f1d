//! Grants that open more than anybody is likely to mean.
//!
//! A judgement, not a rule: whoever means it may leave it so.

use ringfence_plan::{AbsPath, Access, Endpoint, HostPattern, NetworkMode};

use super::Checker;
use crate::builtin::hidden::{HIDDEN, Hidden};
use crate::settle::Claim;
use crate::statement::Value;

impl Checker<'_> {
    pub(super) fn broad(&mut self) {
        for claim in self.fields.grants.iter().filter(|claim| claim.access != Access::Deny) {
            if let Some((label, help)) = broad_path(claim, &self.fields.home)
                && self.statement(claim.statement).why.is_none()
            {
                self.warn(claim.statement, "is broad", &label, help);
            }
        }
        for (name, id) in &self.fields.pass {
            if name == "*" {
                let help = "name the variables that the command needs; `LC_*` names several".into();
                let label =
                    "every variable passes but those that look like credentials or tell programs what to run";
                self.warn(*id, "is broad", label, help);
            }
        }
        if let Some((Value::Network(NetworkMode::Host), id)) = self.fields.single("network.mode") {
            let help = "mode = \"rules\" with the hosts in `allow` lets what the command needs".into();
            self.warn(id, "is broad", "everything that this machine reaches, its own services too", help);
        }
        for (endpoint, id) in &self.fields.allow_net {
            if let Some(label) = broad_endpoint(endpoint) {
                self.warn(*id, "is broad", label, "name the hosts that the command needs".into());
            }
        }
    }
}

/// Why a granted path is broad, and what would be less.
fn broad_path(claim: &Claim, home: &AbsPath) -> Option<(String, String)> {
    let Claim { path, access, .. } = claim;
    if *path == AbsPath::root() {
        let help = "name the directories that are meant; the system's own are readable anyway";
        return Some(("the whole machine, but for what is hidden".into(), help.into()));
    }
    if home.is_within(path) {
        let label = format!("the whole home directory, {} but for what is hidden", verb(*access));
        return Some((label, "name the directories below it that are meant".into()));
    }
    if let Some((place, hidden)) = place(home, |place| path.is_within(place)) {
        let label = format!("{place} is hidden otherwise: {}", hidden.why);
        return Some((
            label,
            "leave it out unless the command needs it; with a reason beside it (`why`) this is not told"
                .into(),
        ));
    }
    let holds = |place: &AbsPath| *access == Access::Write && place.is_within(path);
    let (place, hidden) = place(home, holds)?;
    let help = format!("{place} itself stays denied ({}); name the directories beside it", hidden.why);
    Some(("writable with places that hold credentials in it".into(), help))
}

fn verb(access: Access) -> &'static str {
    match access {
        Access::Write => "writable",
        Access::Private => "as a copy,",
        Access::Read | Access::Deny => "readable",
    }
}

/// The first hidden place of which `test` is true.
fn place(home: &AbsPath, test: impl Fn(&AbsPath) -> bool) -> Option<(AbsPath, &'static Hidden)> {
    let path = |hidden: &Hidden| home.join(hidden.path).ok();
    HIDDEN.iter().filter_map(|hidden| Some((path(hidden)?, hidden))).find(|(place, _)| test(place))
}

fn broad_endpoint(endpoint: &Endpoint) -> Option<&'static str> {
    match &endpoint.host {
        HostPattern::Block { prefix: 0, .. } => Some("every address"),
        HostPattern::Below(name) if !name.as_str().contains('.') => Some("every host of a top-level domain"),
        HostPattern::Block { .. } | HostPattern::Below(_) | HostPattern::Name(_) => None,
    }
}
