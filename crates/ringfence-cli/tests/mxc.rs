//! `ringfence mxc`, and the program under MXC's name, as a caller of MXC's meets them: streams, exit codes, envelopes.
//! Not the language of requests, and not the fence: the policy crate and the trial have those.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

mod place;

use place::{Place, code, errors, text};

/// A request for `command`, with what `more` says on top.
fn request(command: &str, more: &Value) -> Value {
    let mut request = json!({ "version": "1.0.0", "process": { "commandLine": command } });
    merge(&mut request, more);
    request
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn ask_with(place: &Place, words: &[&str], request: &Value) -> Output {
    fs::write(place.beside("request.json"), request.to_string()).unwrap();
    let file = place.beside("request.json").display().to_string();
    place.call(&[&["mxc"], words, &[&file]].concat())
}

fn ask(place: &Place, command: &str, more: &Value) -> Output {
    ask_with(place, &[], &request(command, more))
}

/// The envelope, which stands on a line of its own.
fn envelope(output: &Output) -> Value {
    let said = errors(output);
    let line = said.lines().find(|line| line.starts_with("{\"error\""));
    let line = line.unwrap_or_else(|| panic!("no envelope: {said}"));
    serde_json::from_str::<Value>(line).expect("JSON")["error"].clone()
}

#[test]
fn the_commands_exit_code_passes_and_signals_are_added() {
    let place = Place::new();
    for expected in [0, 1, 2, 42, 255] {
        let output = ask(&place, &format!("exit {expected}"), &json!({}));
        assert_eq!((code(&output), errors(&output)), (expected, String::new()));
    }
    assert_eq!(code(&ask(&place, "kill -9 $$", &json!({}))), 137);
    assert_eq!(code(&ask(&place, "kill -TERM $$", &json!({}))), 143);
}

#[test]
fn streams_are_the_commands_own_byte_by_byte() {
    let output = ask(&Place::new(), "printf 'a\\000\\377b'; echo wrong >&2; exit 3", &json!({}));
    assert_eq!((output.stdout.as_slice(), errors(&output).as_str()), (&[0x61, 0, 0xff, 0x62][..], "wrong\n"));
    assert_eq!(code(&output), 3);
}

#[test]
fn the_environment_is_the_contracts_default_or_what_the_request_says() {
    let place = Place::new();
    let names = |output: &Output| -> Vec<String> {
        let mut names: Vec<String> =
            text(output).lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
        // What the shell and the fence set for themselves.
        names.retain(|name| !["PWD", "OLDPWD", "_", "SHLVL", "RINGFENCE_PLAN"].contains(&name.as_str()));
        names.sort();
        names
    };
    assert_eq!(names(&ask(&place, "env", &json!({}))), ["PATH", "TERM"]);
    let said = json!({ "process": { "env": ["A=1", "B=x y"] } });
    assert_eq!(names(&ask(&place, "/usr/bin/env", &said)), ["A", "B"]);
    let both = json!({ "process": { "env": ["A=1"], "inheritDefaultEnv": true } });
    assert_eq!(names(&ask(&place, "env", &both)), ["A", "PATH", "TERM"]);
    assert_eq!(
        names(&ask(&place, "/usr/bin/env", &json!({ "process": { "env": [] } }))),
        Vec::<String>::new()
    );
}

#[test]
fn a_request_comes_from_a_file_in_three_ways_from_standard_input_and_in_base64() {
    let place = Place::new();
    let text_of_it = request("echo ran", &json!({})).to_string();
    place.write("r.json", &text_of_it);
    assert_eq!(text(&place.call(&["mxc", "r.json"])), "ran\n");
    assert_eq!(text(&place.call(&["mxc", "--config", "r.json"])), "ran\n");
    // {"version":"1.0.0","process":{"commandLine":"echo ran"}}
    let base64 = "eyJ2ZXJzaW9uIjoiMS4wLjAiLCJwcm9jZXNzIjp7ImNvbW1hbmRMaW5lIjoiZWNobyByYW4ifX0=";
    assert_eq!(text(&place.call(&["mxc", "--config-base64", base64])), "ran\n");
    let mut child =
        place.ringfence(&["mxc", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text_of_it.as_bytes()).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap()), "ran\n");
    // Two requests are one too many: which of them would have counted?
    assert_eq!(code(&place.call(&["mxc", "r.json", "--config", "r.json"])), 2);
}

#[test]
fn under_mxcs_name_the_program_is_the_command() {
    let place = Place::new();
    let named = place.beside("lxc-exec");
    symlink(env!("CARGO_BIN_EXE_ringfence"), &named).unwrap();
    place.write("r.json", &request("exit 42", &json!({})).to_string());
    let mut command = Command::new(&named);
    command.current_dir(place.project()).env("HOME", place.home()).stdin(Stdio::null());
    assert_eq!(command.args(["--experimental", "r.json"]).status().unwrap().code(), Some(42));
    let mut help = Command::new(&named);
    let help = help.arg("--help").output().unwrap();
    assert_eq!(code(&help), 0);
    assert!(text(&help).contains("Usage: lxc-exec"));
}

