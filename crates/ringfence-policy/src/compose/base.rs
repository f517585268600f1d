//! The base's own statements: what is there without any file.
//!
//! The data is in `builtin`.

use ringfence_plan::{AbsPath, Access, Bytes, Level, NetworkMode};

use super::composer::Composer;
use crate::builtin::hidden::{HIDDEN, Hidden, OWN};
use crate::builtin::limits;
use crate::context::Surroundings;
use crate::discover::Found;
use crate::field::{self, FieldSpec};
use crate::settle::{Claim, Hide};
use crate::source::Author;
use crate::statement::Value;

/// Fields that grant something of the network, each with why the rules count where nobody says a mode.
const OPENING: &[(&str, &str)] = &[
    ("network.allow", "the network is what `allow` names"),
    ("network.http", "the network is what `http` names"),
    ("network.publish", "a port leads inside"),
    ("network.listen", "a port leads inside"),
    ("network.host", "a port of the host is named"),
];

impl Composer<'_> {
    /// The single values that hold when nobody says otherwise.
    pub(super) fn base_singles(&mut self) {
        let safe = "the safe choice";
        match OPENING.iter().find(|(key, _)| !self.written_for(key).is_empty()) {
            Some((_, why)) => {
                self.default_single("network.mode", "rules", Value::Network(NetworkMode::Rules), why);
            }
            None => self.default_single("network.mode", "none", Value::Network(NetworkMode::None), safe),
        }
        self.default_single("oversight.bypass", "true", Value::Switch(true), "nobody forbids it");
        self.default_single("processes.nested_namespaces", "false", Value::Switch(false), safe);
        self.default_single(
            "containment.level",
            "auto",
            Value::Level(Level::Auto),
            "the strongest that this host has",
        );
        let processes = Value::Count(Some(limits::PROCESSES));
        self.default_single(
            "limits.processes",
            &limits::PROCESSES.to_string(),
            processes,
            limits::PROCESSES_WHY,
        );
        let tmp = Bytes(limits::TMP);
        self.default_single("limits.tmp", &tmp.to_string(), Value::Size(Some(tmp)), limits::TMP_WHY);
        if let Some(Bytes(total)) = self.surroundings.memory {
            // Whole MiB, so that people can read it.
            let memory = Bytes((total / 4 * limits::MEMORY_QUARTERS) >> 20 << 20);
            self.default_single(
                "limits.memory",
                &memory.to_string(),
                Value::Size(Some(memory)),
                limits::MEMORY_WHY,
            );
        }
    }

    /// System, programs on PATH, and a worktree's repository.
    pub(super) fn base_grants(&mut self) {
        let surroundings = self.surroundings;
        let Surroundings { system, programs, worktree, project, .. } = surroundings;
        for Found { path, access, why } in system.iter().chain(programs) {
            self.base_claim(path.clone(), *access, why);
        }
        let at_work = |project: &AbsPath| {
            self.workspace
                .as_ref()
                .is_some_and(|workspace| workspace.is_within(project) || project.is_within(workspace))
        };
        if let Some(worktree) = worktree
            && project.as_ref().is_some_and(at_work)
        {
            let why = "the repository of this worktree: commits go there";
            self.base_claim(worktree.git_directory.clone(), Access::Write, why);
        }
    }

    /// What stays hidden, as far as a claim comes near it: of a hundred places a run needs two or three.
    pub(super) fn hidden_places(&mut self) {
        let places = HIDDEN
            .iter()
            .map(|place| (place, Hide::Liftable))
            .chain(OWN.iter().map(|place| (place, Hide::Always)));
        let there = &self.surroundings.hidden;
        let deny = field::known("filesystem.deny");
        for home in self.homes() {
            let near = Near::new(&self.claims, &home);
            let wanted = |place: &Hidden| near.concerns(place.path) || there.contains(&place.path);
            let near: Vec<_> = places.clone().filter(|(place, _)| wanted(place)).collect();
            for (place, hide) in near {
                self.hide((deny, &home), place, hide);
            }
        }
    }

    pub(super) fn base_claim(&mut self, path: AbsPath, access: Access, why: &'static str) {
        let field = match access {
            Access::Deny => field::known("filesystem.deny"),
            Access::Read => field::known("filesystem.read"),
            Access::Private => field::known("filesystem.private"),
            Access::Write => field::known("filesystem.write"),
        };
        let statement = self.built_in(field, path.to_string(), Value::Path { optional: Some(true) }, why);
        // Optional: it was there a moment ago, and a run must not fail because an update replaces it just now.
        self.claims.push(Claim {
            path,
            access,
            optional: true,
            author: Author::BuiltIn,
            hide: Hide::No,
            statement,
        });
    }

    /// Where people grant something, hidden places are denied although they lie under no grant: the grant may reach one
    /// by another name (a symlink, a bind mount), and whoever opens both sees that they are the same. The default policy
    /// does without; it grants only what this program chose, and a hundred looks would double its cost.
    pub(super) fn keep_unseen(&mut self, unseen: Vec<Claim>) {
        let people = |claim: &Claim| claim.author.is_person() && claim.access != Access::Deny;
        if !unseen.is_empty() && self.grants.iter().any(people) {
            let (statements, there) = (&self.statements, &self.surroundings.hidden);
            let words = |claim: &Claim| &statements[claim.statement as usize].words;
            let exists =
                |claim: &Claim| there.iter().any(|place| words(claim).trim_start_matches("~/") == *place);
            self.grants.extend(unseen.into_iter().filter(exists));
            self.grants.sort_by(|left, right| left.path.cmp(&right.path));
        }
    }

    fn hide(&mut self, (deny, home): (&'static FieldSpec, &AbsPath), place: &Hidden, hide: Hide) {
        let (words, path) = match place.path.starts_with('/') {
            true => (place.path.into(), AbsPath::new(place.path)),
            false => (format!("~/{}", place.path), home.join(place.path)),
        };
        let Ok(path) = path else { return };
        let statement = self.built_in(deny, words, Value::Path { optional: Some(true) }, place.why);
        let author = Author::BuiltIn;
        self.claims.push(Claim { path, access: Access::Deny, optional: true, author, hide, statement });
    }

    pub(super) fn default_single(&mut self, key: &str, words: &str, value: Value, why: &'static str) {
        let spec = field::known(key);
        let at = field::position(spec);
        if self.singles[at].is_none() {
            self.singles[at] = Some(self.built_in(spec, words.to_owned(), value, why));
        }
    }
}

