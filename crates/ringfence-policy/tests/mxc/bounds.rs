//! What bounds a request: ceilings and the sandbox around.
//! Not what it bounds itself by.

use ringfence_plan::{Access, Bytes, Millis, Protocol};
use ringfence_policy::mxc::{Code, hash};
use serde_json::json;

use super::{Scene, decides};

#[test]
fn ceilings_bind_requests_too() {
    let scene = Scene::new();
    let before = scene.read(json!({}));
    scene.put("machine/ceiling.toml", &format!(
        "version = 1\nkind = \"ceiling\"\n[filesystem]\nread = [\"{}\"]\ndeny = [\"**/.env\"]\n[network]\nallow = [\"10.0.0.0/8:443\"]\n[limits]\ntime = \"1s\"\nmemory = \"64MiB\"\n",
        scene.at("w")
    ));
    scene.put(
        "home/.config/ringfence/ceiling.toml",
        "version = 1\nkind = \"ceiling\"\n[environment]\ndeny = [\"SECRET\"]\n",
    );
    let mut members = scene.files(&["w", "r"], &[], &[]);
    members["process"] = json!({ "commandLine": "x", "timeout": 5000, "env": ["SECRET=1", "A=1"] });
    members["network"] = json!({ "egress": { "default": "allow" } });
    members["ringfence"] = json!({ "limits": { "memory": "1GiB" } });
    let request = scene.read(members);
    let plan = &request.plan;
    assert_eq!(scene.access(plan, "w/x"), Some(Access::Read));
    assert_eq!(scene.access(plan, "r/x"), None);
    assert_eq!(scene.access(plan, "w/.env"), Some(Access::Deny));
    assert!(decides(plan, "10.0.0.1", 443, Protocol::Tcp) && !decides(plan, "10.0.0.1", 80, Protocol::Tcp));
    assert_eq!((plan.limits.time, plan.limits.memory), (Some(Millis(1000)), Some(Bytes(64 << 20))));
    assert_eq!(request.time.unwrap().as_millis(), 1000);
    assert_eq!(request.env.keys().collect::<Vec<_>>(), ["A"]);
    assert!(
        request.notes.iter().any(|note| note.text.contains("the machine's ceiling")),
        "{:?}",
        request.notes
    );
    assert_eq!(request.digests.len(), 3);
    assert_ne!(hash(&request.plan), hash(&before.plan));
    // A ceiling that cannot be understood stops the run: nobody knows what it would have bounded.
    scene.put("machine/ceiling.toml", "version = 1\nkind = \"ceiling\"\nbogus = 1\n");
    let refusal = scene.refusal(json!({}));
    assert_eq!(refusal.code, Code::PolicyValidation);
    assert!(refusal.message.contains("ceiling.toml:3:1: not a field)"), "{}", refusal.message);
}

#[test]
fn the_sandbox_around_binds_requests_too() {
    let mut scene = Scene::new();
    scene.context.parent = Some(scene.read(scene.files(&[], &["w"], &[])).plan);
    let plan = scene.read(scene.files(&["w", "r"], &[], &[])).plan;
    assert_eq!((scene.access(&plan, "w/x"), scene.access(&plan, "r/x")), (Some(Access::Read), None));
}
