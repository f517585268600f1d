//! Answers in realistic surroundings, whole, as people read them; and that every suggestion does what it says.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use ringfence_plan::AbsPath;

use super::*;
use crate::{Composed, Context, Sources, Surroundings, compose};

mod near;
mod plans;
mod requests;
mod stages;
mod suggestions;

fn abs(path: &str) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn context() -> Context {
    Context { cwd: abs("/home/u/p"), home: abs("/home/u"), user: "u".into(), agent: None, task: None }
}

fn composed(text: &str) -> Composed {
    let surroundings = Surroundings { project: Some(abs("/home/u/p")), ..Surroundings::default() };
    let sources = Sources::of_text("ringfence.toml", text, context(), surroundings);
    sources.and_then(compose).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

fn question(words: &str) -> Question {
    let words: Vec<&str> = words.splitn(2, ' ').collect();
    Question::parse(&words, &context(), None).unwrap_or_else(|bad| panic!("{}", bad.title))
}

fn ask(text: &str, words: &str) -> Answer {
    let composed = composed(text);
    why(&composed.stages(), &composed.void(), &question(words))
}

#[test]
fn what_nothing_grants() {
    assert_snapshot!(ask("", "read ~/.ssh/id_ed25519"), @r#"
    refused: read /home/u/.ssh/id_ed25519
      because   nothing grants it
      says      your policy
      note      it is hidden unless named: private keys
      to allow it
        in your policy, under [filesystem]: read = ["~/.ssh/id_ed25519"]
        or for one run: --read ~/.ssh/id_ed25519
    "#);
}

#[test]
fn what_a_line_denies() {
    let text = "[filesystem]\nread = [\"~/notes\"]\ndeny = [\"~/notes/private\", \"~/notes/**/*.key\"]\n";
    assert_snapshot!(ask(text, "read ~/notes/private/a.key"), @r#"
    refused: read /home/u/notes/private/a.key
      because   it is denied, and a deny wins
      rule      filesystem.deny = "~/notes/private" (ringfence.toml:3:9)
      says      your policy
      also      filesystem.deny = "~/notes/**/*.key" (ringfence.toml:3:28): says the same
      no effect filesystem.read = "~/notes" (ringfence.toml:2:9): a deny wins
      to allow it
        take out filesystem.deny = "~/notes/private" (ringfence.toml:3:9)
        take out filesystem.deny = "~/notes/**/*.key" (ringfence.toml:3:28)
    "#);
}

#[test]
fn what_is_void() {
    let text =
        "[filesystem]\nread = [\"~/data/x\"]\ndeny = [{ path = \"~/data\", why = \"of the customers\" }]\n";
    assert_snapshot!(ask(text, "read ~/data/x/y"), @r#"
    refused: read /home/u/data/x/y
      because   it is denied, and a deny wins
      rule      filesystem.deny = "~/data" (ringfence.toml:3:18; of the customers)
      says      your policy
      no effect filesystem.read = "~/data/x" (ringfence.toml:2:9): a deny wins
      to allow it
        take out filesystem.deny = "~/data" (ringfence.toml:3:18; of the customers)
    "#);
}

#[test]
fn what_the_base_hides_under_a_grant() {
    assert_snapshot!(ask("[filesystem]\nread = [\"~\"]\n", "read ~/.ssh/id_ed25519"), @r#"
    refused: read /home/u/.ssh/id_ed25519
      because   the base hides it
      rule      filesystem.deny = "~/.ssh" (built in (private keys))
      says      your policy
      no effect filesystem.read = "~" (ringfence.toml:2:9): a deny wins
      to allow it
        in your policy, under [filesystem]: read = ["~/.ssh"]
        or for one run: --read ~/.ssh
        note: this opens all of /home/u/.ssh: private keys
    "#);
}

#[test]
fn what_is_protected() {
    assert_snapshot!(ask("", "write .git/hooks/pre-commit"), @r#"
    refused: write /home/u/p/.git/hooks/pre-commit
      because   its name is protected
      rule      filesystem.protect = "**/.git/hooks" (built in (git runs it, or reads from it what to run))
      says      your policy
      no effect filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory)): protected names hold in every writable tree
      nothing changes that: protected names hold in every writable tree (git runs it, or reads from it what to run); change it yourself, outside of the sandbox
    "#);
    assert_snapshot!(ask("[filesystem]\nprotect = [\"deploy\"]\n", "write deploy/prod.toml"), @r#"
    refused: write /home/u/p/deploy/prod.toml
      because   its name is protected
      rule      filesystem.protect = "deploy" (ringfence.toml:2:12)
      says      your policy
      no effect filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory)): protected names hold in every writable tree
      to allow it
        take out filesystem.protect = "deploy" (ringfence.toml:2:12)
    "#);
}

#[test]
fn what_is_an_anchor() {
    assert_snapshot!(ask("", "write .git"), @r#"
    allowed: write /home/u/p/.git
      because   it is granted
      rule      filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory))
      says      your policy
      note      a directory of this name is not renamed, replaced or removed, since filesystem.protect = "**/.git/hooks" holds names below it
      to refuse it
        in your policy, under [filesystem]: protect = ["~/p/.git"]
        or for one run: --protect ~/p/.git
    "#);
}

#[test]
fn what_is_allowed() {
    assert_snapshot!(ask("[filesystem]\nread = [\"~\"]\n", "write src/main.rs"), @r#"
    allowed: write /home/u/p/src/main.rs
      because   it is granted
      rule      filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory))
      says      your policy
      no effect filesystem.read = "~" (ringfence.toml:2:9): the deeper path counts
      to refuse it
        in your policy, under [filesystem]: protect = ["~/p/src/main.rs"]
        or for one run: --protect ~/p/src/main.rs
    "#);
    assert_snapshot!(ask("[filesystem]\nprivate = [\"~/.cargo\"]\n", "write ~/.cargo/registry/x"), @r#"
    allowed in a private copy: write /home/u/.cargo/registry/x
      because   it is granted
      rule      filesystem.private = "~/.cargo" (ringfence.toml:2:12)
      says      your policy
      note      what is written goes when the run ends; the original stays as it is
      to let it reach the original
        in your policy, under [filesystem]: write = ["~/.cargo/registry/x"]
        or for one run: --write ~/.cargo/registry/x
        note: what is granted has to exist; to create it, grant the directory it goes into
    "#);
}

#[test]
fn what_is_readable_only() {
    assert_snapshot!(ask("[filesystem]\nread = [\"./vendor\"]\n", "write vendor"), @r#"
    refused: write /home/u/p/vendor
      because   it is granted for reading only
      rule      filesystem.read = "./vendor" (ringfence.toml:2:9)
      says      your policy
      no effect filesystem.workspace = "/home/u/p" (built in (the git repository around the current directory)): the deeper path counts
      to allow it
        take out filesystem.read = "./vendor" (ringfence.toml:2:9)
        in your policy, under [filesystem]: write = ["~/p/vendor"]
        note: what is granted has to exist; to create it, grant the directory it goes into
    "#);
}

#[test]
fn what_can_never_be_granted() {
    assert_snapshot!(ask("", "write ~/.config/ringfence/policy.toml"), @"
    refused: write /home/u/.config/ringfence/policy.toml
      because   no policy can grant it
      says      your policy
      nothing changes that: it holds ringfence's own rules, and whoever could change them could change the fence
    ");
    assert_snapshot!(ask("", "read /proc/1/environ"), @"
    refused: read /proc/1/environ
      because   nothing grants it
      says      your policy
      nothing changes that: the sandbox has its own, or none
    ");
}

#[test]
fn connections() {
    assert_snapshot!(ask("", "connect api.example.org:443"), @r#"
    refused: connect api.example.org:443
      because   there is no network
      rule      network.mode = "none" (built in (the safe choice))
      says      your policy
      to allow it
        in your policy, under [network]: allow = ["api.example.org:443"]
        or for one run: --allow-net api.example.org:443
    "#);
    let rules =
        "[network]\nmode = \"rules\"\nallow = [\"*.example.org:443\"]\ndeny = [\"api.example.org\"]\n";
    assert_snapshot!(ask(rules, "connect https://api.example.org/v1"), @r#"
    refused: connect api.example.org:443
      because   it is denied, and a deny wins
      rule      network.deny = "api.example.org" (ringfence.toml:4:9)
      says      your policy
      no effect network.allow = "*.example.org:443" (ringfence.toml:3:10): a deny wins
      to allow it
        take out network.deny = "api.example.org" (ringfence.toml:4:9)
    "#);
    assert_snapshot!(ask(rules, "connect www.example.org"), @r#"
    allowed: connect www.example.org:443
      because   the network's rules allow it
      rule      network.allow = "*.example.org:443" (ringfence.toml:3:10)
      says      your policy
      note      a name leads to public addresses only; a private one needs a rule for its block
      to refuse it
        in your policy, under [network]: deny = ["www.example.org:443"]
        or for one run: --deny-net www.example.org:443
    "#);
    assert_snapshot!(ask(rules, "connect [2001:db8::1]:22"), @r#"
    refused: connect [2001:db8::1]:22
      because   the network's rules do not name it
      rule      network.mode = "rules" (ringfence.toml:2:8)
      says      your policy
      to allow it
        in your policy, under [network]: allow = ["[2001:db8::1]:22"]
        or for one run: --allow-net '[2001:db8::1]:22'
    "#);
}

#[test]
fn variables() {
    assert_snapshot!(ask("", "env MY_SETTING"), @r#"
    refused: env MY_SETTING
      because   nothing names the variable
      says      your policy
      to allow it
        in your policy, under [environment]: pass = ["MY_SETTING"]
        or for one run: --env MY_SETTING
    "#);
    assert_snapshot!(ask("[environment]\npass = [\"*\"]\n", "env AWS_SECRET_ACCESS_KEY"), @r#"
    refused: env AWS_SECRET_ACCESS_KEY
      because   it looks like a credential or a socket, so it passes only by its full name
      rule      environment: credentials, by their usual names (built in (passed only by their full name))
      says      your policy
      no effect environment.pass = "*" (ringfence.toml:2:9): no pattern reaches it
      to allow it
        in your policy, under [environment]: pass = ["AWS_SECRET_ACCESS_KEY"]
        or for one run: --env AWS_SECRET_ACCESS_KEY
    "#);
    assert_snapshot!(ask("", "env LD_PRELOAD"), @r#"
    refused: env LD_PRELOAD
      because   the variable tells programs what to load or run, so it never passes
      rule      environment: variables that tell a program what to load or run (built in (never passed, not even by name))
      says      your policy
      to allow it
        in your policy, under [environment]: set = { LD_PRELOAD = "…" }
        or for one run: --env LD_PRELOAD=…
        note: write the value out; the caller's own never passes
    "#);
    assert_snapshot!(ask("[environment]\ndeny = [\"AWS_*\"]\npass = [\"AWS_REGION\"]\n", "env AWS_REGION"), @r#"
    refused: env AWS_REGION
      because   it is denied, and a deny wins
      rule      environment.deny = "AWS_*" (ringfence.toml:2:9)
      says      your policy
      no effect environment.pass = "AWS_REGION" (ringfence.toml:3:9): a deny wins
      to allow it
        take out environment.deny = "AWS_*" (ringfence.toml:2:9)
    "#);
    assert_snapshot!(ask("", "env TMPDIR"), @r#"
    allowed: env TMPDIR
      because   the policy gives it a value of its own
      rule      environment.set.TMPDIR (built in (the private one))
      says      your policy
      to refuse it
        in your policy, under [environment]: deny = ["TMPDIR"]
        or for one run: --deny-env TMPDIR
    "#);
    assert_snapshot!(ask("", "env PATH"), @r#"
    allowed: env PATH
      because   the policy names it
      rule      environment.pass = "PATH" (built in (where programs are))
      says      your policy
      to refuse it
        in your policy, under [environment]: deny = ["PATH"]
        or for one run: --deny-env PATH
    "#);
}

#[test]
fn ten_thousand_rules_are_answered_at_once() {
    let entries = |form: &dyn Fn(usize) -> String| {
        (0..2500).map(|at| format!("{:?}", form(at))).collect::<Vec<_>>().join(",")
    };
    let text = format!(
        "[filesystem]\nread = [{}]\nwrite = [{}]\ndeny = [{}]\nprotect = [{}]\n",
        entries(&|at| format!("/srv/r{at}")),
        entries(&|at| format!("/data/w{at}")),
        entries(&|at| format!("/data/w{at}/*.key")),
        entries(&|at| format!("/data/w{at}/conf/*/p")),
    );
    let composed = composed(&text);
    let (stages, void) = (composed.stages(), composed.void());
    let most = std::time::Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 5 });
    for words in [
        "write /data/w7/x/y/z",
        "read /data/w2499/a.key",
        "read /nowhere/at/all",
        "env A",
        "connect a.example",
    ] {
        let question = question(words);
        let taken = (0..5).map(|_| {
            let start = std::time::Instant::now();
            why(&stages, &void, &question);
            start.elapsed()
        });
        let taken = taken.min().unwrap();
        assert!(taken < most, "{words}: {taken:?}");
    }
}

#[test]
fn an_answer_is_data_for_programs() {
    let text = "[filesystem]\nread = [\"~/data\"]\ndeny = [\"~/data/x\"]\n";
    let answer = ask(text, "read ~/data/x/y");
    assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap(), @r#"
    {
      "question": {
        "ask": "read",
        "path": "/home/u/data/x/y"
      },
      "verdict": "refused",
      "because": "denied",
      "words": "it is denied, and a deny wins",
      "rule": {
        "text": "filesystem.deny = \"~/data/x\"",
        "origin": {
          "file": {
            "path": "ringfence.toml",
            "line": 3,
            "column": 9
          }
        }
      },
      "stage": "your policy",
      "shadowed": [
        {
          "rule": {
            "text": "filesystem.read = \"~/data\"",
            "origin": {
              "file": {
                "path": "ringfence.toml",
                "line": 2,
                "column": 9
              }
            }
          },
          "stage": "your policy",
          "lost": "deny_wins"
        }
      ],
      "change": {
        "to": "allow",
        "by": "you",
        "steps": [
          {
            "step": "remove",
            "rule": {
              "text": "filesystem.deny = \"~/data/x\"",
              "origin": {
                "file": {
                  "path": "ringfence.toml",
                  "line": 3,
                  "column": 9
                }
              }
            }
          }
        ]
      }
    }
    "#);
}

#[test]
fn what_is_no_question_is_told_with_what_would_be_one() {
    let ask = |words: &[&str]| {
        let bad = Question::parse(words, &context(), None).unwrap_err();
        format!("{}; {}", bad.title, bad.help.join("; "))
    };
    let questions: [&[&str]; 8] = [
        &[],
        &["raed", "x"],
        &["read"],
        &["read", "a/../b"],
        &["env", "A=B"],
        &["env", "A*"],
        &["connect", "*.example.org:443"],
        &["connect", "10.0.0.0/8:1-2"],
    ];
    let told: BTreeMap<String, String> =
        questions.iter().map(|words| (words.join(" "), ask(words))).collect();
    let told: Vec<String> = told.into_iter().map(|(words, told)| format!("{words:?}: {told}")).collect();
    assert_snapshot!(told.join("\n"), @r#"
    "": nothing is asked; for example: read ~/.ssh/id_ed25519, write .git/hooks/pre-commit, connect api.example.org:443, request GET https://api.example.org/x, env HOME
    "connect *.example.org:443": `*.example.org:443` is no place to connect to: it is a pattern, not one host; name a host and a port: api.example.org:443, [2001:db8::1]:443, udp://192.0.2.1:53
    "connect 10.0.0.0/8:1-2": `10.0.0.0/8:1-2` is no place to connect to: it is a pattern, not one host; name a host and a port: api.example.org:443, [2001:db8::1]:443, udp://192.0.2.1:53
    "env A*": `A*` is a pattern; ask about one variable by its full name
    "env A=B": `A=B` is no name of a variable: a name holds no `=`; a value is set in [environment] set = { … }; 
    "raed x": `raed` is nothing that can be asked; did you mean `read`?
    "read": `read` needs a path; for example: read ~/.ssh/id_ed25519, write .git/hooks/pre-commit, connect api.example.org:443, request GET https://api.example.org/x, env HOME
    "read a/../b": `a/../b` names no place: it contains `..`;
    "#);
}
