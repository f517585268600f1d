//! `ringfence why` as a caller meets it: exit codes and streams.
//! Not the language: the policy crate's tests have that.
#![cfg(target_os = "linux")]

mod place;

use std::fs;
use std::os::unix::fs::symlink;

use place::{Place, code, errors, text};
use serde_json::Value;

#[test]
fn why_answers_with_the_rule_and_the_smallest_change() {
    let place = Place::new();
    let refused = place.call(&["why", "write", ".git/hooks/pre-commit"]);
    assert_eq!(code(&refused), 1, "{}", errors(&refused));
    assert!(
        text(&refused).starts_with("refused: write ") && text(&refused).contains("**/.git/hooks"),
        "{}",
        text(&refused)
    );
    let key = place.call(&["why", "read", "~/.ssh/id_ed25519"]);
    assert_eq!(code(&key), 1);
    assert!(text(&key).contains("--read ~/.ssh/id_ed25519"), "{}", text(&key));
    assert_eq!(code(&place.call(&["why", "write", "src/main.rs"])), 0);
    assert_eq!(code(&place.call(&["why", "env", "PATH"])), 0);
    assert_eq!(code(&place.call(&["why", "--env", "MINE", "env", "MINE"])), 0);
    assert_eq!(code(&place.call(&["why", "connect", "api.github.com:443"])), 1);
    let json = place.call(&["why", "env", "AWS_SECRET_ACCESS_KEY", "--json"]);
    let object: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (code(&json), &object["verdict"], &object["question"]["ask"]),
        (1, &"refused".into(), &"env".into())
    );
}

#[test]
fn a_question_that_is_none_is_told_with_an_example() {
    let place = Place::new();
    for words in [
        &["why"][..],
        &["why", "read"],
        &["why", "reed", "x"],
        &["why", "env", "A*"],
        &["why", "--last", "read", "x"],
    ] {
        let output = place.call(words);
        assert_eq!(code(&output), 125, "{words:?}: {}", text(&output));
        assert!(!errors(&output).contains("panicked") && !errors(&output).is_empty(), "{words:?}");
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_judged_by_where_it_leads() {
    let place = Place::new();
    let secret = place.home().join(".netrc");
    fs::write(&secret, "x").unwrap();
    symlink(&secret, place.project().join("link")).unwrap();
    let output = place.call(&["why", "read", "link"]);
    let said = text(&output);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.contains(secret.to_str().unwrap()) && said.contains("project/link"), "{said}");
}

#[test]
fn inside_a_sandbox_the_answer_is_about_that_sandbox() {
    let place = Place::new();
    let ask = |words: &str| place.inside(&format!("$RINGFENCE_BIN why {words}"));
    let allowed = ask("write here");
    assert_eq!(code(&allowed), 0, "{}{}", text(&allowed), errors(&allowed));
    assert!(text(&allowed).contains("this sandbox"), "{}", text(&allowed));
    assert_eq!(code(&ask("read /etc/shadow")), 1);
    // A plan of the caller's own choosing is no sandbox.
    let output =
        place.ringfence(&["why", "write", "here"]).env("RINGFENCE_PLAN", "/nowhere").output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
}

#[test]
fn the_last_refusals_are_explained() {
    let place = Place::new();
    assert_eq!(code(&place.call(&["why", "--last"])), 0);
    place.shell(&[], "mkdir .git/hooks; mkdir .git/hooks; touch held");
    let output = place.call(&["why", "--last"]);
    let said = text(&output);
    assert_eq!(code(&output), 1, "{}", errors(&output));
    assert!(
        said.contains("create ") && said.contains(".git/hooks, 2 times") && said.contains("git runs it"),
        "{said}"
    );
    let object: Value = serde_json::from_slice(&place.call(&["why", "--last", "--json"]).stdout).unwrap();
    assert_eq!(object["refusals"][0]["now"]["verdict"], "refused", "{object:#}");
    place.shell(&["--protect", "held"], "echo x >> held");
    let flagged = text(&place.call(&["why", "--last"]));
    assert!(
        flagged.contains("was refused by filesystem.protect") && flagged.contains("it is allowed"),
        "{flagged}"
    );
    place.shell(
        &["--network", "rules", "--allow-net", "example.org:443"],
        "bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'",
    );
    let connected = text(&place.call(&["why", "--last"]));
    assert!(
        connected.contains("connect to 192.0.2.1:80") && connected.contains("--allow-net 192.0.2.1:80"),
        "{connected}"
    );
    place.shell(&[], "true");
    assert_eq!(text(&place.call(&["why", "--last"])), "the last run was refused nothing\n");
}
