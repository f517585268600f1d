//! What has to be said so that a path is readable, writable, or is so no more.
//!
//! The rules of precedence turned round: a deny has to go, a deeper path is named, a hidden place is lifted by name.

use ringfence_plan::{AbsPath, Access, Grant, Match, Origin, PathPattern, Plan, Rule, RuleId, Segment};

use super::{Said, Suggestion, text};
use crate::builtin::protect::{EXCEPT, NAMES};
use crate::explain::files::{above, covering, hidden_place};
use crate::explain::{cite, cited, is_built_in};
use crate::statement::access_of;

/// With this many writable trees, patterns are anchored at what the trees have in common.
const MANY_TREES: usize = 16;

pub(super) fn to_read(said: &Said<'_>, path: &AbsPath) -> Suggestion {
    grant(said, path, Access::Read)
}

pub(super) fn to_write(said: &Said<'_>, path: &AbsPath) -> Suggestion {
    let plan = said.plan;
    let protects = plan.files.protect.iter().map(|protect| (&protect.pattern, protect.rule));
    let protected = if plan.files.protection(path).is_some() { covering(protects, path) } else { Vec::new() };
    let by_the_base = |rule: &&RuleId| is_built_in(plan, **rule);
    if let Some(rule) = protected.iter().find(by_the_base).and_then(|rule| cite(plan, *rule)) {
        return Suggestion::never(protected_for_good(
            rule.reason.as_deref().unwrap_or("somebody runs it later"),
        ));
    }
    let mut suggestion = grant(said, path, Access::Write);
    for rule in protected.into_iter().filter(|_| suggestion.never.is_none()).collect::<Vec<_>>() {
        suggestion.remove(cite(plan, rule));
    }
    suggestion
}

fn protected_for_good(why: &str) -> String {
    format!("protected names hold in every writable tree ({why}); change it yourself, outside of the sandbox")
}

/// What grants `access` at `path`: denies out, and a line if the rest does not grant it already. What is in no plan, a deny
/// below one that goes, or a grant that repeats the one above it, shows when the question is asked again.
fn grant(said: &Said<'_>, path: &AbsPath, access: Access) -> Suggestion {
    if let Some(why) = impossible(path, access) {
        return Suggestion::never(why);
    }
    let Said { plan, void } = said;
    let mut suggestion = Suggestion::begin();
    let globs = plan.files.deny_globs.iter().map(|glob| (&glob.pattern, glob.rule));
    let (denies, grants): (Vec<&Grant>, Vec<&Grant>) =
        above(&plan.files, path).partition(|grant| grant.access == Access::Deny);
    for rule in denies.iter().map(|grant| grant.rule).chain(covering(globs, path)) {
        if !is_built_in(plan, rule) {
            suggestion.remove(cite(plan, rule));
        }
    }
    // What a deny made void counts again without it.
    let revived = void.iter().filter(|void| suggestion.removes(&void.by, &void.by_origin));
    let mut counting: Vec<(&AbsPath, Access)> = revived
        .filter(|void| path.is_within(&void.path))
        .filter_map(|void| Some((&void.path, access_of(void.text.split(" = ").next()?)?)))
        .chain(grants.iter().map(|grant| (&grant.path, grant.access)))
        .collect();
    counting.sort_by(|(left, one), (right, other)| left.cmp(right).then(other.cmp(one)));
    let effective = counting.last();
    let mut target = path.clone();
    let mut hidden = false;
    if let Some((place, what)) = hidden_place(path, &plan.files.home) {
        // With a grant above and no deny, somebody has lifted it already.
        let lifted = denies.is_empty() && effective.is_some();
        hidden = !lifted && !effective.is_some_and(|(granted, _)| granted.is_within(&place));
        // Under a grant the whole place is denied, and is lifted by its own name only.
        if hidden && effective.is_some() && place != *path {
            suggestion.notes.push(format!("this opens all of {place}: {}", what.why));
            target = place;
        }
    }
    if !hidden && effective.is_some_and(|(_, granted)| *granted >= access) {
        return suggestion;
    }
    add(said, suggestion, (path, &target), access)
}

