//! Versions, members, sections of other systems; and how what is wrong is told.
//! Not what a right request means.

use ringfence_plan::{Level, Origin};
use ringfence_policy::mxc::{Code, NoteKind, Version, read};
use serde_json::{Value, json};

use super::{Scene, note};

#[test]
fn what_mxc_takes_in_silence_is_answered() {
    let request = Scene::new().read(json!({
        "containerId": "box-1",
        "ui": { "disable": true, "clipboard": "all", "injection": true },
        "lifecycle": { "destroyOnExit": false, "preservePolicy": false },
        "fallback": { "allowDaclMutation": true },
        "telemetry": { "enabled": true },
    }));
    use NoteKind::{Honoured, Narrowed, NoEffect};
    let expected = [
        ("containerId", Honoured),
        ("ui.disable", Honoured),
        ("ui.clipboard", Narrowed),
        ("ui.injection", NoEffect),
        ("lifecycle.destroyOnExit", NoEffect),
        ("lifecycle.preservePolicy", Honoured),
        ("fallback.allowDaclMutation", NoEffect),
        ("telemetry.enabled", NoEffect),
    ];
    for (field, kind) in expected {
        assert_eq!(note(&request, field).map(|(kind, _)| kind), Some(kind), "{field}");
    }
    assert_eq!(request.container.as_deref(), Some("box-1"));
}

#[test]
fn sections_of_other_systems_stand_beside_and_a_contradicting_one_is_refused() {
    let scene = Scene::new();
    for containment in ["process", "bubblewrap"] {
        let request = scene.read(json!({
            "containment": containment, "processContainer": { "leastPrivilege": true }, "seatbelt": { "guiAccess": true },
        }));
        assert_eq!(note(&request, "seatbelt").unwrap().0, NoteKind::NoEffect);
        let refusal = scene
            .refusal(json!({ "containment": containment, "lxc": { "distribution": "x", "release": "y" } }));
        assert_eq!(refusal.field.as_deref(), Some("lxc"));
    }
    let request = scene.read(json!({ "containment": "lxc", "lxc": { "distribution": "x", "release": "y" } }));
    assert_eq!(request.plan.containment.level, Level::Auto);
    // Not used, but not unread either.
    let refusal = scene.refusal(json!({ "seatbelt": { "guiAcces": true } }));
    assert_eq!(refusal.field.as_deref(), Some("seatbelt.guiAcces"));
    for capability in ["a,b", "learningModeLogging", "PERMISSIVElearningMODE"] {
        let refusal = scene.refusal(json!({ "processContainer": { "capabilities": ["a", capability] } }));
        assert_eq!(refusal.field.as_deref(), Some("processContainer.capabilities[1]"));
    }
    for (name, alias) in [("processContainer", "appContainer"), ("seatbelt", "macos_sandbox")] {
        let old = "0.8.0-alpha";
        assert!(note(&scene.read(json!({ "version": old, alias: {} })), alias).is_some());
        let refusal = scene.refusal(json!({ "version": old, name: {}, alias: {} }));
        assert_eq!(refusal.field.as_deref(), Some(alias));
    }
    for other in [
        "processcontainer",
        "seatbelt",
        "vm",
        "wslc",
        "windows_sandbox",
        "microvm",
        "hyperlight",
        "isolation_session",
    ] {
        assert_eq!(
            scene.refusal(json!({ "containment": other })).code,
            Code::UnsupportedContainment,
            "{other}"
        );
    }
    assert_eq!(scene.refusal(json!({ "containment": "bwrap" })).code, Code::MalformedRequest);
}

