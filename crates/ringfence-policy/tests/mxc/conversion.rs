//! Requests as policies, and plans as requests.
//! Not the reading of either.

use std::fs;

use ringfence_plan::{Plan, Protocol};
use ringfence_policy::mxc::{hash, read};
use serde_json::{Value, json};

use super::{Scene, decides};

/// The plan of an imported request, as anybody's policy.
fn imported(scene: &Scene, text: &str) -> (String, Plan) {
    let policy =
        ringfence_policy::mxc::import(text, &scene.context).unwrap_or_else(|refusal| panic!("{refusal}"));
    scene.put("imported.toml", &policy);
    let request = ringfence_policy::Request {
        cwd: scene.place.join("r"),
        home: scene.context.home.clone(),
        policy_files: vec![scene.place.join("imported.toml")],
        places: scene.context.places.clone(),
        ..ringfence_policy::Request::default()
    };
    let composed = ringfence_policy::load(&request).and_then(ringfence_policy::compose);
    let composed = composed.unwrap_or_else(|report| panic!("{report}\n{policy}"));
    (policy, ringfence_policy::compile(&composed).unwrap())
}

fn full(scene: &Scene) -> Value {
    fs::create_dir_all(scene.place.join("w/a*b")).unwrap();
    let mut request = scene.files(&["w", "w$x"], &["r"], &["w/secret", "w/a*b", "w/[id]"]);
    request["version"] = json!("1.0.0");
    request["process"] = json!({ "commandLine": "echo \"hi\"\n# [filesystem]", "timeout": 1500,
        "env": ["A=x \"y\" $z", "PATH=/usr/bin"] });
    request["network"] = json!({ "egress": {
        "allow": [{ "to": [{ "cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"] }], "ports": [{ "protocol": "tcp", "port": 443 }] },
                  { "to": [{ "cidr": "2001:db8::/32" }] }],
        "deny": [{ "to": [{ "cidr": "10.1.0.0/16" }] }] } });
    request["ringfence"] = json!({ "limits": { "memory": "512MiB", "cpu": "1.5" }, "network": { "allow": ["api.example:443"] } });
    request
}

#[test]
fn an_imported_request_decides_as_the_request_does() {
    let scene = Scene::new();
    let text = full(&scene).to_string();
    let request = read(&text, &scene.context).unwrap();
    let (policy, plan) = imported(&scene, &text);
    for name in ["w/x", "w$x/y", "r/x", "w/secret/x", "w/a*b", "w/[id]", "w/axb", "w/i", "home/x", "other"] {
        assert_eq!(scene.access(&plan, name), scene.access(&request.plan, name), "{name}\n{policy}");
    }
    let endpoints = |plan: &Plan| {
        let all = plan.network.allow.iter().map(|rule| format!("allow {}", rule.endpoint));
        let mut all: Vec<_> =
            all.chain(plan.network.deny.iter().map(|rule| format!("deny {}", rule.endpoint))).collect();
        all.sort();
        all
    };
    assert_eq!(endpoints(&plan), endpoints(&request.plan), "{policy}");
    assert_eq!(
        (plan.limits.time, plan.limits.memory, plan.limits.cpu),
        (request.plan.limits.time, request.plan.limits.memory, request.plan.limits.cpu)
    );
    assert_eq!(plan.environment.set["A"].0, "x \"y\" $z");
    assert_eq!(plan.files.workspace, None);
    // What a request holds cannot end a comment and become policy.
    assert_eq!(policy.matches("\n[filesystem]").count(), 1, "{policy}");
}