#[test]
fn what_is_no_request_is_1_with_words_and_an_envelope() {
    let place = Place::new();
    for (wrong, said) in [
        ("{", ""),
        (r#"{"version":"1.0.0","process":{"commandLine":""}}"#, "process.commandLine"),
        (r#"{"version":"1.0.0","process":{"commandLine":"true"},"bogus":1}"#, "bogus"),
        (r#"{"version":"9.9","process":{"commandLine":"true"}}"#, "version"),
        (r#"{"version":"1.0.0","process":{"commandLine":"true"}} x"#, ""),
    ] {
        place.write("r.json", wrong);
        let output = place.call(&["mxc", "r.json"]);
        assert_eq!(code(&output), 1, "{wrong}: {}", errors(&output));
        assert!(
            errors(&output).starts_with("Request error\nConfiguration parse error: "),
            "{}",
            errors(&output)
        );
        let envelope = envelope(&output);
        assert_eq!(envelope["code"], "malformed_request", "{wrong}");
        assert!(envelope["message"].as_str().unwrap().contains(said), "{envelope}");
    }
    for words in [&["mxc", "--config-base64", "!!!"][..], &["mxc", "no-such-file"], &["mxc"]] {
        let output = place.call(words);
        assert_eq!(code(&output), 1, "{words:?}");
        assert_eq!(envelope(&output)["code"], "malformed_request", "{words:?}: {}", errors(&output));
    }
    assert_eq!(code(&place.call(&["mxc", "--no-such-flag"])), 2);
}

#[test]
fn each_refusal_has_the_code_for_its_kind() {
    let place = Place::new();
    for (more, exit, expected) in [
        (json!({ "containment": "seatbelt" }), 1, "unsupported_containment"),
        (json!({ "network": { "ingress": { "default": "allow" } } }), 255, "policy_validation"),
        (json!({ "filesystem": { "readonlyPaths": ["/no/such/path"] } }), 255, "policy_validation"),
        (json!({ "process": { "cwd": "/no/such/path" } }), 255, "policy_validation"),
    ] {
        let output = ask(&place, "echo ran", &more);
        assert_eq!(text(&output), "", "{more} ran");
        assert_eq!(envelope(&output)["code"], expected, "{more}: {}", errors(&output));
        assert_eq!(code(&output), exit, "{more}: {}", errors(&output));
    }
}

#[test]
fn the_time_out_is_255_ends_everything_and_says_so_on_a_line_of_its_own() {
    let place = Place::new();
    let project = place.project().display().to_string();
    let more = json!({
        "process": { "timeout": 300 },
        "filesystem": { "readwritePaths": [project] },
    });
    let begun = Instant::now();
    let output = ask(&place, "printf unended >&2; (sleep 2; touch late) & sleep 60", &more);
    assert_eq!(code(&output), 255);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(envelope(&output)["message"], "script timed out after 300ms");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!place.has("late"), "a child went on");
}

#[test]
fn children_in_the_background_end_with_the_command() {
    let place = Place::new();
    let more = json!({ "filesystem": { "readwritePaths": [place.project().display().to_string()] } });
    let output = ask(&place, "(sleep 1; touch late) >/dev/null 2>&1 & echo begun", &more);
    assert_eq!((code(&output), text(&output).as_str()), (0, "begun\n"));
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!place.has("late"));
}

/// What came on descriptor 9, an event a line.
fn status(place: &Place, request: &Value) -> (Vec<Value>, Output) {
    fs::write(place.beside("request.json"), request.to_string()).unwrap();
    let script = r#"exec "$0" mxc --status-fd 9 "$1" 9>"$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_ringfence")]);
    command.arg(place.beside("request.json")).arg(place.beside("status"));
    command.current_dir(place.project()).env("HOME", place.home()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = fs::read_to_string(place.beside("status")).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), output)
}

#[test]
fn the_status_tells_apart_what_the_exit_code_does_not() {
    let place = Place::new();
    let last =
        |command: &str, more: &Value| status(&place, &request(command, more)).0.pop().expect("an event");
    let missing = json!({ "filesystem": { "readonlyPaths": ["/no/such/path"] } });
    let refused = json!({ "network": { "ingress": { "default": "allow" } } });
    for (command, more, event, exit) in [
        ("exit 255", json!({}), "exited", 255),
        ("exit 1", json!({}), "exited", 1),
        ("kill -9 $$", json!({}), "signaled", 137),
        ("sleep 9", json!({ "process": { "timeout": 200 } }), "timed_out", 255),
        ("true", missing, "setup_failed", 255),
        ("true", refused, "refused", 255),
        ("true", json!({ "bogus": 1 }), "malformed", 1),
    ] {
        let told = last(command, &more);
        assert_eq!(
            (&told["event"], &told["exit_code"]),
            (&json!(event), &json!(exit)),
            "{command} {more}: {told}"
        );
    }
}

#[test]
fn the_command_has_no_part_in_the_status() {
    let place = Place::new();
    let forged = r#"echo '{"event":"exited","exit_code":0}' >&9; ls -l /proc/self/fd; exit 255"#;
    let (told, output) = status(&place, &request(forged, &json!({})));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["exit_code"], 255);
    assert!(!text(&output).contains("status"), "{}", text(&output));
}

