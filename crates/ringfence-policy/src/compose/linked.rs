//! Claims for the places that written paths really lead to, beside those for their names: what is said of a name holds
//! for its place, and what holds there by name (hidden places, protection, ceilings) holds for whoever comes by a link.
//!
//! Where a path leads was looked up in `load`.

use ringfence_plan::{AbsPath, Access};

use super::composer::Composer;
use crate::discover::Link;
use crate::settle::{Claim, Hide};

impl Composer<'_> {
    /// Claims the real place of every claim so far.
    pub(super) fn linked_claims(&mut self) {
        if self.surroundings.links.is_empty() {
            return;
        }
        let trees = self.trees_of_commands();
        let (mut linked, mut impossible) = (Vec::new(), Vec::new());
        for claim in &self.claims {
            let Some(link) = self.surroundings.link(&claim.path) else { continue };
            let asked = self.anchors.is_none() && claim.statement < self.written;
            if let Some(why) = super::claims::impossible(&link.real, claim.access).filter(|_| asked) {
                impossible.push((claim.statement, link.real.clone(), why));
            } else if claim.access == Access::Deny || counts(claim, link, &trees) {
                let hide = if self.is_by_home(&claim.path, &link.real) { Hide::No } else { Hide::Linked };
                linked.push(Claim { path: link.real.clone(), hide, ..claim.clone() });
            }
        }
        self.claims.extend(linked);
        for (statement, real, (label, help)) in impossible {
            let what = format!("leads to {real}, which cannot be granted");
            self.problem(statement, &what, label, Some(help.into()));
        }
    }

    /// Claims every other place that shows what is denied, and in writable trees what is only readable.
    pub(super) fn elsewhere_claims(&mut self) {
        let of = |access| self.claims.iter().filter(move |claim| claim.access == access);
        let is_writable = |place: &AbsPath| of(Access::Write).any(|tree| place.is_within(&tree.path));
        let shown = |claim: &Claim| {
            let places = self.surroundings.elsewhere(&claim.path).iter();
            let places = places.filter(|place| claim.access == Access::Deny || is_writable(place)).cloned();
            // A place that this user cannot get at shows him nothing.
            let claim = Claim { hide: Hide::Linked, optional: true, ..claim.clone() };
            places.map(move |path| Claim { path, ..claim.clone() }).collect::<Vec<_>>()
        };
        let shown: Vec<Claim> = of(Access::Deny).chain(of(Access::Read)).flat_map(shown).collect();
        self.claims.extend(shown);
    }

    /// HOME, and where it really is if that is elsewhere.
    pub(super) fn homes(&self) -> Vec<AbsPath> {
        let home = &self.context.home;
        let real = self.surroundings.link(home).map(|link| link.real.clone());
        [home.clone()].into_iter().chain(real).collect()
    }

    /// Where `path` leads, if that is elsewhere.
    pub(super) fn real(&self, path: &AbsPath) -> Option<AbsPath> {
        self.surroundings.link(path).map(|link| link.real.clone())
    }

    /// Whether HOME is all that makes the two differ: then the real place is named as exactly as the other.
    fn is_by_home(&self, path: &AbsPath, real: &AbsPath) -> bool {
        let home = &self.context.home;
        let Some(Link { real: real_home, .. }) = self.surroundings.link(home) else { return false };
        let below = path.as_path().strip_prefix(home);
        below.is_ok() && below.ok() == real.as_path().strip_prefix(real_home).ok()
    }

    /// Trees in which commands of earlier runs may have put links, by name and by place.
    fn trees_of_commands(&self) -> Vec<AbsPath> {
        let anchors = self.anchors.iter().flat_map(|anchors| anchors.writable.iter().cloned());
        let writable = self.claims.iter().filter(|claim| claim.access == Access::Write);
        let names: Vec<AbsPath> = writable.map(|claim| claim.path.clone()).chain(anchors).collect();
        let real: Vec<AbsPath> = names.iter().filter_map(|name| self.real(name)).collect();
        let mut all: Vec<AbsPath> = names.into_iter().chain(real).collect();
        all.sort();
        all.dedup_by(|next, before| next.is_within(before));
        all
    }
}

/// Whether the place behind `link` is granted for it. Not where a command may have put that link: it would choose what
/// it gets. But what lies in a writable tree anyway becomes no wider by being called readable only.
pub(super) fn counts(claim: &Claim, link: &Link, trees: &[AbsPath]) -> bool {
    let holds = |path: &AbsPath, itself: bool| {
        let after = trees.partition_point(|tree| tree <= path);
        trees[..after].last().is_some_and(|tree| path.is_within(tree) && (itself || path != tree))
    };
    let planted = holds(&claim.path, false) || link.through.iter().any(|link| holds(link, false));
    !planted || (claim.access == Access::Read && holds(&link.real, true))
}