/// `suggestion` with the line that grants `access` at `target`, for the sake of `path` at or below it.
fn add(
    said: &Said<'_>,
    mut suggestion: Suggestion,
    (path, target): (&AbsPath, &AbsPath),
    access: Access,
) -> Suggestion {
    let Said { plan, void } = said;
    let Some(words) = text::path(target, &plan.files.home) else {
        return Suggestion::never(
            "no grant can name a path with `*`, `?` or `[`, or one that is not UTF-8; the directory above can be granted",
        );
    };
    // Of two on one path the stricter counts, unless it is the base's or a preset's.
    for grant in plan.files.grants.iter().filter(|grant| grant.path == *target) {
        let rule = cite(plan, grant.rule).filter(|rule| grant.access < access && is_written(&rule.origin));
        if rule.is_some() {
            suggestion.remove(rule);
        }
    }
    let mut asked = false;
    for void in void.iter().filter(|void| void.path == *target) {
        let Some(granted) = access_of(void.text.split(" = ").next().unwrap_or("")) else { continue };
        // Either it is in the way as well, or it is the very line, and what stands in its way has to go.
        let (text, origin) = match granted < access {
            true => (&void.text, &void.origin),
            false => (&void.by, &void.by_origin),
        };
        asked |= granted >= access;
        if is_written(origin) {
            suggestion.remove(Some(cited(&Rule { text: text.clone(), origin: origin.clone() })));
        }
    }
    let key = match access {
        Access::Write => "filesystem.write",
        Access::Private => "filesystem.private",
        Access::Read | Access::Deny => "filesystem.read",
    };
    if access == Access::Write {
        match protected_anew(plan, path, target) {
            Some(Anew::ByTheBase(why)) => return Suggestion::never(protected_for_good(why)),
            Some(Anew::ByRule(rule)) => suggestion.remove(cite(plan, rule)),
            None => {}
        }
        suggestion
            .notes
            .push("what is granted has to exist; to create it, grant the directory it goes into".into());
    }
    if !asked {
        suggestion.add(key, &text::list(&words), &words);
    }
    suggestion
}

fn is_written(origin: &Origin) -> bool {
    matches!(origin, Origin::File { .. } | Origin::Flag(_))
}

/// What protects a path once it is granted for writing.
enum Anew {
    ByTheBase(&'static str),
    ByRule(RuleId),
}

/// Patterns of any depth hold in every writable tree, so also in one that `target` becomes; asked for `path` in it.
fn protected_anew(plan: &Plan, path: &AbsPath, target: &AbsPath) -> Option<Anew> {
    let writable = |grant: &&Grant| grant.access == Access::Write;
    if plan.files.grants.iter().filter(writable).any(|grant| target.is_within(&grant.path)) {
        // It lies in a tree that is writable already: what protects it there is known.
        return None;
    }
    let many = plan.files.grants.iter().filter(writable).count() >= MANY_TREES;
    let base = if many { AbsPath::root() } else { above_dotted(target) };
    let covers = |text: &str| {
        PathPattern::new(base.clone(), text, Match::Folded).is_ok_and(|pattern| pattern.covers(path))
    };
    if let Some((_, why)) = NAMES.iter().find(|(name, _)| covers(name))
        && !EXCEPT.iter().any(|name| covers(name))
    {
        return Some(Anew::ByTheBase(why));
    }
    let any_depth = |pattern: &PathPattern| pattern.segments.first() == Some(&Segment::AnyDepth);
    let moved = |pattern: &PathPattern| PathPattern { base: base.clone(), ..pattern.clone() };
    let protects = plan.files.protect.iter().filter(|protect| any_depth(&protect.pattern));
    let mut people = protects.filter(|protect| !is_built_in(plan, protect.rule));
    people.find(|protect| moved(&protect.pattern).covers(path)).map(|protect| Anew::ByRule(protect.rule))
}

/// The directory that names with a dot are looked for from.
fn above_dotted(tree: &AbsPath) -> AbsPath {
    let dotted = |path: &&std::path::Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let outermost = tree.as_path().ancestors().filter(dotted).last();
    outermost.and_then(|path| AbsPath::new(path.parent()?).ok()).unwrap_or_else(|| tree.clone())
}

/// What denies reading at `path`.
pub(super) fn to_refuse_reading(plan: &Plan, path: &AbsPath) -> Option<Suggestion> {
    // A workspace inside a denied path cannot be held.
    if plan.files.workspace.as_ref().is_some_and(|workspace| workspace.is_within(path)) {
        return None;
    }
    let words = text::pattern(path, &plan.files.home)?;
    let mut suggestion = Suggestion::begin();
    suggestion.add("filesystem.deny", &text::list(&words), &words);
    Some(suggestion)
}

/// What keeps `path` as it is.
pub(super) fn to_refuse_writing(plan: &Plan, path: &AbsPath) -> Option<Suggestion> {
    let tree = plan.files.grants.iter().any(|grant| grant.path == *path && grant.access == Access::Write);
    // A tree cannot be protected as a whole; as readable only it can be held.
    let (key, words) = match tree {
        true => ("filesystem.read", text::path(path, &plan.files.home)?),
        false => ("filesystem.protect", text::pattern(path, &plan.files.home)?),
    };
    let mut suggestion = Suggestion::begin();
    suggestion.add(key, &text::list(&words), &words);
    Some(suggestion)
}

/// Why no policy may grant `path`; the places that the composing refuses with an error.
fn impossible(path: &AbsPath, access: Access) -> Option<&'static str> {
    let text = path.as_path().to_str().unwrap_or("");
    match text {
        "/" if access != Access::Read => Some("it is the whole machine; name the directories that are meant"),
        "/proc" | "/sys" | "/dev" | "/dev/shm" | "/dev/pts" => Some("the sandbox has its own, or none"),
        _ if text.starts_with("/proc/") || text.starts_with("/sys/") => {
            Some("the sandbox has its own, or none")
        }
        "/tmp" => Some(
            "the sandbox has a /tmp of its own, which is writable; a directory below yours can be granted",
        ),
        _ => None,
    }
}
