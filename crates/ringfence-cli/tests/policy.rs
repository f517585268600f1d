//! `ringfence policy` as a caller meets it: exit codes, streams, files.
//! Not the language: the policy crate's tests have that.
#![cfg(target_os = "linux")]

mod place;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use place::{Place, code, errors, text};
use serde_json::Value;

const ASKS: &str = "version = 1\n[environment]\nset = { FROM = \"project\" }\n[network]\nmode = \"host\"\n";

#[test]
fn init_writes_a_policy_once() {
    let place = Place::new();
    place.write("Cargo.toml", "");
    assert_eq!(code(&place.call(&["policy", "init"])), 0);
    let written = fs::read_to_string(place.project().join("ringfence.toml")).unwrap();
    assert!(
        written.contains("#   rust: the project has Cargo.toml") && written.contains("\"rust\""),
        "{written}"
    );
    assert_eq!(code(&place.call(&["policy", "check", "--strict"])), 0);
    assert_eq!(code(&place.call(&["policy", "fmt", "--check"])), 0);
    place.write("ringfence.toml", "version = 1\n");
    let again = place.call(&["policy", "init"]);
    assert_eq!(code(&again), 125);
    assert!(errors(&again).contains("is there already"), "{}", errors(&again));
    assert_eq!(code(&place.call(&["policy", "init", "--force"])), 0);
    assert_eq!(fs::read_to_string(place.project().join("ringfence.toml")).unwrap(), written);
    // Nor through a link that leads elsewhere.
    let other = Place::new();
    symlink(other.beside("nothing"), other.project().join("ringfence.toml")).unwrap();
    assert_eq!(code(&other.call(&["policy", "init"])), 125);
    assert!(!other.beside("nothing").exists());
    fs::write(other.beside("nothing"), "kept").unwrap();
    assert_eq!(code(&other.call(&["policy", "init", "--force"])), 0);
    assert_eq!(fs::read_to_string(other.beside("nothing")).unwrap(), "kept");
}

#[test]
fn what_is_the_users_own_to_say_is_not_said_inside() {
    let place = Place::new();
    place.write("ringfence.toml", ASKS);
    for verb in ["init --force", "trust --yes", "trust --remove"] {
        let output = place.inside(&format!("$RINGFENCE_BIN policy {verb}"));
        assert_eq!(code(&output), 125, "{verb}: {}", text(&output));
        assert!(errors(&output).contains("inside of a sandbox"), "{verb}: {}", errors(&output));
    }
}

#[test]
fn a_projects_policy_grants_once_it_is_trusted_and_until_it_changes() {
    let place = Place::new();
    place.write("ringfence.toml", ASKS);
    let from = || place.shell(&[], "echo $FROM");
    let before = from();
    assert_eq!(text(&before), "\n");
    let said = errors(&before);
    assert!(
        said.starts_with("ringfence: ringfence.toml is not trusted") && said.contains("network.mode (host)"),
        "{said}"
    );
    assert!(said.ends_with(": ringfence policy trust\n") && said.lines().count() == 1, "{said}");

    let asked = place.call(&["policy", "trust"]);
    assert_eq!(code(&asked), 125);
    assert!(text(&asked).contains("It asks for") && errors(&asked).contains("--yes"), "{}", errors(&asked));
    assert_eq!(code(&place.call(&["policy", "trust", "--yes"])), 0);
    assert_eq!((text(&from()).as_str(), errors(&from()).as_str()), ("project\n", ""));
    assert!(text(&place.call(&["policy", "trust", "--list"])).contains("project/ringfence.toml"));

    place.write("ringfence.toml", &ASKS.replace("[network]", "[filesystem]\nread = [\"/srv\"]\n[network]"));
    assert!(errors(&from()).contains("has changed since you trusted it"));
    let changed = text(&place.call(&["policy", "trust", "--yes"]));
    let (difference, _) = changed.split_once("warning: ").expect(&changed);
    assert!(difference.contains("/srv") && !difference.contains("network.mode"), "{changed}");
    assert_eq!(text(&from()), "project\n");

    assert_eq!(code(&place.call(&["policy", "trust", "--remove"])), 0);
    assert_eq!(text(&from()), "\n");
    assert_eq!(code(&place.call(&["policy", "trust", "--remove"])), 125);
}

