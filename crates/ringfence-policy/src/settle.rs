//! Precedence: of all claims on paths, which count. Pure, and one pass over the sorted claims.
//!
//! Not what a claim means to the operating system.

use std::cmp::Ordering;

use ringfence_plan::{AbsPath, Access};

use crate::source::Author;

/// One claim on a path.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) path: AbsPath,
    pub(crate) access: Access,
    pub(crate) optional: bool,
    pub(crate) author: Author,
    pub(crate) hide: Hide,
    /// Index of the statement.
    pub(crate) statement: u32,
}

impl Claim {
    /// Whether it may lift a hidden place.
    fn lifts(&self) -> bool {
        self.author.lifts() && self.hide != Hide::Linked
    }
}

/// What kind of claim it is, where authors matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hide {
    /// An ordinary claim.
    No,
    /// A hidden place of the base: yields to whoever names it exactly.
    Liftable,
    /// A hidden place that nobody can grant.
    Always,
    /// A place that a symlink leads to: named by nobody exactly, so it lifts nothing.
    Linked,
    /// The workspace: kept even inside a larger grant, since the plan names it.
    Workspace,
}

/// The outcome.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What counts, sorted by path, one a path.
    pub(crate) kept: Vec<Claim>,
    /// Claims of people that have no effect, each with the claim that voids it.
    pub(crate) void: Vec<(Claim, Claim)>,
    /// Hidden places that lie under no grant, and that no grant lies below.
    pub(crate) unseen: Vec<Claim>,
}

/// Settles `claims`:
///
/// 1. At one path a deny counts; else people's claims replace those of base and presets, but for hidden places (see
///    [`Hide`]). Among people's the strictest counts, among the others the widest.
/// 2. Below a denied path nothing counts.
/// 3. What repeats the access of the nearest claim above it is dropped, as is a hidden place under no grant.
pub(crate) fn settle(mut claims: Vec<Claim>) -> Settled {
    claims.sort_by(|left, right| by_names(&left.path, &right.path));
    let mut settled = Settled::default();
    let mut above: Vec<Open> = Vec::new();
    let mut rest = claims.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut group = vec![first];
        while let Some(next) = rest.next_if(|next| by_names(&next.path, &group[0].path).is_eq()) {
            group.push(next);
        }
        let claim = strictest(group, &mut settled.void);
        while above.last().is_some_and(|open| !claim.path.is_within(&open.claim.path)) {
            above.pop();
        }
        place(claim, &mut above, &mut settled);
    }
    let Settled { kept, unseen, .. } = &mut settled;
    unseen.retain(|hidden| {
        let next = kept.partition_point(|claim| by_names(&claim.path, &hidden.path).is_lt());
        !kept.get(next).is_some_and(|claim| claim.path.is_within(&hidden.path))
    });
    settled
}

/// The order of paths name by name, which puts a directory before what lies in it and that before its neighbours. The
/// same as the paths' own order, but on bytes: ten thousand rules take a tenth of the time.
fn by_names(left: &AbsPath, right: &AbsPath) -> Ordering {
    let (left, right) =
        (left.as_path().as_os_str().as_encoded_bytes(), right.as_path().as_os_str().as_encoded_bytes());
    let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    // A slash ends a name, so it comes before every byte that a name can have.
    let rank = |path: &[u8]| path.get(same).map(|byte| if *byte == b'/' { 0 } else { *byte });
    rank(left).cmp(&rank(right))
}

/// A claim that the next ones may lie below.
#[derive(Clone)]
struct Open {
    claim: Claim,
    /// Whether it is in the outcome; a hidden place under no grant is not, and voids the base's claims all the same.
    kept: bool,
}

fn place(claim: Claim, above: &mut Vec<Open>, settled: &mut Settled) {
    let deny = above
        .iter()
        .rev()
        .find(|open| open.claim.access == Access::Deny && (open.kept || denies_unseen(open, &claim)));
    if let Some(deny) = deny {
        if claim.author.is_person() && claim.access != Access::Deny {
            settled.void.push((claim, deny.claim.clone()));
        }
        return;
    }
    let nearest = above.iter().rev().find(|open| open.kept).map(|open| open.claim.access);
    let hidden = matches!(claim.hide, Hide::Liftable | Hide::Always);
    if hidden && nearest.is_none() {
        settled.unseen.push(claim.clone());
        above.push(Open { claim, kept: false });
    } else if nearest != Some(claim.access) || claim.hide == Hide::Workspace {
        // A deny by name is kept under no grant too: its path may be another spelling of one that is granted.
        settled.kept.push(claim.clone());
        above.push(Open { claim, kept: true });
    }
}

/// Whether a hidden place that is not in the outcome voids `claim` below it.
fn denies_unseen(hidden: &Open, claim: &Claim) -> bool {
    match hidden.claim.hide {
        // A deny below it is still needed: a person's grant may lie between the two.
        _ if claim.access == Access::Deny => false,
        Hide::Always => true,
        Hide::Liftable => !claim.lifts(),
        Hide::No | Hide::Linked | Hide::Workspace => false,
    }
}

/// Of several claims on one path the one that counts; the others go to `void` if a person made them.
fn strictest(mut group: Vec<Claim>, void: &mut Vec<(Claim, Claim)>) -> Claim {
    if group.len() == 1 {
        return group.remove(0);
    }
    let lifts = |claim: &Claim| claim.lifts() && claim.access != Access::Deny;
    let user_lifts = group.iter().any(lifts);
    let weight = |claim: &Claim| {
        let person = claim.author.is_person();
        let rank = match claim.hide {
            // A deny that somebody wrote holds for everybody; a hidden place does not.
            Hide::No | Hide::Linked if claim.access == Access::Deny => 0,
            Hide::Always => 1,
            Hide::Liftable if !user_lifts => 2,
            _ if person => 3,
            _ => 4,
        };
        // What this program grants adds up: two presets that share a cache must not take it from each other.
        let access =
            if person || claim.access == Access::Deny { claim.access as i8 } else { -(claim.access as i8) };
        (rank, access, claim.hide != Hide::Workspace, claim.optional, claim.statement)
    };
    let best = (0..group.len()).min_by_key(|&at| weight(&group[at])).unwrap_or(0);
    let mut winner = group.swap_remove(best);
    if winner.author.lifts() {
        // Who may lift a hidden place lifts it also where somebody else asks for less at the same path.
        winner.author = group.iter().map(|claim| claim.author).fold(winner.author, Author::max);
    }
    if winner.hide == Hide::Linked && user_lifts {
        winner.hide = Hide::No;
    }
    if winner.access == Access::Write && group.iter().any(|claim| claim.hide == Hide::Workspace) {
        winner.hide = Hide::Workspace;
    }
    for loser in group {
        if loser.author.is_person() && loser.access != winner.access {
            void.push((loser, winner.clone()));
        }
    }
    winner
}

#[cfg(test)]
mod tests;
