//! MXC requests as plans: what was observed of MXC and is kept, and where this program is stricter or says more.
//!
//! Not how a plan is held. The one who runs the tests counts as the machine's owner, so that they run as anybody.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Access, Bytes, Level, Millis, NetworkMode, Origin, Plan, Protocol, Target};
use ringfence_policy::Places;
use ringfence_policy::mxc::{Code, Context, NoteKind, Refusal, Request, Version, hash, read};
use serde_json::{Value, json};

struct Scene {
    _directory: tempfile::TempDir,
    place: PathBuf,
    context: Context,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(directory.path()).unwrap();
        let places = Places {
            machine: Some(place.join("machine")),
            machine_owner: fs::metadata(&place).unwrap().uid(),
            passwd: place.join("passwd"),
            ..Places::default()
        };
        let context = Context {
            name: "request.json".into(),
            file: Some(place.join("w/request.json")),
            cwd: place.join("w"),
            home: place.join("home"),
            user: "user".into(),
            places,
            ..Context::default()
        };
        let scene = Scene { _directory: directory, place, context };
        for name in ["machine", "home/.config/ringfence", "home/.ssh", "w/.git", "w/secret", "r"] {
            fs::create_dir_all(scene.place.join(name)).unwrap();
        }
        for name in ["", "machine", "home", "home/.config", "home/.config/ringfence"] {
            fs::set_permissions(scene.place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        scene
    }

    fn at(&self, name: &str) -> String {
        self.place.join(name).to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> AbsPath {
        AbsPath::new(self.place.join(name)).unwrap()
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.place.join(name), text).unwrap();
        fs::set_permissions(self.place.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// A request with these members beside a version and a command.
    fn try_read(&self, members: Value) -> Result<Request, Refusal> {
        let mut request = json!({ "version": "1.0.0", "process": { "commandLine": "true" } });
        for (name, value) in members.as_object().unwrap() {
            request[name] = value.clone();
        }
        read(&request.to_string(), &self.context)
    }

    fn read(&self, members: Value) -> Request {
        self.try_read(members).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn refusal(&self, members: Value) -> Refusal {
        match self.try_read(members.clone()) {
            Ok(_) => panic!("it is read: {members}"),
            Err(refusal) => refusal,
        }
    }

    /// The access to a path of the scene.
    fn access(&self, plan: &Plan, name: &str) -> Option<Access> {
        plan.files.access(&self.path(name)).map(|(access, _)| access)
    }

    fn files(&self, write: &[&str], read: &[&str], deny: &[&str]) -> Value {
        let all = |names: &[&str]| names.iter().map(|name| self.at(name)).collect::<Vec<_>>();
        json!({ "filesystem": {
            "readwritePaths": all(write), "readonlyPaths": all(read), "deniedPaths": all(deny),
        } })
    }
}

fn granted(plan: &Plan, path: &str) -> Option<Access> {
    plan.files.access(&AbsPath::new(path).unwrap()).map(|(access, _)| access)
}

fn note<'a>(request: &'a Request, field: &str) -> Option<(NoteKind, &'a str)> {
    request.notes.iter().find(|note| note.field == field).map(|note| (note.kind, note.text.as_str()))
}

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

#[test]
fn the_most_specific_path_decides_whatever_list_it_stands_in() {
    let scene = Scene::new();
    let plan = scene.read(scene.files(&["w", "r/rw"], &["r", "w/ro"], &["w/secret"])).plan;
    let cases = [
        ("w/x", Some(Access::Write)),
        ("w/ro/x", Some(Access::Read)),
        ("w/secret/x", Some(Access::Deny)),
        ("r/x", Some(Access::Read)),
        ("r/rw/x", Some(Access::Write)),
        ("elsewhere", None),
    ];
    for (name, expected) in cases {
        assert_eq!(scene.access(&plan, name), expected, "{name}");
    }
}

#[test]
fn of_two_lists_that_name_one_path_the_stricter_counts() {
    let scene = Scene::new();
    let plan = scene.read(scene.files(&["w", "r"], &["r"], &["w"])).plan;
    assert_eq!(scene.access(&plan, "w/x"), Some(Access::Deny));
    assert_eq!(scene.access(&plan, "r/x"), Some(Access::Read));
    let spelled = json!({ "filesystem": { "readwritePaths": [format!("{}/./", scene.at("w"))], "deniedPaths": [scene.at("w")] } });
    assert_eq!(scene.access(&scene.read(spelled).plan, "w/x"), Some(Access::Deny));
}

#[test]
fn two_names_of_one_object_tighten_together() {
    let scene = Scene::new();
    symlink(scene.place.join("w/secret"), scene.place.join("alias")).unwrap();
    let plan = scene.read(scene.files(&["w"], &[], &["alias"])).plan;
    assert_eq!(scene.access(&plan, "w/secret/x"), Some(Access::Deny));
    // A grant of the alias lets no more than the object's own name.
    let plan = scene.read(scene.files(&["alias"], &["w/secret"], &[])).plan;
    assert_eq!(scene.access(&plan, "w/secret/x"), Some(Access::Read));
}

#[test]
fn a_denied_file_with_another_name_is_refused_wherever_it_lies() {
    let scene = Scene::new();
    let file = |path: &str| scene.place.join(path);
    std::fs::create_dir_all(file("elsewhere")).unwrap();
    std::fs::write(file("elsewhere/secret"), "").unwrap();
    scene.read(scene.files(&["w"], &[], &["elsewhere/secret"]));
    std::fs::hard_link(file("elsewhere/secret"), file("w/second")).unwrap();
    let refusal = scene.refusal(scene.files(&["w"], &[], &["elsewhere/secret"]));
    assert_eq!(refusal.code, Code::PolicyValidation);
    assert_eq!(refusal.field.as_deref(), Some("filesystem.deniedPaths[0]"));
    assert!(refusal.message.contains("hard links"), "{refusal}");
    // By a symlink as well; and where nothing is granted nothing can be read.
    symlink(file("elsewhere/secret"), file("alias")).unwrap();
    scene.refusal(scene.files(&["w"], &[], &["alias"]));
    scene.read(scene.files(&[], &[], &["elsewhere/secret"]));
}

#[test]
fn what_is_granted_in_a_denied_directory_is_shown_alone() {
    let scene = Scene::new();
    let request = scene.read(scene.files(&["w/open"], &[], &["w"]));
    assert_eq!(scene.access(&request.plan, "w/open/x"), Some(Access::Write));
    assert_eq!(scene.access(&request.plan, "w/other"), None);
    assert_eq!(note(&request, "filesystem.deniedPaths[0]").unwrap().0, NoteKind::Honoured);
    // At the denied path itself the deny is the stricter one.
    let plan = scene.read(scene.files(&["w/open"], &["w"], &["w"])).plan;
    assert_eq!(scene.access(&plan, "w/other"), None);
}

#[test]
fn a_denied_part_that_would_have_to_be_opened_inside_a_granted_tree_is_refused() {
    let scene = Scene::new();
    let refusal = scene.refusal(scene.files(&["w", "w/secret/open"], &[], &["w/secret"]));
    assert_eq!(refusal.code, Code::PolicyValidation);
    assert_eq!(refusal.field.as_deref(), Some("filesystem.readwritePaths[1]"));
    let refusal = scene.refusal(json!({ "filesystem": {
        "readonlyPaths": ["/usr/lib/denied/open"], "deniedPaths": ["/usr/lib/denied"],
    } }));
    assert_eq!(refusal.field.as_deref(), Some("filesystem.readonlyPaths[0]"));
}

#[test]
fn a_denied_path_that_is_absent_is_denied_all_the_same() {
    let scene = Scene::new();
    let plan = scene.read(scene.files(&["w"], &[], &["w/later"])).plan;
    let grant = plan.files.grants.iter().find(|grant| grant.path == scene.path("w/later")).unwrap();
    assert!(grant.access == Access::Deny && grant.optional);
    let plan = scene.read(scene.files(&["absent"], &[], &[])).plan;
    // An absent grant stops the run, as it does with MXC.
    assert!(plan.files.grants.iter().any(|grant| grant.path == scene.path("absent") && !grant.optional));
}

#[test]
fn paths_that_cannot_be_meant_are_refused_by_their_place() {
    let scene = Scene::new();
    for wrong in ["", "  ", "relative/x", "~/x", "/a/../b", "/a\"b", "/sys", "/proc/self"] {
        let refusal = scene.refusal(json!({ "filesystem": { "readonlyPaths": ["/usr", wrong] } }));
        assert_eq!(
            (refusal.code, refusal.field.as_deref()),
            (Code::PolicyValidation, Some("filesystem.readonlyPaths[1]")),
            "{wrong:?}"
        );
        assert!(refusal.line == 1 && refusal.column > 1);
    }
    assert_eq!(
        scene.refusal(json!({ "filesystem": { "readwritePaths": ["/"] } })).code,
        Code::PolicyValidation
    );
    for denied in ["/", "/proc", "/proc/self/environ", "/dev/null"] {
        let refusal = scene.refusal(json!({ "filesystem": { "deniedPaths": [denied] } }));
        assert_eq!(refusal.field.as_deref(), Some("filesystem.deniedPaths[0]"), "{denied}");
    }
    let nul = scene.refusal(json!({ "filesystem": { "readonlyPaths": ["/a\0b"] } }));
    assert_eq!(
        (nul.code, nul.field.as_deref()),
        (Code::MalformedRequest, Some("filesystem.readonlyPaths[0]"))
    );
}

#[test]
fn the_system_is_shown_as_mxc_shows_it_without_what_holds_secrets() {
    let plan = Scene::new().read(json!({})).plan;
    for shown in ["/usr/bin/env", "/usr/lib/x", "/usr/share/x", "/bin/sh"] {
        assert_eq!(granted(&plan, shown), Some(Access::Read), "{shown}");
    }
    let absent = [
        "/usr/local/bin/x",
        "/usr/include/x",
        "/opt",
        "/root",
        "/home",
        "/var/lib",
        "/etc/shadow",
        "/etc/machine-id",
        "/run/systemd/resolve",
        "/run/NetworkManager",
    ];
    for absent in absent {
        assert_eq!(granted(&plan, absent), None, "{absent}");
    }
}

#[test]
fn the_sandboxes_own_tmp_stands_for_the_machines() {
    let scene = Scene::new();
    let request =
        scene.read(json!({ "filesystem": { "readwritePaths": ["/tmp"], "deniedPaths": ["/tmp"] } }));
    assert_eq!(granted(&request.plan, "/tmp"), None);
    assert_eq!(note(&request, "filesystem.readwritePaths[0]").unwrap().0, NoteKind::Narrowed);
    assert_eq!(note(&request, "filesystem.deniedPaths[0]").unwrap().0, NoteKind::Honoured);
    let request = scene.read(json!({ "filesystem": { "readwritePaths": ["/dev/null"] } }));
    assert_eq!(granted(&request.plan, "/dev/null"), None);
    assert_eq!(note(&request, "filesystem.readwritePaths[0]").unwrap().0, NoteKind::Narrowed);
}

#[test]
fn hidden_places_and_protected_names_stay_below_a_grant() {
    let scene = Scene::new();
    let request = scene.read(scene.files(&["home", "w"], &["home/.ssh/config"], &[]));
    assert_eq!(scene.access(&request.plan, "home/.ssh/id"), Some(Access::Deny));
    assert_eq!(scene.access(&request.plan, "home/.config/ringfence/ceiling.toml"), Some(Access::Deny));
    let (kind, text) = note(&request, "filesystem.readonlyPaths[0]").unwrap();
    assert!(kind == NoteKind::Narrowed && text.contains(".ssh"), "{text}");
    for kept in ["w/.git/hooks/x", "w/request.json", "home/.bashrc"] {
        assert!(request.plan.files.protection(&scene.path(kept)).is_some(), "{kept}");
    }
    // Named itself, a hidden place is granted; this program's own never.
    let request = scene.read(scene.files(&[], &["home", "home/.ssh", "home/.config/ringfence"], &[]));
    assert_eq!(scene.access(&request.plan, "home/.ssh/id"), Some(Access::Read));
    assert_eq!(scene.access(&request.plan, "home/.config/ringfence/x"), Some(Access::Deny));
}

#[test]
fn a_link_that_a_command_may_have_put_there_grants_nothing() {
    let scene = Scene::new();
    symlink(scene.place.join("r"), scene.place.join("w/link")).unwrap();
    let request = scene.read(scene.files(&["w", "w/link"], &[], &[]));
    assert_eq!(scene.access(&request.plan, "r/x"), None);
    let (kind, text) = note(&request, "filesystem.readwritePaths[1]").unwrap();
    assert!(kind == NoteKind::Narrowed && text.contains("symlink"), "{text}");
    let refusal = scene.refusal(scene.files(&["w"], &["w/link"], &[]));
    assert!(refusal.message.contains("symlink"), "{refusal}");
    symlink("/proc/self", scene.place.join("odd")).unwrap();
    let refusal = scene.refusal(scene.files(&["odd"], &[], &[]));
    assert_eq!(refusal.field.as_deref(), Some("filesystem.readwritePaths[0]"), "{refusal}");
}

fn decides(plan: &Plan, address: &str, port: u16, protocol: Protocol) -> bool {
    plan.network.decide(&Target::address(address.parse::<IpAddr>().unwrap()), port, protocol).0
}

#[test]
fn without_a_word_there_is_no_network() {
    let scene = Scene::new();
    for network in [
        json!({}),
        json!({ "egress": {} }),
        json!({ "egress": { "default": "deny", "allow": [] } }),
        json!({ "ingress": { "default": "deny", "hostLoopback": "deny" } }),
        json!({ "egress": { "deny": [{}] } }),
    ] {
        let plan = scene.read(json!({ "network": network })).plan;
        assert_eq!(plan.network.held_as(), NetworkMode::None, "{network}");
    }
}

#[test]
fn directional_rules_go_by_block_exception_port_and_protocol_and_deny_wins() {
    let plan = Scene::new().read(json!({ "network": { "egress": {
        "allow": [
            { "to": [{ "cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"] }], "ports": [{ "protocol": "tcp", "port": 443 }] },
            { "to": [{ "cidr": "10.9.1.0/24" }], "ports": [{ "port": 8000, "endPort": 8009 }] },
            { "to": [{ "cidr": "2001:db8::/32" }] },
        ],
        "deny": [{ "to": [{ "cidr": "10.1.2.0/24" }] }],
    } } })).plan;
    use Protocol::{Tcp, Udp};
    let cases = [
        ("10.1.1.1", 443, Tcp, true),
        ("10.1.1.1", 443, Udp, false),
        ("10.1.1.1", 80, Tcp, false),
        ("10.9.1.1", 443, Tcp, false),
        ("10.8.255.255", 443, Tcp, true),
        ("10.10.0.0", 443, Tcp, true),
        // An exception is one of its own rule alone.
        ("10.9.1.1", 8009, Tcp, true),
        ("10.9.1.1", 8000, Udp, true),
        ("10.9.1.1", 8010, Tcp, false),
        ("10.1.2.3", 443, Tcp, false),
        ("11.0.0.1", 443, Tcp, false),
        ("2001:db8::1", 9, Udp, true),
        ("2001:db9::1", 9, Udp, false),
    ];
    for (address, port, protocol, expected) in cases {
        assert_eq!(decides(&plan, address, port, protocol), expected, "{address} {port} {protocol}");
    }
}

#[test]
fn an_allow_of_everything_names_private_networks_and_tells_what_it_does_not_lead_to() {
    let scene = Scene::new();
    for egress in [
        json!({ "default": "allow" }),
        json!({ "allow": [{}] }),
        json!({ "allow": [{ "to": [{ "cidr": "0.0.0.0/0" }, { "cidr": "::/0" }] }] }),
    ] {
        let request = scene.read(json!({ "network": { "egress": egress } }));
        let named: Vec<String> =
            request.plan.network.allow.iter().map(|rule| rule.endpoint.to_string()).collect();
        for private in [
            "10.0.0.0/8:1-65535",
            "192.168.0.0/16:1-65535",
            "udp://172.16.0.0/12:1-65535",
            "0.0.0.0/0:1-65535",
        ] {
            assert!(named.iter().any(|name| name == private), "{private}: {named:?}");
        }
        // Never the modes that share the machine's network.
        assert_eq!(request.plan.network.held_as(), NetworkMode::Rules);
        assert!(
            request
                .notes
                .iter()
                .any(|note| note.kind == NoteKind::Narrowed && note.text.contains("metadata"))
        );
        assert!(!named.iter().any(|name| name.contains("169.254") || name.contains("127.")), "{named:?}");
    }
    let plan = scene
        .read(json!({ "network": { "egress": {
        "default": "allow", "deny": [{ "to": [{ "cidr": "10.0.0.0/8" }], "ports": [{ "port": 22 }] }],
    } } }))
        .plan;
    assert!(!decides(&plan, "10.0.0.1", 22, Protocol::Tcp) && decides(&plan, "10.0.0.1", 23, Protocol::Tcp));
    // An exception is not named back in.
    let plan = scene
        .read(json!({ "network": { "egress": {
        "allow": [{ "to": [{ "cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"] }] }],
    } } }))
        .plan;
    assert!(
        !decides(&plan, "10.0.0.1", 22, Protocol::Tcp) && decides(&plan, "192.168.0.1", 22, Protocol::Tcp)
    );
}

#[test]
fn wrong_rules_are_refused_by_their_place() {
    let scene = Scene::new();
    let cases = [
        (json!({ "allow": [{ "to": [{ "cidr": "example.com" }] }] }), "network.egress.allow[0].to[0].cidr"),
        (
            json!({ "allow": [{}, { "to": [{ "cidr": "10.0.0.1/8" }] }] }),
            "network.egress.allow[1].to[0].cidr",
        ),
        (
            json!({ "allow": [{ "to": [{ "cidr": "10.0.0.0/8", "except": ["x"] }] }] }),
            "network.egress.allow[0].to[0].except[0]",
        ),
        (json!({ "allow": [{ "to": [] }] }), "network.egress.allow[0].to"),
        (json!({ "deny": [{ "ports": [] }] }), "network.egress.deny[0].ports"),
        (json!({ "allow": [{ "ports": [{ "port": 0 }] }] }), "network.egress.allow[0].ports[0].port"),
        (json!({ "allow": [{ "ports": [{ "port": 65536 }] }] }), "network.egress.allow[0].ports[0].port"),
        (json!({ "allow": [{ "ports": [{ "endPort": 9 }] }] }), "network.egress.allow[0].ports[0].endPort"),
        (
            json!({ "allow": [{ "ports": [{ "port": 9, "endPort": 8 }] }] }),
            "network.egress.allow[0].ports[0].endPort",
        ),
        (
            json!({ "allow": [{ "ports": [{ "protocol": "icmp" }] }] }),
            "network.egress.allow[0].ports[0].protocol",
        ),
        (
            json!({ "allow": [{ "ports": [{ "protocol": "sctp" }] }] }),
            "network.egress.allow[0].ports[0].protocol",
        ),
    ];
    for (egress, field) in cases {
        let refusal = scene.refusal(json!({ "network": { "egress": egress } }));
        assert_eq!(refusal.field.as_deref(), Some(field), "{refusal}");
    }
    for key in ["default", "hostLoopback"] {
        let refusal = scene.refusal(json!({ "network": { "ingress": { key: "allow" } } }));
        assert_eq!(
            (refusal.code, refusal.field),
            (Code::PolicyValidation, Some(format!("network.ingress.{key}")))
        );
    }
}

#[test]
fn a_deny_of_icmp_alone_denies_nothing_else() {
    let request = Scene::new().read(json!({ "network": { "egress": {
        "default": "allow", "deny": [{ "ports": [{ "protocol": "icmp" }] }],
    } } }));
    assert!(decides(&request.plan, "9.9.9.9", 443, Protocol::Tcp));
    assert_eq!(note(&request, "network.egress.deny[0].ports[0]").unwrap().0, NoteKind::Honoured);
}

#[test]
fn a_proxy_is_one_port_of_the_machine_and_its_variables() {
    let scene = Scene::new();
    let proxy = |url: &str, egress: Value| {
        json!({
            "runtimeConfig": { "networkProxy": url }, "network": { "egress": egress },
            "process": { "commandLine": "x", "env": ["NO_PROXY=*", "no_proxy=*", "A=1", "http_proxy=http://elsewhere"] },
        })
    };
    let request = scene.read(proxy("http://127.0.0.1:18999", json!({ "default": "deny" })));
    let ports: Vec<u16> = request.plan.network.host.iter().map(|host| host.port).collect();
    assert_eq!((ports, request.plan.network.allow.len()), (vec![18999], 0));
    assert_eq!(request.plan.network.held_as(), NetworkMode::Rules);
    assert_eq!(request.env.len(), 9);
    for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "ftp_proxy", "http_proxy"] {
        assert_eq!(request.env[name], "http://127.0.0.1:18999/", "{name}");
    }
    for wrong in [
        "http://proxy.corp:8080",
        "http://u:p@127.0.0.1:1",
        "http://[::1]:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "socks5://127.0.0.1:1",
        "http://127.0.0.1:8080/x",
        "127.0.0.1:80",
        "http://127.0.0.1:+80",
    ] {
        let refusal = scene.refusal(proxy(wrong, json!({})));
        assert_eq!(refusal.field.as_deref(), Some("runtimeConfig.networkProxy"), "{wrong}");
        assert!(!refusal.message.contains("u:p"), "{refusal}");
    }
    for direct in [json!({ "default": "allow" }), json!({ "allow": [{}] }), json!({ "deny": [{}] })] {
        let refusal = scene.refusal(proxy("http://127.0.0.1:1", direct));
        assert!(refusal.message.contains("requires network.egress.default='deny'"), "{refusal}");
    }
    // Beside network, not in it.
    let refusal = scene.refusal(json!({ "network": { "runtimeConfig": {} } }));
    assert!(refusal.message.contains("beside network"), "{refusal}");
}

