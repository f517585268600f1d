//! Our own member, and the hash of what is decided.
//! Not what MXC knows.

use ringfence_plan::{Bytes, Level, Protocol, Target};
use ringfence_policy::mxc::{hash, read};
use serde_json::json;

use super::Scene;

#[test]
fn our_own_member_has_limits_names_and_a_level() {
    let scene = Scene::new();
    let plan = scene
        .read(json!({ "ringfence": {
        "limits": { "memory": "512MiB", "processes": 64, "cpu": "1.5", "tmp": "16MiB" },
        "network": { "allow": ["api.example:443", "*.sub.example"], "deny": ["bad.sub.example"] },
        "containment": "namespaces",
    } }))
        .plan;
    assert_eq!(
        (plan.limits.memory, plan.limits.processes, plan.limits.tmp),
        (Some(Bytes(512 << 20)), Some(64), Bytes(16 << 20))
    );
    let reach = |name: &str, port| plan.network.decide(&Target::parse(name).unwrap(), port, Protocol::Tcp).0;
    assert!(
        reach("api.example", 443)
            && reach("x.sub.example", 80)
            && !reach("api.example", 80)
            && !reach("bad.sub.example", 443)
    );
    assert_eq!(plan.containment.level, Level::Namespaces);
    for (own, field) in [
        (json!({ "limits": { "memory": "2G" } }), "ringfence.limits.memory"),
        (json!({ "limits": { "memory": "1" } }), "ringfence.limits.memory"),
        (json!({ "limits": { "memory": "unlimited" } }), "ringfence.limits.memory"),
        (json!({ "limits": { "tmp": "0" } }), "ringfence.limits.tmp"),
        (json!({ "limits": { "tmp": "0.4" } }), "ringfence.limits.tmp"),
        (json!({ "limits": { "open_files": 1 } }), "ringfence.limits.open_files"),
        (json!({ "network": { "allow": ["a b"] } }), "ringfence.network.allow[0]"),
        (json!({ "network": { "allow": ["@github"] } }), "ringfence.network.allow[0]"),
        (json!({ "limit": {} }), "ringfence.limit"),
    ] {
        assert_eq!(scene.refusal(json!({ "ringfence": own })).field.as_deref(), Some(field));
    }
}

#[test]
fn the_hash_is_that_of_what_is_decided() {
    let scene = Scene::new();
    let one = read(&format!(r#"{{"version":"1.0.0","process":{{"commandLine":"x"}},"filesystem":{{"readonlyPaths":["{}"]}}}}"#, scene.at("r")), &scene.context).unwrap();
    let other = read(&format!("{{\"process\":{{\"commandLine\":\"y\"}},\n\n\"filesystem\":{{\"readonlyPaths\":[\"{}/\"]}},\"version\":\"1.1.0-alpha\"}}", scene.at("r")), &scene.context).unwrap();
    assert!(hash(&one.plan) == hash(&other.plan) && hash(&one.plan).len() == 64);
    assert_ne!(hash(&one.plan), hash(&scene.read(scene.files(&["r"], &[], &[])).plan));
    let env = |value: &str| {
        let request = json!({ "process": { "commandLine": "x", "env": [format!("rule={value}")] } });
        hash(&scene.read(request).plan)
    };
    assert_ne!(env("1"), env("2"));
}