#[test]
fn what_a_policy_says_under_other_conditions_is_shown_before_it_is_trusted() {
    let place = Place::new();
    place.write(
        "ringfence.toml",
        "version = 1\n[environment]\npass = [{ name = \"GH_TOKEN\", when = { stage = \"late\" } }]\n\
         [[conditional]]\nwhen = { host_has = \"no-such-program\" }\n[conditional.filesystem]\nread = [\"~/.ssh\"]\n",
    );
    let said = text(&place.call(&["policy", "trust"]));
    let (_, under) = said.split_once("Under conditions that do not hold here and now").expect(&said);
    assert!(
        under.contains("\"~/.ssh\"") && under.contains("GH_TOKEN") && under.contains("ringfence.toml:7:"),
        "{said}"
    );
}

#[test]
fn a_difference_is_one_of_meaning_and_widening_is_1() {
    let place = Place::new();
    let policy = |name: &str, rest: &str| place.write(name, &format!("version = 1\nextends = []\n{rest}"));
    policy("a.toml", "[filesystem]\nread = [\"/srv/a\"]\n[limits]\ntime = \"10m\"\n");
    policy(
        "b.toml",
        "# Another text.\n[limits]\ntime = 600\n[filesystem]\nread = [\"/srv/a/\", \"/srv/b\"]\n",
    );
    let wider = place.call(&["policy", "diff", "a.toml", "b.toml"]);
    assert_eq!(code(&wider), 1, "{}", errors(&wider));
    assert!(text(&wider).contains("/srv/b") && !text(&wider).contains("limits.time"), "{}", text(&wider));
    let narrower = place.call(&["policy", "diff", "--json", "b.toml", "a.toml"]);
    let object: Value = serde_json::from_slice(&narrower.stdout).unwrap();
    assert_eq!(
        (code(&narrower), &object["widens"], object["narrowed"].as_array().map(Vec::len)),
        (0, &false.into(), Some(1))
    );
    assert_eq!(text(&place.call(&["policy", "diff", "a.toml", "a.toml"])), "no difference\n");
    assert_eq!(code(&place.call(&["policy", "diff", "dev", "production"])), 0);
    assert_eq!(code(&place.call(&["policy", "diff", "production", "dev"])), 1);
    assert_eq!(code(&place.call(&["policy", "diff", "a.toml", "no-such-preset"])), 125);
}

#[test]
fn assertions_hold_or_are_named_with_file_line_and_rule() {
    let place = Place::new();
    place.write("ringfence.toml", "version = 1\n[filesystem]\nread = [\"/srv\"]\n");
    place.write(
        "good.test",
        "policy ringfence.toml\nallow read /srv/x\nallow write ./src\ndeny read ~/.ssh/id_ed25519\n",
    );
    place.write("bad.test", "policy ringfence.toml\n\nallow read /srv/x\ndeny read /srv/x\n");
    place.write(
        "presets.test",
        "preset rust\nprivate write ~/.cargo/registry/x\ndeny connect crates.example:443\n",
    );
    let good = place.call(&["policy", "test", "good.test", "presets.test"]);
    assert_eq!((code(&good), text(&good).as_str()), (0, "5 passed, 0 failed\n"), "{}", errors(&good));
    let bad = place.call(&["policy", "test", "good.test", "bad.test"]);
    assert_eq!(code(&bad), 1);
    let said = text(&bad);
    assert!(
        said.contains("failed bad.test:4: deny read /srv/x") && said.contains("ringfence.toml:3:"),
        "{said}"
    );
    let object: Value =
        serde_json::from_slice(&place.call(&["policy", "test", "--json", "bad.test"]).stdout).unwrap();
    assert_eq!((&object[0]["passed"], &object[0]["failed"][0]["line"]), (&1.into(), &4.into()));
    place.write("wrong.test", "alow read x\n");
    assert_eq!(code(&place.call(&["policy", "test", "wrong.test"])), 125);
}