#[test]
fn an_exported_plan_is_a_request_that_decides_as_far_as_it_can() {
    let scene = Scene::new();
    let mut members = full(&scene);
    members.as_object_mut().unwrap().remove("ringfence");
    for name in ["w$x", "w/[id]"] {
        fs::create_dir_all(scene.place.join(name)).unwrap();
    }
    let request = read(&members.to_string(), &scene.context).unwrap();
    let exported = ringfence_policy::mxc::export(&request.plan, "echo hi");
    assert!(!exported.request.contains("\"ringfence\""), "{}", exported.request);
    let again = read(&exported.request, &scene.context)
        .unwrap_or_else(|refusal| panic!("{refusal}\n{}", exported.request));
    for name in ["w/x", "w$x/y", "r/x", "w/secret/x", "w/a*b", "w/[id]", "w/axb", "w/i", "home/x", "other"] {
        assert_eq!(scene.access(&again.plan, name), scene.access(&request.plan, name), "{name}");
    }
    assert_eq!(again.env, request.env);
    assert_eq!(again.time, request.time);
    for (address, port) in
        [("10.0.0.1", 443), ("10.9.0.1", 443), ("10.1.0.1", 443), ("2001:db8::1", 1), ("10.0.0.1", 80)]
    {
        let decides = |plan: &Plan| decides(plan, address, port, Protocol::Tcp);
        assert_eq!(decides(&again.plan), decides(&request.plan), "{address} {port}");
    }
    let proxied = json!({ "runtimeConfig": { "networkProxy": "http://127.0.0.1:8080" } });
    let proxied = scene.read(proxied);
    let again = read(&ringfence_policy::mxc::export(&proxied.plan, "true").request, &scene.context).unwrap();
    assert_eq!((hash(&again.plan), again.env), (hash(&proxied.plan), proxied.env));
}

#[test]
fn what_a_request_cannot_say_is_named_with_its_effect() {
    use ringfence_policy::mxc::{Effect, export};
    let scene = Scene::new();
    scene.put("p.toml", "version = 1\nextends = []\n[filesystem]\nworkspace = false\nwrite = [\"w\"]\ndeny = [\"**/.env\", \"w/absent\"]\n[network]\nallow = [\"api.example:443\", \"0.0.0.0/0:443\", \"10.0.0.0/8:443\"]\ndeny = [\"bad.example\"]\n");
    let request = ringfence_policy::Request {
        cwd: scene.place.clone(),
        home: scene.context.home.clone(),
        policy_files: vec!["p.toml".into()],
        places: scene.context.places.clone(),
        ..ringfence_policy::Request::default()
    };
    let composed = ringfence_policy::load(&request).and_then(ringfence_policy::compose).unwrap();
    let exported = export(&ringfence_policy::compile(&composed).unwrap(), "true");
    let has = |effect: Effect, field: &str, word: &str| {
        exported
            .unsaid
            .iter()
            .any(|unsaid| unsaid.effect == effect && unsaid.field == field && unsaid.text.contains(word))
    };
    for denied in [".env", "w/absent: it is absent"] {
        assert!(has(Effect::Wider, "filesystem.deny", denied), "{:?}", exported.unsaid);
    }
    assert!(
        has(Effect::Wider, "network.deny", "bad.example")
            && has(Effect::Narrower, "network.allow", "api.example")
    );
    assert!(has(Effect::Wider, "network.allow", "0.0.0.0/0: addresses in it"));
    assert!(!has(Effect::Wider, "network.allow", "10.0.0.0/8: addresses in it"));
    assert!(has(Effect::Wider, "limits.processes", "") && has(Effect::Wider, "filesystem.protect", ""));
    assert!(read(&exported.request, &scene.context).is_ok(), "{}", exported.request);
}

#[test]
fn a_request_cannot_be_made_too_long_to_be_read() {
    let scene = Scene::new();
    let paths: Vec<String> = (0..=10_000).map(|nth| format!("/nonexistent/{nth}")).collect();
    let refusal = scene.refusal(json!({ "filesystem": { "readonlyPaths": paths } }));
    assert_eq!(refusal.field.as_deref(), Some("filesystem.readonlyPaths[10000]"));
    let holes: Vec<String> = (0..=512).map(|nth| format!("2001:db8:{nth:x}::1")).collect();
    let refusal = scene.refusal(
        json!({ "network": { "egress": { "allow": [{ "to": [{ "cidr": "::/0", "except": holes }] }] } } }),
    );
    assert_eq!(refusal.field.as_deref(), Some("network.egress.allow[0].to[0].cidr"));
    let holes: Vec<String> = (0..512).map(|nth| format!("2001:db8:{nth:x}::1")).collect();
    let to: Vec<Value> = (0..4).map(|_| json!({ "cidr": "::/0", "except": holes })).collect();
    let refusal = scene.refusal(json!({ "network": { "egress": { "allow": [{ "to": to }] } } }));
    assert!(refusal.message.contains("endpoints"), "{refusal}");
    let env: Vec<&str> = vec!["A=1"; 100_000];
    assert_eq!(scene.read(json!({ "process": { "commandLine": "x", "env": env } })).env.len(), 1);
}
