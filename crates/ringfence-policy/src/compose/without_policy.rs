//! What composition gives to plans that are made without a policy: the floor's protected names, the real places behind
//! links, and the ceilings over them.
//!
//! Not such plans: whoever words one brings its claims.

use std::collections::BTreeMap;

use ringfence_plan::{AbsPath, Endpoint, PathPattern};

use super::composer;
use super::fields::Anchors;
use super::linked::counts;
use super::patterns::{above_dotted, all_trees, anchored, bounded, in_tree, named, tree_of, writable_trees};
use super::{Stage, StageKind};
use crate::builtin::protect::{EXCEPT, IN_HOME, NAMES};
use crate::compile;
use crate::diagnostic::Report;
use crate::discover::Link;
use crate::load::Sources;
use crate::settle::{Claim, Hide};

/// Names that stay as they are in trees that are writable.
pub(crate) struct Kept {
    /// Pattern, words and reason.
    pub(crate) protect: Vec<(PathPattern, String, &'static str)>,
    pub(crate) except: Vec<PathPattern>,
}

/// The floor's protection of what `grants`, which are settled, make writable; `own` are the files that say so.
pub(crate) fn kept(grants: &[Claim], homes: &[AbsPath], own: &[AbsPath]) -> Kept {
    let trees = writable_trees(grants);
    let bases = bounded(trees.iter().map(above_dotted).collect());
    let in_trees = NAMES.iter().flat_map(|(name, why)| {
        let patterns = match trees.len() <= super::patterns::MOST_TREES {
            true => trees.iter().flat_map(|tree| in_tree(name, tree, &[])).collect::<Vec<_>>(),
            false => bases.iter().filter_map(|base| named(base, name)).collect(),
        };
        patterns.into_iter().map(move |pattern| (pattern, (*name).to_owned(), *why))
    });
    let of_home = homes.iter().flat_map(|home| {
        IN_HOME.iter().filter_map(|(name, why)| Some((home.join(name).ok()?, format!("~/{name}"), *why)))
    });
    let rules = own.iter().map(|path| (path.clone(), path.to_string(), "the rules of this very run"));
    let places = of_home.chain(rules).filter_map(|(path, words, why)| {
        tree_of(&path, &trees)?;
        Some((anchored(&path, "", &trees).ok()?, words, why))
    });
    let except = bases.iter().flat_map(|base| EXCEPT.iter().filter_map(|name| named(base, name)));
    Kept { protect: in_trees.chain(places).collect(), except: except.collect() }
}

/// Claims for the real places of `claims` that lead through symlinks.
pub(crate) fn linked(claims: &[Claim], links: &BTreeMap<AbsPath, Link>, home: &AbsPath) -> Vec<Claim> {
    let names = claims.iter().filter(|claim| claim.access == ringfence_plan::Access::Write);
    let names: Vec<AbsPath> = names.map(|claim| claim.path.clone()).collect();
    let real: Vec<AbsPath> =
        names.iter().filter_map(|name| links.get(name)).map(|link| link.real.clone()).collect();
    let mut trees: Vec<AbsPath> = names.into_iter().chain(real).collect();
    trees.sort();
    trees.dedup_by(|next, before| next.is_within(before));
    let of_home = |path: &AbsPath, place: &AbsPath| {
        let below = path.as_path().strip_prefix(home);
        let real_home = links.get(home).map(|link| &link.real);
        below.is_ok() && real_home.is_some_and(|real| below.ok() == place.as_path().strip_prefix(real).ok())
    };
    let real = |claim: &Claim| {
        let link = links.get(&claim.path)?;
        let granted = claim.access == ringfence_plan::Access::Deny || counts(claim, link, &trees);
        let hide = if of_home(&claim.path, &link.real) { Hide::No } else { Hide::Linked };
        granted.then(|| Claim { path: link.real.clone(), hide, ..claim.clone() })
    };
    claims.iter().filter_map(real).collect()
}

/// The ceilings among `sources`, as plans over these grants.
///
/// # Errors
/// As for a policy's.
pub(crate) fn ceilings(
    sources: &Sources,
    grants: &[Claim],
    (allow, except): (Vec<Endpoint>, Vec<PathPattern>),
) -> Result<Vec<Stage>, Report> {
    let Sources { context, surroundings, texts, layers, .. } = sources;
    // The usual case, and the trees of all grants are looked for below.
    if layers.iter().all(|layer| layer.statements.is_empty()) {
        return Ok(Vec::new());
    }
    let anchors = Anchors {
        workspace: None,
        granted: all_trees(grants),
        writable: writable_trees(grants),
        allow,
        except,
    };
    let layers = layers.iter().filter(|layer| !layer.statements.is_empty());
    let stage = |layer: &crate::load::Layer| {
        let said = (layer.statements.clone(), anchors.clone());
        let fields = composer::ceiling(texts, context, surroundings, said)?;
        Ok(Stage { name: layer.name.clone(), kind: StageKind::Ceiling, plan: compile::plan(texts, &fields) })
    };
    layers.map(stage).collect()
}