#[test]
fn check_finds_errors_and_warnings() {
    let place = Place::new();
    place.write("wrong.toml", "version = 1\n[filesystem]\nreed = []\n");
    let wrong = place.call(&["policy", "check", "wrong.toml"]);
    assert_eq!(code(&wrong), 1);
    assert!(
        text(&wrong).contains("wrong.toml:3:1") && text(&wrong).ends_with("1 error, 0 warnings\n"),
        "{}",
        text(&wrong)
    );
    place.write("void.toml", "version = 1\n[filesystem]\nread = [\"/srv/a\"]\ndeny = [\"/srv\"]\n");
    assert_eq!(code(&place.call(&["policy", "check", "void.toml"])), 0);
    let strict = place.call(&["policy", "check", "--strict", "--json", "void.toml"]);
    let object: Value = serde_json::from_slice(&strict.stdout).unwrap();
    assert_eq!((code(&strict), &object["errors"]), (1, &0.into()), "{object:#}");
}

#[test]
fn show_names_the_source_of_every_line_and_what_was_taken() {
    let place = Place::new();
    place.write(
        "narrow.toml",
        "kind = \"ceiling\"\nversion = 1\n[limits]\ntime = \"1m\"\n[filesystem]\nread = [\"/usr\"]\n",
    );
    let output = place.call(&["policy", "show", "--layer", "narrow.toml", "--read", "/srv"]);
    let said = text(&output);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert!(
        said.contains("Taken away by the ceiling narrow.toml") && said.contains("no limit → 1 min"),
        "{said}"
    );
    let json = place.call(&["policy", "show", "--json", "--layer", "narrow.toml", "--read", "/srv"]);
    let object: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["stages"].as_array().unwrap().len(), 2);
    assert!(object["plan"]["limits"]["time"] == 60_000, "{}", object["plan"]["limits"]);
}

