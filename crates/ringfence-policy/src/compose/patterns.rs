//! Denied and protected names, as patterns with the base they are anchored at.
//!
//! Matching is the plan's business.

use std::path::PathBuf;

use ringfence_plan::{AbsPath, Access, BadPattern, Match, PathPattern, Segment, fold};

use super::claims::is_pattern;
use super::composer::Composer;
use super::fields::{Anchors, Fields, StatementId};
use crate::builtin::protect::{EXCEPT, IN_HOME, NAMES};
use crate::builtin::system::DIRECTORIES;
use crate::diagnostic::{Diagnostic, quoted};
use crate::field;
use crate::path_text::{self, BadText, Rooted};
use crate::settle::{Claim, Hide};
use crate::statement::Value;

/// With more trees than this, a pattern is anchored once, at what the trees have in common: a plan must not grow with
/// the product of rules and trees.
pub(super) const MOST_TREES: usize = 16;
/// At most this many grants are looked at for a word about protection.
const MOST_CHECKED: usize = 100;

impl Composer<'_> {
    /// `deny` with wildcards.
    pub(super) fn deny_patterns(&mut self) {
        let mut trees = None;
        for id in self.written_for("filesystem.deny") {
            if !is_pattern(Access::Deny, &self.statements[id as usize].words) {
                continue;
            }
            match self.rooted(id) {
                Err(bad) => self.problem(id, "names no place", &bad.label, bad.help),
                // `**/.env` speaks of every tree that people grant, and not of /usr: to search that takes longer than
                // most runs, and it holds no project's secrets.
                Ok(rooted) if is_any_depth(&rooted) => {
                    let rest = rooted.rest.into_owned();
                    for tree in trees.get_or_insert_with(|| self.granted_trees()).clone() {
                        self.deny_pattern(id, PathPattern::new(tree, &rest, Match::Exact));
                    }
                }
                Ok(rooted) => {
                    let (base, rest) = literal_start(&rooted);
                    match base {
                        Ok(base) => {
                            let real = self.real(&base);
                            let elsewhere = self.surroundings.elsewhere(&base);
                            for base in [base].into_iter().chain(real).chain(elsewhere.iter().cloned()) {
                                self.deny_pattern(id, PathPattern::new(base, rest, Match::Exact));
                            }
                        }
                        Err(bad) => self.problem(id, "names no place", &bad.label, bad.help),
                    }
                }
            }
        }
    }

    fn deny_pattern(&mut self, id: StatementId, pattern: Result<PathPattern, BadPattern>) {
        match pattern {
            Ok(pattern) => self.deny_globs.push((pattern, id)),
            Err(why) => self.bad_pattern(id, &why),
        }
    }

    /// `protect`: the base's names in every writable tree, the files that this policy stands in, and what people wrote.
    pub(super) fn protect_patterns(&mut self) {
        let trees = self.writable_trees();
        let bases = bounded(trees.iter().map(above_dotted).collect());
        let spec = field::known("filesystem.protect");
        let copies = self.copies();
        for (name, why) in NAMES {
            let id = self.built_in(spec, *name, Value::Path { optional: None }, why);
            let patterns = match trees.len() <= MOST_TREES {
                true => trees.iter().flat_map(|tree| in_tree(name, tree, &copies)).collect(),
                false => bases.iter().filter_map(|base| named(base, name)).collect::<Vec<_>>(),
            };
            self.protect.extend(patterns.into_iter().map(|pattern| (pattern, id)));
        }
        for base in &bases {
            self.protect_except.extend(EXCEPT.iter().filter_map(|name| named(base, name)));
        }
        self.protect_home(&trees);
        self.protect_own(&trees);
        self.warn_of_protected();
        self.protect_what_people_wrote(&trees, &bases);
    }

    /// `protect` of a ceiling, which has no base of its own.
    pub(super) fn protect_written_only(&mut self) {
        let trees = self.writable_trees();
        let bases = bounded(trees.iter().map(above_dotted).collect());
        self.protect_except = self.anchors.as_ref().map(|anchors| anchors.except.clone()).unwrap_or_default();
        self.protect_what_people_wrote(&trees, &bases);
    }

    fn protect_what_people_wrote(&mut self, trees: &[AbsPath], bases: &[AbsPath]) {
        let before = self.protect.len();
        for id in self.written_for("filesystem.protect") {
            self.protect_written(id, trees, bases);
        }
        // An exception of the base's yields to whoever protects that very name.
        let last = |pattern: &PathPattern| pattern.segments.last().cloned();
        let written: Vec<_> = self.protect[before..].iter().map(|(pattern, _)| last(pattern)).collect();
        self.protect_except.retain(|except| !written.contains(&last(except)));
    }

    fn protect_written(&mut self, id: StatementId, trees: &[AbsPath], bases: &[AbsPath]) {
        let rooted = match self.rooted(id) {
            Ok(rooted) => rooted,
            Err(bad) => return self.problem(id, "names no place", &bad.label, bad.help),
        };
        if is_any_depth(&rooted) {
            let rest = rooted.rest.into_owned();
            for base in bases {
                match PathPattern::new(base.clone(), &rest, Match::Folded) {
                    Ok(pattern) => self.protect.push((pattern, id)),
                    Err(why) => return self.bad_pattern(id, &why),
                }
            }
            return;
        }
        // A name without a start is one of the workspace, wherever the file stands that says so.
        let (_, directory) = self.words_and_directory(id);
        let own = rooted.relative && rooted.base.as_path() == directory;
        let base = self.workspace.clone().filter(|_| own).unwrap_or_else(|| rooted.base.clone());
        let rooted = Rooted { base, rest: rooted.rest.into_owned().into(), relative: rooted.relative };
        let (base, rest) = literal_start(&rooted);
        let base = match base {
            Ok(base) => base,
            Err(bad) => return self.problem(id, "names no place", &bad.label, bad.help),
        };
        let real = self.real(&base);
        let elsewhere = self.surroundings.elsewhere(&base);
        for base in [base].into_iter().chain(real).chain(elsewhere.iter().cloned()) {
            match anchored(&base, rest, trees) {
                Ok(pattern) => self.protect.push((pattern, id)),
                Err(BadPattern::Empty) => {
                    let help = "to hold a whole tree, put it into `read` instead of `write`";
                    let label = "it is the writable tree itself";
                    return self.problem(id, "cannot be protected", label, Some(help.into()));
                }
                Err(why) => return self.bad_pattern(id, &why),
            }
        }
    }

    /// Start-up files and the like, where a grant makes HOME or a part of it writable.
    fn protect_home(&mut self, trees: &[AbsPath]) {
        for (name, why) in IN_HOME {
            for path in self.homes().iter().filter_map(|home| home.join(name).ok()) {
                self.protect_path(&path, format!("~/{name}"), why, trees);
            }
        }
    }

    /// The files that this very policy stands in, whatever they are called.
    fn protect_own(&mut self, trees: &[AbsPath]) {
        let files =
            self.texts.iter().flat_map(|source| &source.files).filter_map(|file| AbsPath::new(file).ok());
        for path in files.chain(AbsPath::new("/etc/ringfence")).collect::<Vec<_>>() {
            self.protect_path(&path, path.to_string(), "the rules of this very run", trees);
        }
    }

    /// Protects `path` if it lies in a writable tree; one that is granted by its very name is left to its author.
    fn protect_path(&mut self, path: &AbsPath, words: String, why: &'static str, trees: &[AbsPath]) {
        if tree_of(path, trees).is_some()
            && let Ok(pattern) = anchored(path, "", trees)
        {
            let spec = field::known("filesystem.protect");
            let id = self.built_in(spec, words, Value::Path { optional: None }, why);
            self.protect.push((pattern, id));
        }
    }

    /// Tells of `write` entries that name what the base protects.
    fn warn_of_protected(&mut self) {
        let dotted = |path: &AbsPath| path.names().any(|name| name.as_encoded_bytes().starts_with(b"."));
        let mut checked = 0;
        for id in self.written_for("filesystem.write") {
            let Ok(path) = self.path_of(id) else { continue };
            if !dotted(&path) {
                continue;
            }
            checked += 1;
            if checked > MOST_CHECKED {
                return;
            }
            let Some((_, by)) = self.protect.iter().find(|(pattern, _)| pattern.covers(&path)) else {
                continue;
            };
            let name = quoted(&self.statements[*by as usize].words);
            let title =
                format!("`filesystem.write` {} has no effect", quoted(&self.statements[id as usize].words));
            let warning = self.point(Diagnostic::warning(title), id, "stays as it is");
            self.warnings.push(warning.help(format!("{name} is protected in every writable tree")));
        }
    }

    fn rooted(&self, id: StatementId) -> Result<Rooted<'static>, BadText> {
        let (words, directory) = self.words_and_directory(id);
        let Rooted { base, rest, relative } = path_text::root(words, directory, &self.names())?;
        Ok(Rooted { base, rest: rest.into_owned().into(), relative })
    }

    fn bad_pattern(&mut self, id: StatementId, why: &BadPattern) {
        self.problem(id, "is no pattern", &format!("it {why}"), None);
    }

    /// Directories with a dot, of which somebody grants a copy that goes with the run; of very many, the first.
    fn copies(&self) -> Vec<AbsPath> {
        let dotted = |path: &AbsPath| path.names().any(|name| name.as_encoded_bytes().starts_with(b"."));
        let copy =
            |claim: &&Claim| claim.access == Access::Private && claim.author.lifts() && dotted(&claim.path);
        self.grants.iter().filter(copy).take(MOST_CHECKED).map(|claim| claim.path.clone()).collect()
    }

    fn granted_trees(&self) -> Vec<AbsPath> {
        self.anchors.as_ref().map_or_else(|| granted_trees(&self.grants), |anchors| anchors.granted.clone())
    }

    fn writable_trees(&self) -> Vec<AbsPath> {
        self.anchors.as_ref().map_or_else(|| writable_trees(&self.grants), |anchors| anchors.writable.clone())
    }
}

