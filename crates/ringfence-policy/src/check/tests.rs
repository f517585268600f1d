//! Each thing that a check finds, in the words that people read; and that an ordinary policy has none.

use insta::assert_snapshot;
use ringfence_plan::{AbsPath, PathPattern, Plan};

use super::*;
use crate::{Context, Sources, compose};

fn abs(path: &str) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn composed(text: &str) -> Composed {
    let context =
        Context { cwd: abs("/home/u/p"), home: abs("/home/u"), user: "u".into(), agent: None, task: None };
    let surroundings =
        crate::Surroundings { project: Some(abs("/home/u/p")), ..crate::Surroundings::default() };
    let sources = Sources::of_text("ringfence.toml", text, context, surroundings);
    sources.and_then(compose).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

fn found(composed: &Composed, matches: Matches) -> String {
    let around = Machine { matches: &|_: &PathPattern| matches, called_for: &[] };
    check(composed, &around).render(false)
}

fn checked(text: &str) -> String {
    found(&composed(text), Matches::Unknown)
}

#[test]
fn an_ordinary_policy_has_nothing_to_find() {
    let text = "\
[filesystem]
read = [\"~/data\", \"/srv/models\"]
write = [\"./out\"]
deny = [\"**/.env\"]
[environment]
pass = [\"CI\", \"LC_*\"]
[network]
mode = \"rules\"
allow = [\"*.example.org:443\"]
";
    let around = Machine { matches: &|_: &PathPattern| Matches::Some, called_for: &[] };
    assert_eq!(check(&composed(text), &around), Report::default());
}

#[test]
fn one_path_in_two_lists() {
    assert_snapshot!(checked("[filesystem]\nread = [\"./x\"]\nwrite = [\"./x\"]\n"), @r#"
    warning: `filesystem.write` `./x` has no effect
     --> ringfence.toml:3:10
      |
    2 | read = ["./x"]
      |         ----- the stricter of two on one path counts
    3 | write = ["./x"]
      |          ^^^^^ not granted
    "#);
}

#[test]
fn what_is_broad() {
    assert_snapshot!(checked("[filesystem]\nread = [\"/\"]\n"), @r#"
    warning: `filesystem.read` `/` is broad
     --> ringfence.toml:2:9
      |
    2 | read = ["/"]
      |         ^^^ the whole machine, but for what is hidden
      |
      = help: name the directories that are meant; the system's own are readable anyway
    "#);
    assert_snapshot!(checked("[filesystem]\nread = [\"~\"]\n"), @r#"
    warning: `filesystem.read` `~` is broad
     --> ringfence.toml:2:9
      |
    2 | read = ["~"]
      |         ^^^ the whole home directory, readable but for what is hidden
      |
      = help: name the directories below it that are meant
    "#);
    assert_snapshot!(checked("[filesystem]\nwrite = [\"~/.config\"]\n"), @r#"
    warning: `filesystem.write` `~/.config` is broad
     --> ringfence.toml:2:10
      |
    2 | write = ["~/.config"]
      |          ^^^^^^^^^^^ writable with places that hold credentials in it
      |
      = help: /home/u/.config/gcloud itself stays denied (cloud credentials); name the directories beside it
    "#);
    assert_snapshot!(checked("[filesystem]\nread = [\"~/.ssh/config\"]\n"), @r#"
    warning: `filesystem.read` `~/.ssh/config` is broad
     --> ringfence.toml:2:9
      |
    2 | read = ["~/.ssh/config"]
      |         ^^^^^^^^^^^^^^^ /home/u/.ssh is hidden otherwise: private keys
      |
      = help: leave it out unless the command needs it; with a reason beside it (`why`) this is not told
    "#);
    assert_eq!(
        checked("[filesystem]\nread = [{ path = \"~/.ssh/config\", why = \"names of hosts\" }]\n"),
        "\n"
    );
    assert_snapshot!(checked("[environment]\npass = [\"*\"]\n[network]\nmode = \"host\"\n"), @r#"
    warning: `environment.pass` `*` is broad
     --> ringfence.toml:2:9
      |
    2 | pass = ["*"]
      |         ^^^ every variable passes but those that look like credentials or tell programs what to run
      |
      = help: name the variables that the command needs; `LC_*` names several

    warning: `network.mode` `host` is broad
     --> ringfence.toml:4:8
      |
    4 | mode = "host"
      |        ^^^^^^ everything that this machine reaches, its own services too
      |
      = help: mode = "rules" with the hosts in `allow` lets what the command needs
    "#);
    assert_snapshot!(checked("[network]\nmode = \"rules\"\nallow = [\"*.com:443\", \"0.0.0.0/0:443\"]\n"), @r#"
    warning: `network.allow` `*.com:443` is broad
     --> ringfence.toml:3:10
      |
    3 | allow = ["*.com:443", "0.0.0.0/0:443"]
      |          ^^^^^^^^^^^ every host of a top-level domain
      |
      = help: name the hosts that the command needs

    warning: `network.allow` `0.0.0.0/0:443` is broad
     --> ringfence.toml:3:23
      |
    3 | allow = ["*.com:443", "0.0.0.0/0:443"]
      |                       ^^^^^^^^^^^^^^^ every address
      |
      = help: name the hosts that the command needs
    "#);
}

#[test]
fn what_is_said_twice() {
    assert_snapshot!(checked("[filesystem]\nread = [\"~/x\", \"./y\", \"~/x\"]\n"), @r#"
    warning: `filesystem.read` `~/x` is said twice
     --> ringfence.toml:2:23
      |
    2 | read = ["~/x", "./y", "~/x"]
      |         -----         ^^^^^ again
      |         |
      |         here already
      |
      = help: take one of the two out
    "#);
}

#[test]
fn what_denies_nothing() {
    assert_snapshot!(found(&composed("[filesystem]\ndeny = [\"**/*.pme\"]\n"), Matches::None), @r#"
    warning: `filesystem.deny` `**/*.pme` denies nothing today
     --> ringfence.toml:2:9
      |
    2 | deny = ["**/*.pme"]
      |         ^^^^^^^^^^ nothing has such a name
      |
      = help: it holds for what comes later too; if it was meant for what is there, look at its spelling
    "#);
}

#[test]
fn what_is_kept_away_by_another_line() {
    assert_snapshot!(checked("[environment]\npass = [\"AWS_REGION\"]\ndeny = [\"AWS_*\"]\n"), @r#"
    warning: `environment.pass` `AWS_REGION` has no effect
     --> ringfence.toml:2:9
      |
    2 | pass = ["AWS_REGION"]
      |         ^^^^^^^^^^^^ denied
      |
      = help: `environment.deny` `AWS_*` counts: a deny wins
    "#);
    assert_snapshot!(checked("[network]\nmode = \"none\"\nallow = [\"example.org\"]\n"), @r#"
    warning: `network.allow` `example.org` has no effect
     --> ringfence.toml:3:10
      |
    3 | allow = ["example.org"]
      |          ^^^^^^^^^^^^^ there is no network
      |
      = help: network.mode = "none" (ringfence.toml:2:8) decides; with mode = "rules", or `--network rules`, such lines count
    "#);
    let denied = "[network]\nmode = \"rules\"\nallow = [\"api.example.org:443\"]\ndeny = [\"*.example.org:1-65535\"]\n";
    assert_snapshot!(checked(denied), @r#"
    warning: `network.allow` `api.example.org:443` has no effect
     --> ringfence.toml:3:10
      |
    3 | allow = ["api.example.org:443"]
      |          ^^^^^^^^^^^^^^^^^^^^^ denied
      |
      = help: `network.deny` `*.example.org:1-65535` counts: a deny wins
    "#);
}

#[test]
fn what_the_sandbox_around_does_not_have() {
    let mut composed = composed("[filesystem]\nread = [\"~/data\"]\n[environment]\npass = [\"A\"]\n");
    let around = self::composed("[filesystem]\nworkspace = \"/home/u/p\"\n").stages().remove(0).plan;
    composed.parent = Some(Box::new(Plan { ..around }));
    assert_snapshot!(found(&composed, Matches::Unknown), @r#"
    warning: `filesystem.read` `~/data` has no effect
     --> ringfence.toml:2:9
      |
    2 | read = ["~/data"]
      |         ^^^^^^^^ not granted
      |
      = help: the sandbox around this one does not include it

    warning: `environment.pass` `A` has no effect
     --> ringfence.toml:4:9
      |
    4 | pass = ["A"]
      |         ^^^ not passed
      |
      = help: the sandbox around this one does not include it
    "#);
}

#[test]
fn what_the_project_calls_for() {
    let call = Chosen { name: "rust".into(), why: "the project has Cargo.toml".into() };
    let around = Machine { matches: &|_: &PathPattern| Matches::Some, called_for: &[call] };
    assert_snapshot!(check(&composed(""), &around).render(false), @r#"
    warning: the preset `rust` is left out although the project has Cargo.toml
     |
     = help: extends = ["default", …] takes what the project's files call for, or name `rust` there
    "#);
}

#[test]
fn lines_of_the_gateway_that_do_nothing_or_too_much() {
    let credential = |host: &str, name: &str| {
        format!(
            "[[network.credential]]\nhost = \"{host}\"\nheader = \"Authorization\"\nsource = {{ env = \"{name}\" }}\n\
             placeholder = {{ env = \"{name}\" }}\n"
        )
    };
    let text = format!(
        "[network]\nallow = [\"0.0.0.0/0:443\", \"plain.example:80\"]\npublish = [\"80:3000\", \"80:3001\"]\n\
         no_proxy = [\"a.example\"]\n[[network.http]]\nhost = \"api.example\"\n{}{}{}\
         [[network.budget]]\nhost = \"*.api.example\"\nconnections = 1\n",
        credential("plain.example:80", "ONE"),
        credential("*.example:443", "TWO"),
        credential("other.example", "THREE"),
    );
    assert_snapshot!(checked(&text));
    let meant = format!(
        "[[network.http]]\nhost = \"api.example\"\n{}[[network.budget]]\nhost = \"api.example\"\nsent = 1\n",
        credential("api.example", "ONE")
    );
    assert_eq!(checked(&meant).trim(), "");
}

#[test]
fn brackets_that_are_no_names() {
    let composed = composed("[filesystem]\ndeny = [\"app/[id]\", \"lib/[[]id]\"]\n");
    let text = found(&composed, Matches::None);
    assert!(text.contains("for a name with brackets, write `app/[[]id]`"), "{text}");
    assert_eq!(text.matches("for a name with brackets").count(), 1, "{text}");
}

#[test]
fn a_rule_for_the_loopback_and_lines_beside_no_network_do_nothing() {
    let text = "[network]\nallow = [\"localhost:5432\", \"127.0.0.1:80\", \"0.0.0.0/0:443\"]\n";
    assert_eq!(checked(text).matches("no rule leads to the host's loopback").count(), 2, "{}", checked(text));
    let text = "[network]\nproxy = \"http://p.example:3128\"\n[[network.budget]]\nsent = 1\n";
    assert_eq!(checked(text).matches("there is no network").count(), 2, "{}", checked(text));
    let text = "[network]\nallow = [\"a.example\"]\nproxy = \"http://p.example:3128\"\n";
    assert_eq!(checked(text).trim(), "");
}

#[test]
fn a_resolver_that_a_proxy_would_have_to_lead_to_refuses_every_run() {
    let with = |more: &str| {
        checked(&format!("[network]\nallow = [\"a.example\"]\nresolver = \"tls://192.0.2.53\"\n{more}"))
    };
    let proxy = "proxy = \"http://p.example:3128\"\n";
    let text = with(proxy);
    assert!(text.contains("refuses every run") && text.contains("no_proxy = [\"192.0.2.53\"]"), "{text}");
    for sound in ["", "proxy = \"environment\"\n", &format!("{proxy}no_proxy = [\"192.0.2.0/24\"]\n")] {
        assert_eq!(with(sound).trim(), "", "{sound}");
    }
}