#[test]
fn formatting_keeps_comments_and_is_asked_for_by_check() {
    let place = Place::new();
    let text_of = || fs::read_to_string(place.project().join("ringfence.toml")).unwrap();
    place.write("ringfence.toml", "[limits]\ntime='1m' # soon\n[filesystem]\nread=[]\n");
    fs::set_permissions(place.project().join("ringfence.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(code(&place.call(&["policy", "fmt", "--check"])), 1);
    assert_eq!(code(&place.call(&["policy", "fmt"])), 0);
    assert_eq!(text_of(), "[filesystem]\nread = []\n\n[limits]\ntime = '1m'  # soon\n");
    assert_eq!(
        fs::metadata(place.project().join("ringfence.toml")).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(code(&place.call(&["policy", "fmt", "--check"])), 0);
    place.write("ringfence.toml", "reed = [\n");
    assert_eq!(code(&place.call(&["policy", "fmt"])), 125);
    assert_eq!(text_of(), "reed = [\n");
}

#[test]
fn a_signature_counts_until_a_byte_changes() {
    let place = Place::new();
    place.write("c.toml", "kind = \"ceiling\"\nversion = 1\n");
    place.write("password", "correct horse\n");
    let policy = |words: &[&str]| place.call(&[&["policy"], words].concat());
    let made = policy(&["keygen", "--key", "open", "--no-password"]);
    assert_eq!(code(&made), 0, "{}", errors(&made));
    assert_eq!(fs::metadata(place.project().join("open")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(code(&policy(&["keygen", "--key", "open", "--no-password"])), 125, "a key is not overwritten");
    // Without a terminal nobody can type one.
    assert_eq!(code(&policy(&["keygen", "--key", "typed"])), 125);
    assert_eq!(code(&policy(&["sign", "c.toml", "--key", "open"])), 0);
    let right = policy(&["verify", "c.toml", "--key", "open.pub"]);
    assert_eq!(code(&right), 0, "{}", text(&right));

    assert_eq!(code(&policy(&["keygen", "--key", "locked", "--password-file", "password"])), 0);
    assert_eq!(code(&policy(&["verify", "c.toml", "--key", "locked.pub"])), 1, "another key");
    assert_eq!(code(&policy(&["sign", "c.toml", "--key", "locked", "--password-file", "password"])), 0);
    assert_eq!(code(&policy(&["verify", "c.toml", "--key", "locked.pub"])), 0);

    place.write("c.toml", "kind = \"ceiling\"\nversion = 1 \n");
    let changed = policy(&["verify", "c.toml", "--key", "locked.pub"]);
    assert_eq!(code(&changed), 1);
    assert!(text(&changed).contains("changed after signing"), "{}", text(&changed));
    assert_eq!(
        code(&place.call(&["run", "--layer", "c.toml", "true"])),
        125,
        "an altered ceiling stops the run"
    );
}

#[test]
fn presets_are_listed_and_printed_as_policies() {
    let place = Place::new();
    let object: Value = serde_json::from_slice(&place.call(&["policy", "presets", "--json"]).stdout).unwrap();
    assert!(object.as_array().unwrap().iter().all(|preset| !preset["about"].as_str().unwrap().is_empty()));
    fs::write(place.project().join("rust.toml"), place.call(&["policy", "presets", "rust"]).stdout).unwrap();
    assert!(fs::read_to_string(place.project().join("rust.toml")).unwrap().contains("RUSTUP_HOME"));
    let absent = place.call(&["policy", "presets", "rost"]);
    assert_eq!(code(&absent), 125);
}

#[test]
fn layers_add_and_ceilings_narrow() {
    let place = Place::new();
    place.write(
        "more.toml",
        "version = 1\n[environment]\nset = { MORE = \"$TASK\" }\npass = [\"A\", \"B\"]\n",
    );
    place.write("less.toml", "kind = \"ceiling\"\nversion = 1\n[environment]\ndeny = [\"A\"]\n");
    let mut command = place.ringfence(&[
        "run",
        "--layer",
        "more.toml",
        "--layer",
        "less.toml",
        "--",
        "sh",
        "-c",
        "echo $A$B$MORE",
    ]);
    let output = command.env("A", "a").env("B", "b").output().unwrap();
    assert_eq!(text(&output), "b$TASK\n", "{}", errors(&output));
    for flags in [&["--agent", "no-such-agent"][..], &["--stage", "../x"], &["--layer", "no-such-file.toml"]]
    {
        let output = place.shell(flags, "echo started");
        assert_eq!((code(&output), text(&output).as_str()), (125, ""), "{flags:?}");
    }
    let output = place.shell(&["--break-glass", "to see"], "echo started");
    assert_eq!((code(&output), text(&output).as_str()), (125, ""), "{}", errors(&output));
}

#[test]
fn help_is_found_by_every_way_to_ask() {
    let place = Place::new();
    let ways = [
        &["help", "policy", "diff"][..],
        &["policy", "help", "diff"],
        &["policy", "diff", "--help"],
        &["policy", "diff", "-h"],
    ];
    for words in ways {
        let output = place.call(words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(text(&output).contains("what policy B lets that A does not"), "{words:?}: {}", text(&output));
    }
    let alone = place.call(&["policy"]);
    assert!(code(&alone) == 125 && errors(&alone).contains("Usage: ringfence policy"), "{}", errors(&alone));
}

#[test]
fn every_preset_decides_as_its_assertions_say() {
    let place = Place::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../ringfence-policy/presets/tests");
    let presets: Value =
        serde_json::from_slice(&place.call(&["policy", "presets", "--json"]).stdout).unwrap();
    let names = presets.as_array().unwrap().iter().map(|preset| preset["name"].as_str().unwrap());
    let files: Vec<String> = names.map(|name| format!("{folder}/{name}.test")).collect();
    let words: Vec<&str> = ["policy", "test"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = place.call(&words);
    assert_eq!(code(&output), 0, "{}{}", text(&output), errors(&output));
    assert!(files.len() > 20);
}