impl Fields {
    /// Where a ceiling's patterns of any depth begin: at what these fields grant.
    pub(super) fn anchors(&self) -> Anchors {
        Anchors {
            workspace: self.workspace.clone(),
            granted: all_trees(&self.grants),
            writable: writable_trees(&self.grants),
            allow: self.allow_net.iter().map(|(endpoint, _)| endpoint.clone()).collect(),
            except: self.protect_except.clone(),
        }
    }
}

/// The trees that people grant: the workspace and what they wrote, without what lies in another of them, and without
/// the system's directories, which people like to name although they are there anyway.
fn granted_trees(grants: &[Claim]) -> Vec<AbsPath> {
    let system = |path: &AbsPath| DIRECTORIES.iter().any(|(tree, _)| path.as_path().starts_with(tree));
    let granted = |claim: &&Claim| match claim.access {
        Access::Deny => false,
        _ if claim.hide == Hide::Workspace => true,
        _ => claim.author.is_person() && !system(&claim.path),
    };
    bounded(outermost(grants.iter().filter(granted)))
}

/// The same with what presets and PATH grant: a ceiling's `**/name` speaks of whatever is granted, whoever did.
pub(super) fn all_trees(grants: &[Claim]) -> Vec<AbsPath> {
    let system = |path: &AbsPath| {
        DIRECTORIES.iter().any(|(tree, _)| path.as_path().starts_with(tree))
            || path.as_path().starts_with("/etc")
    };
    let granted = |claim: &&Claim| claim.access != Access::Deny && !system(&claim.path);
    bounded(outermost(grants.iter().filter(granted)))
}

