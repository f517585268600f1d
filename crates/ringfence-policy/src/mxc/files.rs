//! A request's paths as the plan's files. The most specific path decides; of two lists that name one path, the stricter.
//!
//! Our floor stays below it: the system's directories, hidden places, protected names. Whether a path exists is seen when it
//! is opened, and two names of one object get the stricter answer there.

use std::collections::BTreeMap;

use ringfence_plan::{AbsPath, Access, Files, Grant, Protect, RuleId};

use super::NoteKind;
use super::ask::{Ask, Remark, Said};
use super::problem::Problem;
use super::rules::Rules;
use crate::builtin::hidden::{HIDDEN, Hidden, OWN};
use crate::compose::{self, Kept};
use crate::context::{Context, Surroundings};
use crate::diagnostic::quoted;
use crate::discover::{self, Follower, Link};
use crate::settle::{Claim, Hide, settle};
use crate::source::Author;

/// What of /usr MXC shows; the rest of it, and all that lies elsewhere, a request has to name.
pub(super) const USR: [&str; 8] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/usr/share",
];

/// What every sandbox has in its own /dev.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// As many paths as a request may have; each is compared with each.
const MOST: usize = 10_000;

/// Where a request is read.
pub(super) struct Around<'a> {
    pub(super) context: &'a Context,
    pub(super) surroundings: &'a Surroundings,
    /// Files that say what this run may do.
    pub(super) own: Vec<AbsPath>,
}

/// A request's files, with the claims that they came from.
pub(super) struct Laid {
    pub(super) files: Files,
    pub(super) claims: Vec<Claim>,
}

