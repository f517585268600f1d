//! Answers where several authors have a say: ceilings, a project's policy that is not trusted, a sandbox around.

use insta::assert_snapshot;
use ringfence_plan::{Access, EnvPattern, Grant, Plan};

use super::*;

/// A ceiling that lists these paths and variables, in two lines of its file.
fn ceiling(grants: &[(&str, Access)], within: &[&str]) -> Stage {
    let name = "machine ceiling /etc/ringfence/ceiling.toml";
    let file = |line| Origin::File { path: "/etc/ringfence/ceiling.toml".into(), line, column: 9, why: None };
    let mut plan = Plan::top(abs("/home/u"));
    let rule = |text: &str, line| Rule { text: text.into(), origin: file(line) };
    plan.rules.extend([rule("filesystem.read = \"/srv\"", 4), rule("environment.pass = \"CI\"", 7)]);
    if !grants.is_empty() {
        let grant = |(path, access): &(&str, Access)| Grant {
            path: abs(path),
            access: *access,
            optional: true,
            rule: RuleId(1),
        };
        plan.files.grants = grants.iter().map(grant).collect();
    }
    let pattern = |name: &&str| EnvPattern { name: (*name).into(), rule: RuleId(2) };
    plan.environment.within.extend((!within.is_empty()).then(|| within.iter().map(pattern).collect()));
    Stage { name: name.into(), kind: StageKind::Ceiling, plan }
}

fn ask_under(text: &str, more: Vec<Stage>, words: &str) -> Answer {
    let composed = composed(text);
    let mut stages = composed.stages();
    stages.extend(more);
    why(&stages, &composed.void(), &question(words))
}

#[test]
fn what_a_ceiling_does_not_include() {
    let files = || vec![ceiling(&[("/home/u/p", Access::Write), ("/srv", Access::Read)], &[])];
    let text = "[filesystem]\nread = [\"~/notes\"]\nwrite = [\"/srv/x\"]\n";
    assert_snapshot!(ask_under(text, files(), "read ~/notes/a"), @r#"
    refused: read /home/u/notes/a
      because   a ceiling does not include it
      says      machine ceiling /etc/ringfence/ceiling.toml
      no effect filesystem.read = "~/notes" (ringfence.toml:2:9) by your policy: a ceiling says no
      no policy and no flag lifts it: only whoever owns machine ceiling /etc/ringfence/ceiling.toml can
    "#);
    assert_snapshot!(ask_under(text, files(), "write /srv/x"), @r#"
    refused: write /srv/x
      because   it is granted for reading only
      rule      filesystem.read = "/srv" (/etc/ringfence/ceiling.toml:4:9)
      says      machine ceiling /etc/ringfence/ceiling.toml
      no effect filesystem.write = "/srv/x" (ringfence.toml:3:10) by your policy: a ceiling says no
      no policy and no flag lifts it: only whoever owns machine ceiling /etc/ringfence/ceiling.toml can
    "#);
    assert_eq!(ask_under(text, files(), "write src/main.rs").verdict, Verdict::Allowed);
    let variables = vec![ceiling(&[], &["CI", "LC_*"])];
    assert_snapshot!(ask_under("[environment]\npass = [\"A\"]\n", variables.clone(), "env A"), @r#"
    refused: env A
      because   a ceiling does not include it
      rule      environment.pass = "CI" (/etc/ringfence/ceiling.toml:7:9)
      says      machine ceiling /etc/ringfence/ceiling.toml
      no effect environment.pass = "A" (ringfence.toml:2:9) by your policy: a ceiling says no
      no policy and no flag lifts it: only whoever owns machine ceiling /etc/ringfence/ceiling.toml can
    "#);
    let set = ask_under("[environment]\nset = { A = \"1\" }\n", variables, "env A");
    assert_eq!(
        (set.verdict, set.because),
        (Verdict::Allowed, Because::Set),
        "a value of one's own is not bound"
    );
}

#[test]
fn what_an_untrusted_policy_asks_for() {
    let untrusted = |text: &str| {
        let stage = composed(text).stages().remove(0);
        vec![Stage {
            name: "the project's policy, which is not trusted".into(),
            kind: StageKind::Untrusted,
            ..stage
        }]
    };
    let asks = untrusted("[filesystem]\nread = [\"~/data\"]\n");
    assert_snapshot!(ask_under("", asks, "read ~/data/x"), @r#"
    refused: read /home/u/data/x
      because   nothing grants it
      says      your policy
      no effect filesystem.read = "~/data" (ringfence.toml:2:9) by the project's policy, which is not trusted: it is not trusted
      to allow it
        trust the project's policy, which asks for it: ringfence policy trust
        or for one run: --read ~/data/x
    "#);
    let denies = untrusted("[filesystem]\ndeny = [\"secret\"]\n");
    assert_snapshot!(ask_under("", denies, "read secret/x"), @r#"
    refused: read /home/u/p/secret/x
      because   it is denied, and a deny wins
      rule      filesystem.deny = "secret" (ringfence.toml:2:9)
      says      the project's policy, which is not trusted
      no effect filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory)) by your policy: a policy that is not trusted may narrow
      to allow it
        take out filesystem.deny = "secret" (ringfence.toml:2:9)
    "#);
}

#[test]
fn inside_there_is_one_plan_and_it_is_not_ones_own_to_change() {
    let stage = composed("").stages().remove(0);
    let stage = Stage { name: "the sandbox around this one".into(), kind: StageKind::Parent, ..stage };
    let plan: Plan = serde_json::from_str(&serde_json::to_string(&stage.plan).unwrap()).unwrap();
    assert_snapshot!(why(&[Stage { plan, ..stage }], &[], &question("read /srv/data")), @r#"
    refused: read /srv/data
      because   nothing grants it
      says      the sandbox around this one
      to allow it, outside, where this sandbox is started
        in your policy, under [filesystem]: read = ["/srv/data"]
        or for one run: --read /srv/data
    "#);
}
