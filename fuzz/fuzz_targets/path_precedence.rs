//! Random rules through the whole way from text to plan, against a decision function that is slow and obvious.
//!
//! Not wildcards: those are the pattern's own tests.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringfence_plan::{AbsPath, Access, Plan};
use ringfence_policy::{Context, Sources, Surroundings, compile, compose};

#[derive(Arbitrary, Debug)]
struct Input {
    rules: Vec<(List, Vec<Name>)>,
    probes: Vec<Vec<Name>>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum List {
    Deny,
    Read,
    Private,
    Write,
}

/// Names that sort, quote or compare in awkward ways.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Name {
    A,
    ADash,
    ADot,
    AUpper,
    Space,
    Quote,
    Umlaut,
    Dollar,
    Git,
}

fuzz_target!(|input: Input| {
    let plan = plan(&input.rules);
    let rules = input.rules.iter().map(|(_, names)| names);
    for probe in input.probes.iter().chain(rules) {
        let path = AbsPath::new(path(probe).replace("$$", "$")).expect("in normal form");
        let decided = plan.files.access(&path).map(|(access, _)| access);
        assert_eq!(decided, reference(&input.rules, probe), "{path}");
    }
    let sorted = plan.files.grants.windows(2).all(|pair| pair[0].path < pair[1].path);
    assert!(sorted, "the plan promises one grant a path, in order");
});

fn plan(rules: &[(List, Vec<Name>)]) -> Plan {
    let list = |of: List| {
        let paths =
            rules.iter().filter(|(list, _)| *list == of).map(|(_, names)| format!("'''{}'''", path(names)));
        paths.collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "[filesystem]\nworkspace = false\ndeny = [{}]\nread = [{}]\nprivate = [{}]\nwrite = [{}]\n",
        list(List::Deny),
        list(List::Read),
        list(List::Private),
        list(List::Write)
    );
    let path = |text| AbsPath::new(text).expect("in normal form");
    let context = Context::new(path("/srv/p"), path("/home/u"), "u");
    let composed = Sources::of_text("fuzz.toml", &text, context, Surroundings::default()).and_then(compose);
    compile(&composed.unwrap_or_else(|report| panic!("{report}"))).expect("what is composed compiles")
}

fn path(names: &[Name]) -> String {
    let mut path = String::from("/srv");
    for name in names.iter().take(32) {
        path.push('/');
        path.push_str(match name {
            Name::A => "a",
            Name::ADash => "a-",
            Name::ADot => "a.",
            Name::AUpper => "A",
            Name::Space => " ",
            Name::Quote => "\"",
            Name::Umlaut => "ü",
            Name::Dollar => "$$",
            Name::Git => ".git",
        });
    }
    path
}

/// Any deny on the way wins; else the longest path; of several on one path the strictest.
fn reference(rules: &[(List, Vec<Name>)], probe: &[Name]) -> Option<Access> {
    let cut = |names: &[Name]| names[..names.len().min(32)].to_vec();
    let probe = cut(probe);
    let above: Vec<_> = rules.iter().filter(|(_, names)| probe.starts_with(&cut(names))).collect();
    if above.iter().any(|(list, _)| *list == List::Deny) {
        return Some(Access::Deny);
    }
    let longest = above.iter().map(|(_, names)| names.len().min(32)).max()?;
    let deepest = above.iter().filter(|(_, names)| names.len().min(32) == longest);
    deepest
        .map(|(list, _)| match list {
            List::Deny => Access::Deny,
            List::Read => Access::Read,
            List::Private => Access::Private,
            List::Write => Access::Write,
        })
        .min()
}