#[test]
fn no_variable_of_the_gateways_stands_beside_what_a_request_sets() {
    let scene = Scene::new();
    let open = json!({ "egress": { "default": "allow" } });
    for (env, set) in
        [(json!(["A=1"]), vec!["A"]), (json!(["A=1", "https_proxy=x"]), vec!["A", "https_proxy"])]
    {
        let request = scene.read(json!({ "network": open, "process": { "commandLine": "x", "env": env } }));
        assert_eq!(request.env.keys().map(String::as_str).collect::<Vec<_>>(), set);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
            let kept_out = request.plan.environment.deny.iter().any(|denied| denied.name == name);
            assert_eq!(kept_out, !set.contains(&name), "{name}");
        }
    }
}

#[test]
fn the_older_network_fields_are_enforced_whatever_the_version() {
    let scene = Scene::new();
    let legacy =
        |version: &str, network: Value| scene.try_read(json!({ "version": version, "network": network }));
    for version in ["0.8.0-alpha", "0.7.0-alpha", "0.6.0-alpha", "0.8.0"] {
        let hosts = json!({ "defaultPolicy": "block", "allowedHosts": ["10.0.0.0/8", "api.example"] });
        let plan = legacy(version, hosts).unwrap().plan;
        assert_eq!(plan.network.held_as(), NetworkMode::Rules, "{version}");
        assert!(
            decides(&plan, "10.0.0.1", 1, Protocol::Tcp) && !decides(&plan, "11.0.0.1", 1, Protocol::Tcp)
        );
        let named = Target::parse("api.example").unwrap();
        assert!(plan.network.decide(&named, 443, Protocol::Tcp).0);
        let all = legacy(version, json!({ "defaultPolicy": "allow", "blockedHosts": ["10.0.0.0/8"] }))
            .unwrap()
            .plan;
        assert_eq!(all.network.held_as(), NetworkMode::Rules, "{version}");
        assert!(!decides(&all, "10.0.0.1", 1, Protocol::Tcp) && decides(&all, "9.9.9.9", 1, Protocol::Tcp));
        // Without the word for it, what is near is not meant.
        assert!(!all.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    }
    let blocks =
        legacy("0.8.0-alpha", json!({ "allowLocalNetwork": false, "allowedHosts": ["0.0.0.0/0"] })).unwrap();
    assert!(!blocks.plan.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    let near = legacy("0.8.0-alpha", json!({ "defaultPolicy": "allow", "allowLocalNetwork": true })).unwrap();
    assert!(near.plan.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    assert_eq!(note(&near, "network.allowLocalNetwork").unwrap().0, NoteKind::Narrowed);
    let proxied =
        legacy("0.8.0-alpha", json!({ "defaultPolicy": "block", "proxy": { "localhost": 8080 } })).unwrap();
    assert_eq!(proxied.env["HTTP_PROXY"], "http://127.0.0.1:8080/");
    for (network, field) in [
        (json!({ "defaultPolicy": "block", "egress": {} }), "network.defaultPolicy"),
        (json!({ "allowedHosts": ["10.0.0.0/33"] }), "network.allowedHosts[0]"),
        (json!({ "proxy": { "builtinTestServer": true } }), "network.proxy.builtinTestServer"),
        (json!({ "proxy": { "localhost": 1, "url": "http://127.0.0.1:1" } }), "network.proxy"),
        (json!({ "proxy": { "url": "http://proxy.corp:8080" } }), "network.proxy.url"),
    ] {
        let refusal = legacy("0.8.0-alpha", network).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some(field), "{refusal}");
    }
    let refusal = legacy("1.0.0", json!({ "defaultPolicy": "block" })).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field.as_deref()),
        (Code::MalformedRequest, Some("network.defaultPolicy"))
    );
}

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
    assert_eq!(scene.refusal(json!({})).code, Code::PolicyValidation);
}