/// The claims, by their bytes: a quick look at which hidden places they concern.
struct Near<'a> {
    everything: bool,
    all: Vec<&'a [u8]>,
    in_home: Vec<&'a [u8]>,
}

impl<'a> Near<'a> {
    /// With more claims than this, every place is taken: comparing each with each would cost more.
    const MOST: usize = 256;

    fn new(claims: &'a [Claim], home: &AbsPath) -> Near<'a> {
        let all: Vec<&[u8]> = claims.iter().map(|claim| bytes(&claim.path)).collect();
        let home_bytes = bytes(home);
        let below = |path: &&'a [u8]| path.strip_prefix(home_bytes)?.strip_prefix(b"/");
        let in_home = all.iter().filter_map(below).collect();
        let everything = claims.len() > Self::MOST || claims.iter().any(|claim| home.is_within(&claim.path));
        Near { everything, all, in_home }
    }

    /// Whether a claim is at, above or below the place.
    fn concerns(&self, place: &str) -> bool {
        let claims = if place.starts_with('/') { &self.all } else { &self.in_home };
        let place = place.as_bytes();
        self.everything || claims.iter().any(|claim| holds(claim, place) || holds(place, claim))
    }
}

/// Whether `inner` is `outer` or lies below it.
fn holds(outer: &[u8], inner: &[u8]) -> bool {
    inner.strip_prefix(outer).is_some_and(|below| below.is_empty() || outer == b"/" || below[0] == b'/')
}

fn bytes(path: &AbsPath) -> &[u8] {
    path.as_path().as_os_str().as_encoded_bytes()
}
