//! A command with its environment, its time and the place where it starts.
//! Not what it may reach.

use ringfence_plan::Millis;
use ringfence_policy::mxc::{Code, NoteKind, Version};
use serde_json::{Value, json};

use super::{Scene, note};

#[test]
fn a_command_line_is_run_by_a_shell_with_the_contracts_default_environment() {
    let request = Scene::new().read(json!({ "process": { "commandLine": "echo \"$A\"; exit 3" } }));
    assert_eq!(request.command, ["sh", "-c", "echo \"$A\"; exit 3"]);
    let env: Vec<_> = request.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(env, [path, "TERM=xterm-256color"]);
    assert_eq!((request.time, request.container, request.version), (None, None, Version::V1_0));
}

#[test]
fn an_environment_that_is_given_is_all_there_is_unless_it_inherits() {
    let scene = Scene::new();
    let env = |process: Value| {
        let request = scene.read(json!({ "process": process }));
        // Whatever the caller has: nothing passes.
        let caller = [("HOME".into(), "/root".into()), ("LANG".into(), "C".into())];
        let applied = request.plan.environment.apply(caller);
        let applied = applied
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()));
        assert!(applied.eq(request.env.clone()));
        request.env.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(env(json!({ "commandLine": "x", "env": [] })), Vec::<String>::new());
    assert_eq!(env(json!({ "commandLine": "x", "env": ["A=1", "B=x y=z"] })), ["A=1", "B=x y=z"]);
    let inherited = env(json!({ "commandLine": "x", "env": ["TERM=dumb"], "inheritDefaultEnv": true }));
    assert!(inherited.len() == 2 && inherited[1] == "TERM=dumb", "{inherited:?}");
}

#[test]
fn an_entry_of_the_environment_that_sets_nothing_is_told() {
    let scene = Scene::new();
    let request = scene.read(json!({ "process": { "commandLine": "x", "env": ["A=1", "NOEQ"] } }));
    assert_eq!(request.env.len(), 1);
    assert_eq!(note(&request, "process.env[1]").unwrap().0, NoteKind::NoEffect);
    let refusal = scene.refusal(json!({ "process": { "commandLine": "x", "env": ["=bad"] } }));
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::PolicyValidation, Some("process.env[0]")));
}

#[test]
fn values_of_variables_do_not_show_in_a_plans_rules() {
    let request = Scene::new().read(json!({ "process": { "commandLine": "x", "env": ["API_KEY=hunter2"] } }));
    assert!(request.plan.rules.iter().all(|rule| !rule.text.contains("hunter2")));
}

#[test]
fn a_time_out_is_a_limit_and_zero_is_none() {
    let scene = Scene::new();
    let timeout = |ms: Value| scene.try_read(json!({ "process": { "commandLine": "x", "timeout": ms } }));
    assert_eq!(timeout(json!(500)).unwrap().plan.limits.time, Some(Millis(500)));
    assert_eq!(timeout(json!(0)).unwrap().time, None);
    for wrong in [json!(-1), json!(1.5), json!(4294967296u64), json!("5")] {
        assert_eq!(timeout(wrong.clone()).unwrap_err().code, Code::MalformedRequest, "{wrong}");
    }
}

#[test]
fn the_command_starts_where_the_request_says_else_where_the_caller_is_else_at_the_root() {
    let scene = Scene::new();
    let cwd = |cwd: Option<&str>, write: &[&str]| {
        let mut members = scene.files(write, &[], &[]);
        members["process"] = json!({ "commandLine": "x", "cwd": cwd });
        scene.try_read(members).map(|request| request.cwd.to_string())
    };
    assert_eq!(cwd(None, &[]).unwrap(), "/");
    assert_eq!(cwd(None, &["w"]).unwrap(), scene.at("w"));
    assert_eq!(cwd(Some("/tmp"), &[]).unwrap(), "/tmp");
    assert_eq!(cwd(Some(&scene.at("w/secret")), &["w"]).unwrap(), scene.at("w/secret"));
    for wrong in ["/nope", "relative", &scene.at("w")] {
        let refusal = cwd(Some(wrong), &[]).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("process.cwd"), "{wrong}: {refusal}");
    }
}
