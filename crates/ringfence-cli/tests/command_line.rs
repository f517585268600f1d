//! The program as a caller meets it: exit codes, streams, and what is said when.
//! Not the fence itself: that is the trial's business. These need a host on which `ringfence doctor` is content.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

mod place;

use place::{Place, code, errors, text};

fn last_object(output: &Output) -> Value {
    serde_json::from_str(errors(output).lines().last().expect("a last line")).expect("JSON")
}

#[test]
fn the_commands_exit_code_is_ours() {
    let place = Place::new();
    for expected in [0, 1, 2, 123, 124, 125, 126, 127, 128, 255] {
        assert_eq!(code(&place.shell(&[], &format!("exit {expected}"))), expected);
    }
    assert_eq!(code(&place.shell(&[], "kill -TERM $$")), 128 + 15);
    assert_eq!(code(&place.shell(&[], "kill -KILL $$")), 128 + 9);
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_run_126() {
    let place = Place::new();
    let absent = place.run(&["no-such-program"]);
    assert_eq!(code(&absent), 127, "{}", errors(&absent));
    fs::write(place.project().join("text"), "no program").unwrap();
    let refused = place.run(&["./text"]);
    assert_eq!(code(&refused), 126, "{}", errors(&refused));
}

#[test]
fn the_time_limit_is_124_and_is_said() {
    let output = Place::new().run(&["--timeout", "200ms", "sleep", "60"]);
    assert_eq!(code(&output), 124);
    assert_eq!(errors(&output), "ringfence: reached the time limit of 200 ms\n");
}

#[test]
fn what_is_wrong_with_the_words_is_125_and_starts_nothing() {
    let place = Place::new();
    fs::write(place.project().join("broken.toml"), "version = 1\n[filesystem]\nreed = []\n").unwrap();
    // What lies on the way to the project is there inside; what lies beside it is not.
    fs::create_dir(place.project().join("../elsewhere")).unwrap();
    for flags in [
        &["--no-such-flag"][..],
        &["--memory", "1"],
        &["--memory", "lots"],
        &["--timeout", "-1"],
        &["--network", "some"],
        &["--read", "*"],
        &["--read", "/no/such/path"],
        &["--policy", "no-such-file.toml"],
        &["--policy", "broken.toml"],
        &["--allow-unenforced", "limits.memmory"],
        &["--cwd", "no-such-directory"],
        &["--cwd", "../elsewhere"],
    ] {
        let output = place.shell(flags, "touch started");
        assert_eq!(code(&output), 125, "{flags:?}: {}", errors(&output));
        assert!(!errors(&output).is_empty() && !errors(&output).contains("panicked"), "{flags:?}");
        assert!(!place.has("started"), "{flags:?} started the command");
    }
    assert_eq!(code(&place.run(&[])), 125, "without a command");
}

#[test]
fn a_policy_mistake_names_file_line_and_the_nearest_right_name() {
    let place = Place::new();
    fs::write(place.project().join("ringfence.toml"), "version = 1\n[filesystem]\nreed = []\n").unwrap();
    let output = place.run(&["true"]);
    assert_eq!(code(&output), 125);
    let said = errors(&output);
    assert!(said.contains("ringfence.toml:3:1") && said.contains("`filesystem.read`"), "{said}");
}

#[test]
fn a_named_policy_takes_the_place_of_the_projects_own() {
    let place = Place::new();
    let policy = |who| format!("version = 1\n[environment]\nset = {{ FROM = \"{who}\" }}\n");
    fs::write(place.project().join("ringfence.toml"), policy("project")).unwrap();
    fs::write(place.beside("mine.toml"), policy("me")).unwrap();
    assert_eq!(code(&place.call(&["policy", "trust", "--yes"])), 0);
    assert_eq!(place.shell(&[], "echo $FROM").stdout, b"project\n");
    assert_eq!(place.shell(&["--policy", "../mine.toml"], "echo $FROM").stdout, b"me\n");
}

#[test]
fn a_projects_policy_makes_no_hole_and_that_is_said() {
    let place = Place::new();
    fs::write(place.project().join("ringfence.toml"), "version = 1\n[network]\nmode = \"host\"\n").unwrap();
    let output = place.shell(&[], "sed -n 's/ *\\(.*\\):.*/\\1/p' /proc/net/dev");
    assert_eq!(output.stdout, b"lo\n");
    let said = errors(&output);
    assert!(said.contains("network.mode (host)") && said.contains("ringfence policy trust"), "{said}");
}

#[test]
fn a_programs_own_flags_are_its_own() {
    let place = Place::new();
    let output = place.run(&["no-such-program", "--json"]);
    assert_eq!(code(&output), 127);
    assert!(errors(&output).starts_with("ringfence: "), "{}", errors(&output));
    assert_eq!(place.run(&["echo", "--read", "-x"]).stdout, b"--read -x\n");
}

#[test]
fn nothing_refused_nothing_said() {
    let output = Place::new().shell(&[], "echo out; echo err >&2");
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
}

#[test]
fn a_refusal_is_one_line_with_its_rule_and_quiet_leaves_it_out() {
    let place = Place::new();
    let script = "mkdir .git/hooks 2>/dev/null; exit 3";
    let output = place.shell(&[], script);
    assert_eq!(code(&output), 3);
    let said = errors(&output);
    assert!(said.starts_with("ringfence: refused 1 change: .git/hooks (create; built in ("), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert_eq!(errors(&place.shell(&["--quiet"], script)), "");
    assert!(!place.has(".git/hooks"));
}

#[test]
fn names_that_the_command_chose_are_no_orders_to_the_terminal() {
    let script = "mkdir \"$(printf 'held\\033]52;c;x\\007\\nx')\" 2>/dev/null";
    let output = Place::new().shell(&["--protect", "held*"], script);
    assert!(!output.stderr.contains(&0x1b), "{}", errors(&output));
    assert!(
        errors(&output).contains(r"held\x1b]52;c;x\x07\nx (create; --protect held*)"),
        "{}",
        errors(&output)
    );
}

#[test]
fn json_is_the_last_line_whatever_happened() {
    let place = Place::new();
    let quiet = last_object(&place.shell(&["--json"], "exit 7"));
    assert_eq!(
        (&quiet["exit_code"], &quiet["ending"]["exited"], &quiet["denied"]),
        (&7.into(), &7.into(), &0.into())
    );

    let refused = last_object(&place.shell(&["--json"], "mkdir .git/hooks; true"));
    assert_eq!(refused["denied"], 1);
    assert_eq!(refused["events"][0]["operation"], "create");
    assert!(refused["events"][0]["rule"]["origin"]["built_in"].is_string());

    let policy = last_object(&place.shell(&["--json", "--memory", "1"], "true"));
    assert_eq!((&policy["error"]["kind"], &policy["exit_code"]), (&"policy".into(), &125.into()));

    let usage = last_object(&place.run(&["--json", "--no-such-flag", "true"]));
    assert_eq!((&usage["error"]["kind"], &usage["exit_code"]), (&"usage".into(), &125.into()));

    let absent = last_object(&place.run(&["--json", "no-such-program"]));
    assert_eq!(absent["exit_code"], 127);
}

#[test]
fn data_passes_byte_for_byte() {
    let place = Place::new();
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut child =
        place.ringfence(&["run", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = data.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == data);
}

#[test]
fn a_reader_that_went_away_and_a_full_disk_are_no_panic() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = place.ringfence(&["plan"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((code(&gone), errors(&gone).as_str()), (0, ""));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let full = place.ringfence(&["plan"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(code(&full), 125);
    assert!(errors(&full).starts_with("ringfence: failed to write to standard output"), "{}", errors(&full));
}

#[test]
fn closed_standard_streams_are_not_taken_by_files_of_ours() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_ringfence");
    // The command must see /dev/null or nothing in their place, and none of our descriptors elsewhere.
    let inner = "readlink /proc/self/fd/0; readlink /proc/self/fd/2; ls /proc/self/fd | wc -l";
    let script = format!("exec '{program}' run --no-tty -- sh -c '{inner}' <&- 2>&-");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(place.project()).env("HOME", place.home());
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Three, and the one by which ls reads the directory.
    assert_eq!(text, "/dev/null\n/dev/null\n4\n");
}

#[test]
fn a_reader_that_leaves_ends_the_command_and_not_the_fence() {
    let place = Place::new();
    let mut child =
        place.ringfence(&["run", "--output", "1GiB", "--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut [0; 10]).unwrap();
    // SIGPIPE for the command, an error to handle for us.
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn the_variables_that_are_named_pass_and_are_set() {
    let place = Place::new();
    let mut command = place.ringfence(&["run", "--env", "WANTED", "--env", "GIVEN=by flag", "env"]);
    let output = command.env("WANTED", "yes").env("UNWANTED", "no").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("WANTED=yes\n") && text.contains("GIVEN=by flag\n"), "{text}");
    assert!(!text.contains("UNWANTED"), "{text}");
}

#[test]
fn cwd_moves_the_command_and_grants_nothing() {
    let place = Place::new();
    fs::create_dir(place.project().join("sub dir")).unwrap();
    let output = place.run(&["--cwd", "sub dir", "--", "pwd"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim_end(),
        place.project().join("sub dir").to_str().unwrap()
    );
    let outside = place.beside("outside");
    fs::create_dir(&outside).unwrap();
    let output = place.run(&["--cwd", outside.to_str().unwrap(), "--", "touch", "x"]);
    assert_eq!(code(&output), 125, "{}", errors(&output));
    assert!(!outside.join("x").exists());
}

#[test]
fn what_is_granted_in_var_tmp_is_there_and_the_rest_of_it_is_the_sandboxs_own() {
    let (place, other) = (Place::below("/var/tmp"), Place::below("/var/tmp"));
    let own = format!("/var/tmp/own-{}", std::process::id());
    let script = format!("echo in >made; echo own >{own} && cat {own} && echo x >~/x && cat ~/x");
    let output = place.shell(&[], &script);
    assert_eq!((text(&output).as_str(), code(&output)), ("own\nx\n", 0), "{}", errors(&output));
    assert!(place.has("made") && !Path::new(&own).exists());

    let look = format!("ls -d {} || ls -d {own}", other.project().display());
    assert_ne!(code(&place.shell(&[], &look)), 0);
    let elsewhere = Place::new();
    assert_ne!(code(&elsewhere.shell(&[], &look)), 0);
    let shown = elsewhere.shell(&["--read", "/var/tmp"], &look);
    assert_eq!(code(&shown), 0, "{}", errors(&shown));
}

#[test]
fn what_cannot_be_held_is_told_with_the_line_that_asks_for_it() {
    let place = Place::new();
    place.write(
        "p.toml",
        "[network]\nmode = \"rules\"\nallow = [\"a.example\"]\nencrypted_hello = \"refuse\"\n",
    );
    let output = place.shell(&["--policy", "p.toml", "--containment", "process"], "touch started");
    assert_eq!((code(&output), place.has("started")), (125, false));
    for line in ["network.mode is not held", "(p.toml:2:8)", "(p.toml:4:19)"] {
        assert!(errors(&output).contains(line), "{line}: {}", errors(&output));
    }
}

#[test]
fn plan_answers_whether_run_would_start() {
    let place = Place::new();
    let fine = place.ringfence(&["plan", "--json"]).output().unwrap();
    assert_eq!(code(&fine), 0, "{}", errors(&fine));
    let object: Value = serde_json::from_slice(&fine.stdout).unwrap();
    assert_eq!(object["held"], true);
    assert!(object["steps"].as_array().unwrap().len() > 3);
    let absent = place.ringfence(&["plan", "--read", "/no/such/path"]).output().unwrap();
    assert_eq!(code(&absent), 1);
    assert!(errors(&absent).contains("/no/such/path does not exist"), "{}", errors(&absent));
}

#[test]
fn doctor_finds_the_default_policy_held_and_speaks_json() {
    let place = Place::new();
    let output = place.ringfence(&["doctor", "--json"]).output().unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &object["holds_default_policy"]), (0, &true.into()), "{object:#}");
}

#[test]
fn doctor_attack_proves_the_default_policy() {
    let place = Place::new();
    let output = place.ringfence(&["doctor", "--attack", "--json"]).output().unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let broken: Vec<_> =
        object["findings"].as_array().unwrap().iter().filter(|row| row["conclusion"] != "proved").collect();
    assert_eq!((code(&output), &object["holds"]), (0, &true.into()), "{broken:#?}");
    assert!(object["proved"].as_u64().unwrap() >= 40, "{broken:#?}");
    assert!(leftovers(&std::env::temp_dir()).is_empty());
}

#[test]
fn completions_and_manual_are_printed() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = place.ringfence(&["completions", shell]).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("allow-unenforced"), "{shell}");
    }
    let output = place.ringfence(&["man", "run"]).output().unwrap();
    assert!(output.stdout.starts_with(b".ie"), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Scenes of `doctor --attack` by this test's own children that are still there.
fn leftovers(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| {
            let pid = name.strip_prefix("ringfence-doctor-").and_then(|rest| rest.split('-').next());
            pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        })
        .collect()
}
