//! Files: every path at which one of the plans changes its answer is asked of both.
//!
//! Between two such paths no answer changes, so these are enough.

use std::collections::HashSet;

use ringfence_plan::{AbsPath, Access, Files, Grant, PathPattern, RuleId};

use super::cover::{holds, takes_in};
use super::{Area, Sides, rule};

pub(super) fn compare(sides: &mut Sides<'_>) {
    // `home` is where the private one is, `workspace` stands among the grants.
    let Files { workspace: _, home: _, grants: _, deny_globs: _, protect: _, protect_except: _ } =
        &sides.after.files;
    grants(sides);
    deny_globs(sides);
    protect(sides);
    protect_except(sides);
}

type Decision = Option<(Access, RuleId)>;

fn grants(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.files, &sides.after.files);
    let mut paths: Vec<&AbsPath> =
        before.grants.iter().chain(&after.grants).map(|grant| &grant.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let (mut old, mut new) = (Walk::new(&before.grants), Walk::new(&after.grants));
    let mut above: Vec<(&AbsPath, [u8; 2])> = Vec::new();
    for path in paths {
        let (was, is) = (old.at(path), new.at(path));
        let levels = [level(was), level(is)];
        while above.last().is_some_and(|(above, _)| !path.is_within(above)) {
            above.pop();
        }
        // Told of the directory above already.
        let repeats = above.last().is_some_and(|(_, there)| *there == levels);
        above.push((path, levels));
        if levels[1] <= levels[0] || repeats || after.deny_globs.iter().any(|glob| glob.pattern.covers(path))
        {
            continue;
        }
        let rules =
            [was.and_then(|(_, at)| rule(sides.before, at)), is.and_then(|(_, at)| rule(sides.after, at))];
        sides.say(Area::Filesystem, path.to_string(), levels.map(word), rules);
    }
}

/// Denied and never granted are the same to the command.
fn level(decision: Decision) -> u8 {
    match decision {
        None | Some((Access::Deny, _)) => 0,
        Some((Access::Read, _)) => 1,
        Some((Access::Private, _)) => 2,
        Some((Access::Write, _)) => 3,
    }
}

fn word(level: u8) -> &'static str {
    match level {
        0 => "refused",
        1 => "readable",
        2 => "writable in a private copy",
        _ => "writable",
    }
}

/// Grants in the order of their paths, with those that the present path lies below.
struct Walk<'a> {
    rest: std::iter::Peekable<std::vec::IntoIter<&'a Grant>>,
    open: Vec<(&'a AbsPath, Access, RuleId)>,
}

impl<'a> Walk<'a> {
    fn new(grants: &'a [Grant]) -> Walk<'a> {
        let mut sorted: Vec<&Grant> = grants.iter().collect();
        sorted.sort_by(|left, right| left.path.cmp(&right.path));
        Walk { rest: sorted.into_iter().peekable(), open: Vec::new() }
    }

    /// What the grants say at `path`; asked in the order of paths.
    fn at(&mut self, path: &AbsPath) -> Decision {
        while let Some(grant) = self.rest.next_if(|grant| grant.path <= *path) {
            self.leave(&grant.path);
            let denied = self.open.last().filter(|(_, access, _)| *access == Access::Deny);
            let (access, rule) =
                denied.map_or((grant.access, grant.rule), |(_, access, rule)| (*access, *rule));
            self.open.push((&grant.path, access, rule));
        }
        self.leave(path);
        self.open.last().map(|(_, access, rule)| (*access, *rule))
    }

    fn leave(&mut self, path: &AbsPath) {
        while self.open.last().is_some_and(|(open, _, _)| !path.is_within(open)) {
            self.open.pop();
        }
    }
}

/// Denied patterns that are denied no more, where the new plan grants something.
fn deny_globs(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.files, &sides.after.files);
    let kept: HashSet<&PathPattern> = after.deny_globs.iter().map(|glob| &glob.pattern).collect();
    for glob in &before.deny_globs {
        let pattern = &glob.pattern;
        let still = || after.deny_globs.iter().any(|glob| takes_in(&glob.pattern, pattern));
        if !kept.contains(pattern) && !still() && grants_within(after, pattern, Access::Read) {
            let rules = [rule(sides.before, glob.rule), None];
            sides.say(Area::Filesystem, pattern.to_string(), ["denied", "not denied"], rules);
        }
    }
}

/// Names that are protected no more, where the new plan lets write.
fn protect(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.files, &sides.after.files);
    let kept: HashSet<&PathPattern> = after.protect.iter().map(|protect| &protect.pattern).collect();
    for protect in &before.protect {
        let pattern = &protect.pattern;
        let still = || after.protect.iter().any(|protect| holds(&protect.pattern, pattern));
        if !kept.contains(pattern) && !still() && grants_within(after, pattern, Access::Private) {
            let rules = [rule(sides.before, protect.rule), None];
            sides.say(Area::Filesystem, pattern.to_string(), ["protected", "not protected"], rules);
        }
    }
}

/// New exceptions to what is protected.
fn protect_except(sides: &mut Sides<'_>) {
    let (before, after) = (&sides.before.files, &sides.after.files);
    for except in &after.protect_except {
        let known = before.protect_except.contains(except)
            || before.protect_except.iter().any(|known| takes_in(known, except));
        // A pattern means nothing outside of its base.
        let may_meet = |base: &AbsPath| base.is_within(&except.base) || except.base.is_within(base);
        let of_use = before.protect.iter().any(|protect| may_meet(&protect.pattern.base));
        if !known && of_use && grants_within(after, except, Access::Private) {
            let words = ["protected like the rest", "an exception from protection"];
            sides.say(Area::Filesystem, except.to_string(), words, [None, None]);
        }
    }
}

/// Whether the plan grants `least` or more where `pattern` may mean something.
fn grants_within(files: &Files, pattern: &PathPattern, least: Access) -> bool {
    let denied = |path: &AbsPath| matches!(files.access(path), Some((Access::Deny, _)));
    let concerns = |grant: &&Grant| pattern.may_match_below(&grant.path) || pattern.covers(&grant.path);
    let granted = |grant: &&Grant| grant.access >= least;
    !denied(&pattern.base) && files.grants.iter().filter(granted).any(|grant| concerns(&grant))
}
