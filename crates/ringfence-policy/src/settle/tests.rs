//! Precedence, held against a slow and obvious reference over random claims.

use proptest::prelude::*;
use ringfence_plan::{Files, Grant, RuleId};

use super::*;

/// What counts at `path`, decided name by name from the root down, without sorting anything.
fn reference(claims: &[Claim], path: &AbsPath) -> Option<Access> {
    let mut state = None;
    let mut hidden = false;
    let mut nobody = false;
    let mut steps: Vec<&std::path::Path> = path.as_path().ancestors().collect();
    steps.reverse();
    for step in steps {
        let here: Vec<&Claim> = claims.iter().filter(|claim| claim.path.as_path() == step).collect();
        let Some(winner) = winner(&here) else { continue };
        let author = here.iter().map(|claim| claim.author).max().unwrap();
        match (winner.access, winner.hide) {
            (Access::Deny, Hide::No | Hide::Workspace) => return Some(Access::Deny),
            (Access::Deny, _) if state.is_some() => return Some(Access::Deny),
            (Access::Deny, Hide::Always) => nobody = true,
            (Access::Deny, Hide::Liftable) => hidden = true,
            (access, _) if (author.lifts() || !hidden) && !nobody => state = Some(access),
            _ => {}
        }
    }
    state
}

/// The claim that counts among several on one path.
fn winner<'a>(here: &[&'a Claim]) -> Option<&'a Claim> {
    let of = |test: &dyn Fn(&Claim) -> bool| {
        let found = here.iter().copied().filter(|claim| test(claim));
        found.min_by_key(|claim| (claim.access, claim.hide != Hide::Workspace))
    };
    let lifted = here.iter().any(|claim| claim.author.lifts() && claim.access != Access::Deny);
    let widest = here.iter().copied().max_by_key(|claim| (claim.access, claim.hide == Hide::Workspace));
    of(&|claim| claim.hide == Hide::No && claim.access == Access::Deny)
        .or_else(|| of(&|claim| claim.hide == Hide::Always))
        .or_else(|| of(&|claim| claim.hide == Hide::Liftable && !lifted))
        .or_else(|| of(&|claim| claim.author.is_person()))
        .or(widest)
}

fn decided(kept: &[Claim], path: &AbsPath) -> Option<Access> {
    let grants = kept.iter().map(|claim| Grant {
        path: claim.path.clone(),
        access: claim.access,
        optional: claim.optional,
        rule: RuleId(claim.statement),
    });
    let files = Files {
        workspace: None,
        home: AbsPath::root(),
        grants: grants.collect(),
        deny_globs: vec![],
        protect: vec![],
        protect_except: vec![],
    };
    files.access(path).map(|(access, _)| access)
}

/// Denied and never granted are the same to the workload.
fn seen(access: Option<Access>) -> Option<Access> {
    access.filter(|access| *access != Access::Deny)
}

fn path() -> impl Strategy<Value = AbsPath> {
    // `a-` and `a.` sort between `a` and `a/…` byte by byte, but not name by name.
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a-", "a.", "é"]), 0..5)
        .prop_map(|names| AbsPath::new(format!("/{}", names.join("/"))).unwrap())
}

fn claim() -> impl Strategy<Value = Claim> {
    let access = prop::sample::select(vec![Access::Deny, Access::Read, Access::Private, Access::Write]);
    let author = prop::sample::select(vec![Author::BuiltIn, Author::Project, Author::User, Author::Flag]);
    let hide = prop::sample::select(vec![Hide::No, Hide::No, Hide::No, Hide::Liftable, Hide::Always]);
    (path(), access, author, hide, any::<bool>()).prop_map(|(path, access, author, hide, optional)| {
        let hidden = hide != Hide::No;
        Claim {
            path,
            access: if hidden { Access::Deny } else { access },
            optional,
            author: if hidden { Author::BuiltIn } else { author },
            hide,
            statement: 0,
        }
    })
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    prop::collection::vec(claim(), 0..12).prop_map(|mut claims| {
        for (at, claim) in (0..).zip(&mut claims) {
            claim.statement = at;
        }
        claims
    })
}

/// `cases`, unless PROPTEST_CASES asks for another number.
fn config(cases: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(cases),
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn the_outcome_is_that_of_the_reference(claims in claims(), probes in prop::collection::vec(path(), 20)) {
        let settled = settle(claims.clone());
        for probe in probes.iter().chain(claims.iter().map(|claim| &claim.path)) {
            let (is, should) = (decided(&settled.kept, probe), reference(&claims, probe));
            prop_assert_eq!(seen(is), seen(should), "{:?} of {:#?}", probe, claims);
        }
    }

    #[test]
    fn nothing_is_granted_at_or_below_a_denied_path(claims in claims(), denied in path(), below in path()) {
        let mut claims = claims;
        claims.push(Claim {
            path: denied.clone(),
            access: Access::Deny,
            optional: true,
            author: Author::User,
            hide: Hide::No,
            statement: 99,
        });
        let settled = settle(claims);
        let inside = denied.join(below.as_path().strip_prefix("/").unwrap()).unwrap();
        prop_assert_eq!(seen(decided(&settled.kept, &inside)), None);
    }

    #[test]
    fn the_order_of_claims_does_not_matter(claims in claims(), probe in path()) {
        let mut turned = claims.clone();
        turned.reverse();
        let (one, other) = (settle(claims), settle(turned));
        prop_assert_eq!(decided(&one.kept, &probe), decided(&other.kept, &probe));
        let places = |settled: &Settled| settled.kept.iter().map(|claim| (claim.path.clone(), claim.access)).collect::<Vec<_>>();
        prop_assert_eq!(places(&one), places(&other));
    }

    #[test]
    fn the_outcome_is_sorted_and_repeats_nothing(claims in claims()) {
        let kept = settle(claims).kept;
        prop_assert!(kept.windows(2).all(|pair| pair[0].path < pair[1].path));
        for (at, claim) in kept.iter().enumerate() {
            let above = kept[..at].iter().rev().find(|above| claim.path.is_within(&above.path));
            prop_assert!(above.is_none_or(|above| above.access != claim.access && above.access != Access::Deny));
        }
    }

    #[test]
    fn the_order_on_bytes_is_the_order_of_names(left in path(), right in path()) {
        prop_assert_eq!(by_names(&left, &right), left.cmp(&right));
    }
}

#[test]
fn ten_thousand_claims_take_no_quadratic_time() {
    let claim = |at: u32, path: String, access| Claim {
        path: AbsPath::new(path).unwrap(),
        access,
        optional: false,
        author: Author::User,
        hide: Hide::No,
        statement: at,
    };
    let wide = (0..5000).map(|at| claim(at, format!("/srv/{at}/x"), Access::Read));
    let deep = (0..5000).map(|at| {
        let access = if at % 2 == 0 { Access::Read } else { Access::Write };
        claim(at, "/a".repeat(at as usize % 1000 + 1), access)
    });
    // No clock decides: at quadratic cost this would not end while anybody waits, and the bench has the figures.
    let settled = settle(wide.chain(deep).collect());
    assert_eq!(settled.kept.len(), 5000 + 1000);
}