pub(super) fn writable_trees(grants: &[Claim]) -> Vec<AbsPath> {
    outermost(grants.iter().filter(|claim| claim.access == Access::Write))
}

/// The paths of `claims`, which are sorted, that lie in no other of them.
fn outermost<'a>(claims: impl Iterator<Item = &'a Claim>) -> Vec<AbsPath> {
    let mut trees: Vec<AbsPath> = Vec::new();
    for claim in claims {
        if !trees.last().is_some_and(|last| claim.path.is_within(last)) {
            trees.push(claim.path.clone());
        }
    }
    trees
}

/// The one of `trees`, which are sorted and lie in no other, that holds `path`.
pub(super) fn tree_of<'a>(path: &AbsPath, trees: &'a [AbsPath]) -> Option<&'a AbsPath> {
    let after = trees.partition_point(|tree| tree <= path);
    trees[..after].last().filter(|tree| path.is_within(tree))
}

/// `trees`, or what they have in common if they are too many.
pub(super) fn bounded(mut trees: Vec<AbsPath>) -> Vec<AbsPath> {
    trees.sort();
    trees.dedup();
    if trees.len() <= MOST_TREES {
        return trees;
    }
    // Sorted, so the first and the last differ most.
    let (first, last) = (&trees[0], &trees[trees.len() - 1]);
    let mut common = first.clone();
    while !last.is_within(&common) {
        common = common.parent().unwrap_or_else(AbsPath::root);
    }
    vec![common]
}