#[test]
fn versions_decide_which_members_there_are() {
    let scene = Scene::new();
    let version = |version: Value, members: Value| {
        let mut request = json!({ "version": version, "process": { "commandLine": "x" } });
        for (name, value) in members.as_object().unwrap() {
            request[name] = value.clone();
        }
        read(&request.to_string(), &scene.context)
    };
    for (text, expected) in [
        ("0.8.0-alpha", Version::V0_8),
        ("0.9.0-alpha", Version::V0_9),
        ("1.0.0", Version::V1_0),
        ("1.1.0-alpha", Version::V1_1),
    ] {
        assert_eq!(version(json!(text), json!({})).unwrap().version, expected);
    }
    for wrong in ["1.0.1", "1.1.0", "2.0.0", "9.9", "0.10.0-alpha", "0.5.0", "", "1.0.0-alpha", "v1.0.0"] {
        let refusal = version(json!(wrong), json!({})).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.field.as_deref()),
            (Code::MalformedRequest, Some("version")),
            "{wrong}"
        );
    }
    assert_eq!(version(json!(1), json!({})).unwrap_err().field.as_deref(), Some("version"));
    let absent = read(r#"{"process":{"commandLine":"x"}}"#, &scene.context).unwrap();
    assert_eq!((absent.version, note(&absent, "version").is_some()), (Version::V0_8, true));
    assert!(version(json!("0.8.0-alpha"), json!({ "telemetry": {} })).is_err());
    assert!(version(json!("1.0.0"), json!({ "hyperlight": {} })).is_err());
    assert!(version(json!("1.0.0"), json!({ "appContainer": {} })).is_err());
    assert!(version(json!("0.9.0-alpha"), json!({ "appContainer": {} })).is_ok());
}

#[test]
fn requests_of_a_lifecycle_are_refused_as_such() {
    let scene = Scene::new();
    for text in [
        r#"{"version":"1.0.0","phase":"provision","containment":"bubblewrap"}"#,
        r#"{"version":"1.0.0","phase":"exec","sandboxId":"iso:1","process":{"commandLine":"x"}}"#,
        r#"{"version":"1.0.0","sandboxId":"iso:1","process":{"commandLine":"x"}}"#,
    ] {
        assert_eq!(read(text, &scene.context).unwrap_err().code, Code::UnsupportedPhase, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_by_path_line_and_column() {
    let scene = Scene::new();
    let wrong = |text: &str| {
        let refusal = read(text, &scene.context).unwrap_err();
        assert_eq!(refusal.code, Code::MalformedRequest, "{refusal}");
        (refusal.field.unwrap_or_default(), refusal.line, refusal.column)
    };
    assert_eq!(
        wrong("{\n \"version\": \"1.0.0\",\n \"bogus\": 1,\n \"process\": {\"commandLine\":\"x\"}}"),
        ("bogus".into(), 3, 2)
    );
    assert_eq!(
        wrong("{\"version\":\"1.0.0\",\n\"process\":{\"commandLine\":\"x\",\"commandLine\":\"y\"}}"),
        ("process.commandLine".into(), 2, 30)
    );
    assert_eq!(
        wrong("{\"version\":\"1.0.0\",\"process\":{\"commandLine\":\"x\"}}\n{}"),
        (String::new(), 2, 1)
    );
    assert_eq!(wrong("{\"version\":\"1.0.0\",\"process\":{\"commandLine\":\"\"}}").0, "process.commandLine");
    assert_eq!(wrong("{\"version\":\"1.0.0\",\"process\":{}}").0, "process.commandLine");
    assert_eq!(wrong("{\"version\":\"1.0.0\"}").0, "process");
    assert_eq!(
        wrong("{\"version\":\"1.0.0\",\"process\":{\"commandLine\":\"a\\u0000b\"}}").0,
        "process.commandLine"
    );
    assert_eq!(wrong("{\"version\":\"1.0.0\",\"process\":{\"commandLine\":7}}").0, "process.commandLine");
    assert_eq!(wrong("[]"), (String::new(), 1, 1));
}

#[test]
fn rules_name_the_line_of_the_request() {
    let scene = Scene::new();
    let text = format!(
        "{{\"version\":\"1.0.0\",\"process\":{{\"commandLine\":\"x\"}},\n\"filesystem\":{{\"deniedPaths\":[\"{}\"]}}}}",
        scene.at("w")
    );
    let plan = read(&text, &scene.context).unwrap().plan;
    let (_, rule) = plan.files.access(&scene.path("w/x")).unwrap();
    let rule = plan.rule(rule);
    assert!(rule.text.starts_with("filesystem.deniedPaths[0] = "), "{rule}");
    let Origin::File { path, line, column, .. } = &rule.origin else { panic!("{rule}") };
    assert_eq!((path.as_str(), *line, *column), ("request.json", 2, 30));
}
