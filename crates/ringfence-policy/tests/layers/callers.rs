//! What the caller brings: named layers, agents, a HOME, the sandbox around, settings of his tools.
//! Not flags, which have a file of their own.

use ringfence_plan::{Access, NetworkMode};
use ringfence_policy::{Request, load};

use super::{EVERYTHING, Scene, USER, access, passes};

#[test]
fn a_named_layer_adds_or_narrows_by_its_kind() {
    let scene = Scene::new().with(|request| request.layers = vec!["layer.toml".into()]);
    let words = "[environment]\npass = [\"CI_*\"]\n";
    scene.put("project/layer.toml", words);
    let plan = scene.with_flags(&EVERYTHING);
    assert!(passes(&plan, "CI_OTHER") && passes(&plan, "DEPLOY_KEY"));
    scene.put("project/layer.toml", &format!("kind = \"ceiling\"\n{words}"));
    let plan = scene.with_flags(&EVERYTHING);
    assert!(!passes(&plan, "CI_OTHER") && passes(&plan, "CI_JOB") && !passes(&plan, "DEPLOY_KEY"));
}

#[test]
fn a_run_inside_is_no_wider_than_what_is_around_it() {
    let outer = Scene::new();
    let parent = outer.with_flags(&[("filesystem.read", "/srv/secret"), ("limits.processes", "40")]);
    let inner = Scene::new().with(|request| {
        request.cwd = outer.path("project");
        request.parent = Some(parent);
    });
    let plan = inner.with_flags(&EVERYTHING);
    assert_eq!((access(&plan, "/srv/secret"), access(&plan, "/srv/shared")), (Some(Access::Read), None));
    assert_eq!((plan.network.mode, plan.limits.processes), (NetworkMode::None, Some(40)));
    assert!(!passes(&plan, "DEPLOY_KEY") && !passes(&plan, "CI_JOB"));
}

#[test]
fn a_name_of_an_agent_leads_nowhere_else() {
    let scene = Scene::new();
    scene.put(&format!("{USER}/policy.toml"), "");
    for name in ["../policy", "/etc/passwd", "", ".", "..", "a/b", ".hidden", "a\0b", "a\nb"] {
        for set in [
            |request: &mut Request, name: &str| request.agent = Some(name.into()),
            |request: &mut Request, name: &str| request.task = Some(name.into()),
            |request: &mut Request, name: &str| request.stage = Some(name.into()),
        ] {
            let mut request = scene.request.clone();
            set(&mut request, name);
            assert!(load(&request).is_err(), "{name:?}");
        }
    }
}

#[test]
fn the_users_files_are_where_the_kernel_and_home_say_and_nowhere_else() {
    let scene = Scene::new();
    scene.put(&format!("{USER}/ceiling.toml"), "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    scene.make("elsewhere");
    let mut request = scene.request.clone();
    for name in ["XDG_CONFIG_HOME", "RINGFENCE_CONFIG", "HOME"] {
        request.caller_env.insert(name.into(), scene.path("elsewhere").display().to_string());
    }
    let scene = Scene { request, ..scene };
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
}

#[test]
fn a_registry_is_not_where_a_command_may_have_moved_it() {
    let mut scene = Scene::new();
    scene.put("home/.npmrc", "registry=https://own.example/\n");
    scene.make("project/.cargo");
    scene.put("project/.cargo/config.toml", "[registries.x]\nindex = \"sparse+https://evil.example/\"\n");
    let allows = |scene: &Scene, host: &str| {
        scene.plan().network.allow.iter().any(|rule| rule.endpoint.to_string() == host)
    };
    let refused = |scene: &Scene| scene.refusal().contains("lies where a command may write");
    scene.user_policy("[network]\nallow = [\"@npm\"]\n");
    assert!(allows(&scene, "own.example:443"));
    // What an untrusted project asks for is not had, and moves nothing.
    scene.project("[filesystem]\nwrite = [\"~/.npmrc\"]\n[network]\nallow = [\"@npm\"]\n");
    assert!(allows(&scene, "own.example:443"));
    scene.user_policy("[filesystem]\nwrite = [\"~/.npmrc\"]\n[network]\nallow = [\"@npm\"]\n");
    assert!(refused(&scene));
    // The caller's variable leads into the project.
    scene.user_policy("[network]\nallow = [\"@crates\"]\n");
    let home = scene.path("project/.cargo").display().to_string();
    scene.request.caller_env.insert("CARGO_HOME".into(), home);
    assert!(refused(&scene));
    // Whoever is in HOME works elsewhere.
    scene.user_policy("[network]\nallow = [\"@npm\"]\n");
    scene.request.cwd = scene.path("home");
    let workspace = scene.path("project").display().to_string();
    assert!(scene.composed(&[("filesystem.workspace", &workspace)]).is_ok());
}