/// The tree, or the directory above its first name with a dot: the base's names speak of `.git/hooks`, and must match
/// also where `.git` itself, or something in it, is what is granted.
pub(super) fn above_dotted(tree: &AbsPath) -> AbsPath {
    let dotted = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    match tree.names().position(dotted) {
        Some(at) => {
            AbsPath::root().join(tree.names().take(at).collect::<PathBuf>()).unwrap_or_else(|_| tree.clone())
        }
        None => tree.clone(),
    }
}

/// A name of the base's below `base`.
pub(super) fn named(base: &AbsPath, name: &str) -> Option<PathPattern> {
    PathPattern::new(base.clone(), name, Match::Folded).ok()
}

/// What a name of the base's protects in the writable `tree`, and nowhere beside it: HOME is private, and packages that
/// are unpacked in a copy may have any name. Where the tree has a dot in its path the name may begin above it, as
/// `.git/hooks` does for a tree called `.git`; where it ends there, as `.codex` does for `.codex/sessions`, it protects
/// all of the tree, unless that is a part of something that is granted as a copy under this very name.
pub(super) fn in_tree(name: &str, tree: &AbsPath, copies: &[AbsPath]) -> Vec<PathPattern> {
    let base = above_dotted(tree);
    let Some(pattern) = named(&base, name) else { return Vec::new() };
    if base == *tree {
        return vec![pattern];
    }
    if pattern.covers(tree) {
        let is_copied = copies.iter().any(|copy| tree.is_within(copy) && pattern.covers(copy));
        let names = tree.names().skip(base.depth());
        let segments = names.map(|name| Segment::Name(fold(&name.to_string_lossy()))).collect();
        return if is_copied { Vec::new() } else { vec![PathPattern { segments, ..pattern }] };
    }
    let mut patterns = Vec::new();
    for at in 1..pattern.segments.len() {
        let (above, below) = pattern.segments.split_at(at);
        let ends_above = PathPattern { segments: above.to_vec(), ..pattern.clone() }.matches(tree);
        if ends_above {
            // `**` goes on below the tree.
            let any_depth = above.last().filter(|last| **last == Segment::AnyDepth).into_iter();
            let segments = any_depth.chain(below).cloned().collect();
            patterns.push(PathPattern { base: tree.clone(), segments, matching: Match::Folded });
        }
    }
    patterns
}

/// Whether a pattern starts with `**` and leaves its start to us.
fn is_any_depth(rooted: &Rooted<'_>) -> bool {
    rooted.relative && rooted.rest.split('/').next() == Some("**")
}

/// The part without wildcards as a path, and the rest.
pub(crate) fn literal_start<'a>(rooted: &'a Rooted<'_>) -> (Result<AbsPath, BadText>, &'a str) {
    let rest = &*rooted.rest;
    let end = match rest.find(path_text::is_wildcard) {
        Some(at) => rest[..at].rfind('/').map_or(0, |slash| slash + 1),
        None => rest.len(),
    };
    let base =
        rooted.base.join(&rest[..end]).map_err(|why| BadText { label: format!("it {why}"), help: None });
    (base, &rest[end..])
}

/// `path`, followed by the pattern `rest`, seen from the writable tree that holds it: so that renaming any directory on
/// the way is seen as well.
pub(super) fn anchored(path: &AbsPath, rest: &str, trees: &[AbsPath]) -> Result<PathPattern, BadPattern> {
    let base = tree_of(path, trees).cloned().unwrap_or_else(AbsPath::root);
    let names = path.names().skip(base.depth());
    let mut segments: Vec<Segment> = names.map(|name| Segment::Name(fold(&name.to_string_lossy()))).collect();
    match PathPattern::new(base.clone(), rest, Match::Folded) {
        Ok(pattern) => segments.extend(pattern.segments),
        Err(BadPattern::Empty) => {}
        Err(why) => return Err(why),
    }
    if segments.is_empty() {
        return Err(BadPattern::Empty);
    }
    Ok(PathPattern { base, segments, matching: Match::Folded })
}