/// What a request's paths come to.
pub(super) fn files(
    ask: &Ask,
    around: &Around<'_>,
    rules: &mut Rules<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Laid, Problem> {
    let lists = [&ask.write, &ask.read, &ask.deny];
    if let Some(said) = lists.into_iter().flatten().nth(MOST) {
        return Err(said.policy(format!("a request has at most {MOST} paths")));
    }
    let mut paths = Paths { rules, remarks, places: BTreeMap::new(), claims: Vec::new() };
    for (list, access) in [(&ask.write, Access::Write), (&ask.read, Access::Read), (&ask.deny, Access::Deny)]
    {
        list.iter().try_for_each(|said| paths.claim(said, access))?;
    }
    let home = &around.context.home;
    let links = links(&paths.claims, home);
    paths.links(&links, home)?;
    paths.other_names()?;
    #[cfg(target_os = "linux")]
    paths.other_places();
    let mut system = paths.system(around.surroundings);
    paths.reopen(&mut system)?;
    let homes: Vec<AbsPath> =
        [home.clone()].into_iter().chain(links.get(home).map(|link| link.real.clone())).collect();
    let hidden = paths.hidden(&homes);
    let Paths { rules, remarks, places, claims } = paths;
    let settled = settle(claims.into_iter().chain(system).chain(hidden).collect());
    tell_of_void(&settled.void, &places, remarks);
    let mut claims = settled.kept;
    claims.extend(settled.unseen.into_iter().filter(|place| discover::exists(place.path.as_path())));
    claims.sort_by(|left, right| left.path.compare(&right.path));
    let Kept { protect, except } = compose::kept(&claims, &homes, &around.own);
    tell_of_protected(&claims, &protect, &places, remarks);
    let protect = protect.into_iter().map(|(pattern, words, why)| Protect {
        pattern,
        rule: rules.built_in(format!("filesystem.protect = {words:?}"), why),
    });
    let grant = |claim: &Claim| Grant {
        path: claim.path.clone(),
        access: claim.access,
        optional: claim.optional,
        rule: RuleId(claim.statement),
    };
    let files = Files {
        workspace: None,
        home: home.clone(),
        grants: claims.iter().map(grant).collect(),
        deny_globs: Vec::new(),
        protect: protect.collect(),
        protect_except: except,
    };
    Ok(Laid { files, claims })
}

struct Paths<'a, 'b> {
    rules: &'a mut Rules<'b>,
    remarks: &'a mut Vec<Remark>,
    /// Where each rule of the request stands.
    places: BTreeMap<u32, Said<()>>,
    claims: Vec<Claim>,
}

impl Paths<'_, '_> {
    fn claim(&mut self, said: &Said<String>, access: Access) -> Result<(), Problem> {
        let path = path(said)?;
        if let Some(text) = own(&path, access) {
            let kind = if access == Access::Deny { NoteKind::Honoured } else { NoteKind::Narrowed };
            self.remarks.push(said.remark(kind, text));
            return Ok(());
        }
        // MXC takes it for a name and denies nothing; whoever wrote it means every name that it would match.
        if access == Access::Deny && said.value.contains(['*', '?']) && !discover::exists(path.as_path()) {
            return Err(said.policy(format!(
                "nothing is called {}, and there are no wildcards in a request: it would deny nothing; name each path",
                quoted(&path)
            )));
        }
        if path == AbsPath::root() && access == Access::Deny {
            return Err(said.policy("nothing could run: it denies the whole machine"));
        }
        let of_kernel = ["/proc", "/dev"].iter().any(|tree| path.as_path().starts_with(tree));
        if of_kernel && access == Access::Deny {
            return Err(said.policy(format!(
                "{} cannot be denied: the sandbox has a /proc of its own processes and a /dev without the machine's devices, \
                 and no program runs without them",
                quoted(&path)
            )));
        }
        if let Some((why, mend)) = compose::impossible(&path, access) {
            return Err(said.policy(format!("{} cannot be granted: {why}; {mend}", quoted(&path))));
        }
        let rule = self.rules.said(said, &said.value);
        self.places.insert(rule.0, Said { value: (), field: said.field.clone(), at: said.at });
        self.claims.push(Claim {
            path,
            access,
            // What is denied holds also where it appears later.
            optional: access == Access::Deny,
            author: Author::User,
            hide: Hide::No,
            statement: rule.0,
        });
        Ok(())
    }

    /// What is said of a name holds for the place that it leads to.
    fn links(&mut self, links: &BTreeMap<AbsPath, Link>, home: &AbsPath) -> Result<(), Problem> {
        self.tighten(links);
        let real = compose::linked(&self.claims, links, home);
        for claim in self.claims.iter().filter(|claim| claim.access != Access::Deny) {
            let Some(link) = links.get(&claim.path) else { continue };
            let counts = real.iter().any(|real| real.statement == claim.statement);
            if let Some(said) = self.places.get(&claim.statement).filter(|_| !counts) {
                let text = format!(
                    "it leads to {} by a symlink that a command may have put there, so that nothing is granted there",
                    quoted(&link.real)
                );
                self.remarks.push(said.remark(NoteKind::Narrowed, text));
            }
        }
        for claim in &real {
            if let (Some((why, _)), Some(said)) =
                (compose::impossible(&claim.path, claim.access), self.places.get(&claim.statement))
            {
                return Err(said
                    .policy(format!("it leads to {}, which cannot be granted: {why}", quoted(&claim.path))));
            }
        }
        self.claims.extend(real);
        Ok(())
    }

    /// A denied file that has another name could be read under that one in what is granted. Where the file itself lies in
    /// what is granted, this is seen again when it is covered.
    fn other_names(&self) -> Result<(), Problem> {
        if self.claims.iter().all(|claim| claim.access == Access::Deny) {
            return Ok(());
        }
        let denied = self.claims.iter().filter(|claim| claim.access == Access::Deny);
        for claim in denied.filter(|claim| discover::has_other_names(claim.path.as_path())) {
            if let Some(said) = self.places.get(&claim.statement) {
                let what = format!(
                    "{} has other names (hard links), under which it could be read; find them with `find -samefile`, and remove \
                     them",
                    quoted(&claim.path)
                );
                return Err(said.policy(what));
            }
        }
        Ok(())
    }

    /// What is denied is denied wherever else the machine shows it, by a bind mount say.
    #[cfg(target_os = "linux")]
    fn other_places(&mut self) {
        let denied = || self.claims.iter().filter(|claim| claim.access == Access::Deny);
        if denied().next().is_none() {
            return;
        }
        let mounts = discover::Mounts::look();
        let other = |claim: &Claim| {
            let places = mounts.elsewhere(&claim.path).into_iter();
            let claim = claim.clone();
            places.map(move |path| Claim { path, hide: Hide::Linked, ..claim.clone() })
        };
        let others: Vec<Claim> = denied().flat_map(other).collect();
        self.claims.extend(others);
    }

    /// Two names of one object get the stricter of what is said of them. What only the object itself tells (hard links,
    /// bind mounts) is seen when it is opened.
    fn tighten(&mut self, links: &BTreeMap<AbsPath, Link>) {
        let real = |path: &AbsPath| links.get(path).map_or_else(|| path.clone(), |link| link.real.clone());
        let mut strictest: BTreeMap<AbsPath, (Access, u32)> = BTreeMap::new();
        for claim in &self.claims {
            let own = (claim.access, claim.statement);
            let before = strictest.entry(real(&claim.path)).or_insert(own);
            *before = own.min(*before);
        }
        for claim in &mut self.claims {
            (claim.access, claim.statement) = strictest[&real(&claim.path)];
            claim.optional |= claim.access == Access::Deny;
        }
    }

    /// A denied directory with something granted in it. Where nothing else shows that directory, not to grant it is to
    /// deny it, and what is named in it can be shown.
    fn reopen(&mut self, system: &mut Vec<Claim>) -> Result<(), Problem> {
        let granted: Vec<(AbsPath, u32)> = (self.claims.iter())
            .filter(|claim| claim.access != Access::Deny)
            .map(|claim| (claim.path.clone(), claim.statement))
            .collect();
        let below = |inner: &AbsPath, outer: &AbsPath| inner != outer && inner.is_within(outer);
        let denied = self.claims.iter().filter(|claim| claim.access == Access::Deny);
        let mut dropped = Vec::new();
        for deny in denied {
            let Some((path, by)) = granted.iter().find(|(path, _)| below(path, &deny.path)) else { continue };
            let shown = granted.iter().map(|(path, _)| path).chain(system.iter().map(|claim| &claim.path));
            if let Some(outer) = shown.into_iter().find(|outer| below(&deny.path, outer)) {
                let what = format!(
                    "{} lies in {}, which is denied and lies in {}, which is not: a part of a denied part cannot be shown; \
                     grant what of {} is meant, one by one",
                    quoted(path),
                    quoted(&deny.path),
                    quoted(outer),
                    quoted(outer)
                );
                return Err(self
                    .places
                    .get(by)
                    .map_or_else(|| Problem::policy("", 0, what.clone()), |said| said.policy(what.clone())));
            }
            dropped.push((deny.path.clone(), deny.statement));
        }
        for (path, rule) in dropped {
            if let Some(said) = self.places.get(&rule) {
                let text = "it is not there, but for what is granted in it";
                self.remarks.push(said.remark(NoteKind::Honoured, text));
            }
            // At the denied path itself the deny was the stricter.
            self.claims.retain(|claim| claim.path != path);
            system.retain(|claim| !claim.path.is_within(&path));
        }
        Ok(())
    }

    /// The system's directories as MXC shows them, and of /etc what programs need and holds no secret.
    fn system(&mut self, surroundings: &Surroundings) -> Vec<Claim> {
        let found = surroundings.system.iter().flat_map(|found| match found.path.as_path() == "/usr" {
            true => USR
                .iter()
                .filter_map(|path| Some((AbsPath::new(path).ok()?, found.access, found.why)))
                .collect(),
            false => vec![(found.path.clone(), found.access, found.why)],
        });
        let claim = |(path, access, why): (AbsPath, Access, &str)| {
            let rule = self.rules.built_in(format!("filesystem.read = {:?}", path.to_string()), why);
            let (author, hide) = (Author::BuiltIn, Hide::No);
            Claim { path, access, optional: true, author, hide, statement: rule.0 }
        };
        found.map(claim).collect()
    }

    /// What stays hidden below a grant unless a request names it itself; only where it grants anything.
    fn hidden(&mut self, homes: &[AbsPath]) -> Vec<Claim> {
        if self.claims.iter().all(|claim| claim.access == Access::Deny) {
            return Vec::new();
        }
        let places = HIDDEN.iter().map(|place| (place, Hide::Liftable));
        let places = places.chain(OWN.iter().map(|place| (place, Hide::Always)));
        let mut found = Vec::new();
        for (Hidden { path, why }, hide) in places {
            let (words, paths) = match path.starts_with('/') {
                true => ((*path).to_owned(), vec![AbsPath::new(path).ok()]),
                false => (format!("~/{path}"), homes.iter().map(|home| home.join(path).ok()).collect()),
            };
            let rule = self.rules.built_in(format!("filesystem.deny = {words:?}"), why);
            let claim = |path| Claim {
                path,
                access: Access::Deny,
                optional: true,
                author: Author::BuiltIn,
                hide,
                statement: rule.0,
            };
            found.extend(paths.into_iter().flatten().map(claim));
        }
        found
    }
}

/// The path that a member means.
fn path(said: &Said<String>) -> Result<AbsPath, Problem> {
    let text = said.value.as_str();
    if text.trim().is_empty() {
        return Err(said.policy("a path cannot be blank"));
    }
    if text.contains('"') {
        return Err(said.policy("a path cannot contain a quotation mark"));
    }
    let mend = if text.starts_with('~') { "; ~ is not expanded here, write HOME out" } else { "" };
    AbsPath::new(text).map_err(|why| said.policy(format!("the path {} {why}{mend}", quoted(text))))
}

/// What the sandbox has of its own at a path, if a request cannot have the machine's there.
fn own(path: &AbsPath, access: Access) -> Option<&'static str> {
    match (path.as_path().to_str()?, access) {
        ("/tmp", Access::Deny) => Some("the machine's /tmp is not there; the sandbox has one of its own"),
        ("/tmp", _) => Some(
            "the sandbox has a /tmp of its own, which is writable; to share files, name a directory in it",
        ),
        ("/proc", Access::Read | Access::Write) => Some("the sandbox has a /proc of its own processes"),
        ("/dev", Access::Read | Access::Write) => {
            Some("the sandbox has a /dev of its own, without the machine's devices")
        }
        (device, Access::Read | Access::Write) if DEVICES.contains(&device) => {
            Some("the sandbox has one of its own, which is writable")
        }
        _ => None,
    }
}

