//! Paths: which of them decides, under which names, and what is shown unasked.
//! Not traffic.

use std::os::unix::fs::symlink;

use ringfence_plan::Access;
use ringfence_policy::mxc::{Code, NoteKind};
use serde_json::json;

use super::{Scene, granted, note};

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
fn a_denied_path_with_a_wildcard_is_refused_unless_something_is_called_so() {
    let scene = Scene::new();
    scene.put("r/secret", "");
    for wrong in ["r/sec*", "*/secret", "r/secre?"] {
        let refusal = scene.refusal(scene.files(&["w"], &["r"], &[wrong]));
        assert_eq!(refusal.code, Code::PolicyValidation);
        assert_eq!(refusal.field.as_deref(), Some("filesystem.deniedPaths[0]"), "{wrong}");
    }
    scene.put("r/sec*", "");
    let plan = scene.read(scene.files(&["w"], &["r"], &["r/sec*", "r/[absent]"])).plan;
    assert_eq!(scene.access(&plan, "r/sec*"), Some(Access::Deny));
    assert_eq!(scene.access(&plan, "r/secret"), Some(Access::Read));
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