#[test]
fn the_sandbox_around_binds_requests_too() {
    let mut scene = Scene::new();
    scene.context.parent = Some(scene.read(scene.files(&[], &["w"], &[])).plan);
    let plan = scene.read(scene.files(&["w", "r"], &[], &[])).plan;
    assert_eq!((scene.access(&plan, "w/x"), scene.access(&plan, "r/x")), (Some(Access::Read), None));
}

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
        (json!({ "network": { "allow": ["a b"] } }), "ringfence.network.allow[0]"),
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
    let mut request = scene.files(&["w", "w$x"], &["r"], &["w/secret", "w/a*b"]);
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
    for name in ["w/x", "w$x/y", "r/x", "w/secret/x", "w/a*b", "home/x", "other"] {
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
    for name in ["w$x", "w/a*b"] {
        fs::create_dir_all(scene.place.join(name)).unwrap();
    }
    let request = read(&members.to_string(), &scene.context).unwrap();
    let exported = ringfence_policy::mxc::export(&request.plan, "echo hi");
    assert!(!exported.request.contains("\"ringfence\""), "{}", exported.request);
    let again = read(&exported.request, &scene.context)
        .unwrap_or_else(|refusal| panic!("{refusal}\n{}", exported.request));
    for name in ["w/x", "w$x/y", "r/x", "w/secret/x", "w/a*b", "home/x", "other"] {
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
    scene.put("p.toml", "version = 1\nextends = []\n[filesystem]\nworkspace = false\nwrite = [\"w\"]\ndeny = [\"**/.env\"]\n[network]\nallow = [\"api.example:443\"]\ndeny = [\"bad.example\"]\n");
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
    assert!(has(Effect::Wider, "filesystem.deny", ".env"), "{:?}", exported.unsaid);
    assert!(
        has(Effect::Wider, "network.deny", "bad.example")
            && has(Effect::Narrower, "network.allow", "api.example")
    );
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