#[test]
fn a_field_without_effect_has_its_verdict_in_the_status_and_not_in_the_streams() {
    let place = Place::new();
    let (told, output) = status(&place, &request("echo ran", &json!({ "ui": { "clipboard": "all" } })));
    assert_eq!((text(&output).as_str(), errors(&output).as_str()), ("ran\n", ""));
    let field = told.iter().find(|event| event["event"] == "field").expect("a verdict");
    assert_eq!(field["field"], "ui.clipboard");
    assert!(!field["why"].as_str().unwrap().is_empty());
}

#[test]
fn the_log_is_appended_to_one_object_a_line_with_the_hash_of_the_policy() {
    let place = Place::new();
    let log = place.beside("log").display().to_string();
    let mut hashes = Vec::new();
    for command in ["true", "false"] {
        ask_with(&place, &["--log-file", &log], &request(command, &json!({})));
    }
    let text = fs::read_to_string(&log).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for event in &events {
        assert!(event["time_ms"].is_u64(), "{event}");
        if event["event"] == "mxc.PolicyHash" {
            assert_eq!(event["config_schema_version"], "1.0.0");
            hashes.push(event["policy_hash"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(hashes.len(), 2);
    assert!(hashes[0].starts_with("sha256:") && hashes[0].len() == 71);
    // The policy is the same; the command is no part of it.
    assert_eq!(hashes[0], hashes[1]);
    assert!(events.iter().any(|event| event["event"] == "exited" && event["exit_code"] == 1));
}

#[test]
fn a_log_that_is_a_symlink_or_no_file_is_refused_and_nothing_runs() {
    let place = Place::new();
    place.write("real", "kept\n");
    symlink("real", place.project().join("link")).unwrap();
    for log in ["link", "/dev/full", "no-such-directory/log"] {
        let output = ask_with(&place, &["--log-file", log], &request("echo ran", &json!({})));
        assert_eq!((code(&output), text(&output).as_str()), (1, ""), "{log}: {}", errors(&output));
        assert!(envelope(&output)["message"].as_str().unwrap().contains(log), "{}", errors(&output));
    }
    assert_eq!(fs::read_to_string(place.project().join("real")).unwrap(), "kept\n");
}

#[test]
fn debug_speaks_on_standard_error_and_leaves_standard_output_alone() {
    let output = ask_with(&Place::new(), &["--debug"], &request("echo ran", &json!({})));
    assert_eq!(text(&output), "ran\n");
    let said = errors(&output);
    assert!(said.lines().all(|line| line.starts_with("mxc: {")) && said.contains("\"exited\""), "{said}");
}

#[test]
fn debug_that_nobody_reads_does_not_stop_the_clock() {
    let place = Place::new();
    let more = json!({
        "process": { "timeout": 3000 },
        "filesystem": { "readwritePaths": [place.project().display().to_string()] },
    });
    // Some hundred refusals, each of which is told, come to more than a pipe holds.
    let script = "n=0; while [ $n -lt 900 ]; do echo x 2>/dev/null >.git/config; n=$((n+1)); done
        while :; do echo x >>beat; sleep 0.1; done";
    fs::write(place.beside("request.json"), request(script, &more).to_string()).unwrap();
    let file = place.beside("request.json").display().to_string();
    let child = place.ringfence(&["mxc", "--debug", &file]).stderr(Stdio::piped()).spawn().unwrap();
    let beats = || fs::read(place.project().join("beat")).unwrap_or_default().len();
    std::thread::sleep(Duration::from_millis(6500));
    let before = beats();
    std::thread::sleep(Duration::from_millis(1000));
    let after = beats();
    let output = child.wait_with_output().unwrap();
    let told = errors(&output).matches("\"denied\"").count();
    assert!(told > 300 && before > 0, "{told} refusals and {before} beats are no test");
    assert_eq!((after, code(&output)), (before, 255), "the command went on");
}

#[test]
fn a_dry_run_runs_nothing_and_says_whether_a_run_would_start() {
    let place = Place::new();
    let more = json!({ "filesystem": { "readwritePaths": [place.project().display().to_string()] } });
    let good = ask_with(&place, &["--dry-run"], &request("touch ran", &more));
    assert_eq!(code(&good), 0, "{}", errors(&good));
    assert_eq!(text(&good).lines().last(), Some("Dry run completed. Result: validation passed"));
    assert!(!place.has("ran"));
    let missing = json!({ "filesystem": { "readonlyPaths": ["/no/such/path"] } });
    let bad = ask_with(&place, &["--dry-run"], &request("true", &missing));
    assert_eq!(code(&bad), 255);
    assert!(text(&bad).contains("Dry run completed. Result: validation failed: "), "{}", text(&bad));
    assert_eq!(envelope(&bad)["code"], "policy_validation");
}

#[test]
fn backends_are_named_after_a_sandbox_was_started() {
    let output = Place::new().call(&["mxc", "--available-backends"]);
    assert_eq!(code(&output), 0);
    let found: Value = serde_json::from_str(&text(&output)).expect("JSON");
    let names: Vec<&str> =
        found.as_array().unwrap().iter().filter_map(|one| one["backend"].as_str()).collect();
    assert_eq!(names, ["bubblewrap", "lxc"], "{found} {}", errors(&output));
}

#[test]
fn there_is_no_container_to_delete() {
    let place = Place::new();
    let nameless = place.call(&["mxc", "--delete"]);
    assert_eq!((code(&nameless), errors(&nameless).contains("--containername")), (1, true));
    let named = place.call(&["mxc", "--delete", "--containername", "x"]);
    assert_eq!((code(&named), text(&named).starts_with("Container 'x' does not exist")), (1, true));
}

#[test]
fn no_variable_and_no_request_stands_in_the_words_of_a_process() {
    let place = Place::new();
    let secret = format!("a-secret-{}", std::process::id());
    let more = json!({ "process": { "env": [format!("API_KEY={secret}"), "PATH=/usr/bin:/bin"] } });
    fs::write(place.beside("request.json"), request("echo begun; sleep 2", &more).to_string()).unwrap();
    let file = place.beside("request.json").display().to_string();
    let mut child = place.ringfence(&["mxc", &file]).stdout(Stdio::piped()).spawn().unwrap();
    let mut begun = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut begun).unwrap();
    let words = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let shown =
        words.filter(|words| words.windows(secret.len()).any(|part| part == secret.as_bytes())).count();
    child.wait().unwrap();
    assert_eq!(shown, 0);
}

#[test]
fn a_request_in_base64_is_blotted_out_of_the_words_of_the_process() {
    let place = Place::new();
    // {"version":"1.0.0","process":{"commandLine":"echo begun; sleep 2","env":["K=a-secret-in-base64","PATH=/usr/bin"]}}
    let base64 = "eyJ2ZXJzaW9uIjoiMS4wLjAiLCJwcm9jZXNzIjp7ImNvbW1hbmRMaW5lIjoiZWNobyBiZWd1bjsgc2xlZXAgMiIsImVudiI6WyJLPWEtc2VjcmV0LWluLWJhc2U2NCIsIlBBVEg9L3Vzci9iaW4iXX19";
    for words in [
        vec!["mxc".into(), "--config-base64".into(), base64.to_owned()],
        vec!["mxc".into(), format!("--config-base64={base64}")],
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut child = place.ringfence(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut begun = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut begun).unwrap();
        let shown = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
        child.wait().unwrap();
        assert_eq!(&begun, b"begun\n");
        assert!(shown.contains("--config-base64") && !shown.contains(&base64[..8]), "{shown}");
    }
}

#[test]
fn a_command_does_not_write_its_own_request_by_whatever_name_that_was_given() {
    let place = Place::new();
    let more = json!({ "filesystem": { "readwritePaths": [place.project().display().to_string()] } });
    let script =
        "cd \"$PWD\"; echo x >r.json; mv r.json other; rm -f r.json; ln -sf /dev/null link; echo done >mark";
    for name in ["r.json", "./r.json", "../project/r.json", "link"] {
        place.write("r.json", &request(script, &more).to_string());
        let _ = fs::remove_file(place.project().join("link"));
        symlink("r.json", place.project().join("link")).unwrap();
        let output = place.call(&["mxc", name]);
        assert_eq!(code(&output), 0, "{name}: {}", errors(&output));
        let kept = fs::read_to_string(place.project().join("r.json")).unwrap_or_default();
        assert_eq!(kept, request(script, &more).to_string(), "{name}");
        if name == "link" {
            assert_eq!(fs::read_link(place.project().join("link")).unwrap().to_str(), Some("r.json"));
        }
        assert!(place.has("mark"));
    }
}