fn links(claims: &[Claim], home: &AbsPath) -> BTreeMap<AbsPath, Link> {
    let mut follower = Follower::default();
    let paths = claims.iter().map(|claim| &claim.path).chain([home]);
    paths.filter_map(|path| Some((path.clone(), follower.follow(path)?))).collect()
}

/// Grants that come to nothing: MXC's user would have had them.
fn tell_of_void(void: &[(Claim, Claim)], places: &BTreeMap<u32, Said<()>>, remarks: &mut Vec<Remark>) {
    for (lost, by) in void {
        let Some(said) = places.get(&lost.statement).filter(|_| by.author == Author::BuiltIn) else {
            continue;
        };
        let text = match by.hide {
            Hide::Liftable => format!("{} is hidden; to show it, name that path itself", quoted(&by.path)),
            _ => format!("{} is hidden, and no request can show it", quoted(&by.path)),
        };
        remarks.push(said.remark(NoteKind::Narrowed, text));
    }
}

/// Writable trees in which names are kept, and those that are such names.
fn tell_of_protected(
    claims: &[Claim],
    protect: &[(ringfence_plan::PathPattern, String, &'static str)],
    places: &BTreeMap<u32, Said<()>>,
    remarks: &mut Vec<Remark>,
) {
    for claim in claims.iter().filter(|claim| claim.access == Access::Write) {
        let Some(said) = places.get(&claim.statement) else { continue };
        let text = match protect.iter().find(|(pattern, _, _)| pattern.covers(&claim.path)) {
            Some((_, words, why)) => {
                format!("it is not writable: {words} stays as it is in every writable tree; {why}")
            }
            None => "names in it that others run or believe later (.git/hooks, .vscode, …) stay as they are"
                .to_owned(),
        };
        remarks.push(said.remark(NoteKind::Narrowed, text));
    }
}
