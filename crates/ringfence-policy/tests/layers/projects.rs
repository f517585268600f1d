//! A policy that lies in the project, trusted or not, and what it extends.
//! Not what the user names himself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use ringfence_plan::{Access, Bytes};
use ringfence_policy::{Request, StageKind, compile};

use super::{ASKS, Scene, USER, access, passes};

#[test]
fn an_untrusted_projects_policy_only_narrows() {
    let scene = Scene::new();
    let before = scene.plan();
    let composed = scene.project(ASKS).composed(&[]).unwrap();
    let unsettled = composed.unsettled().expect("nobody has trusted it");
    assert_eq!((unsettled.name.as_str(), &unsettled.before), ("ringfence.toml", &None));
    assert!(composed.stages().iter().any(|stage| stage.kind == StageKind::Untrusted));
    let plan = compile(&composed).unwrap();
    assert!(!passes(&plan, "TEAM_NAME"));
    assert_eq!((plan.limits.memory, plan.limits.processes), (before.limits.memory, Some(50)));
    assert_eq!(access(&plan, scene.path("project/keys/a")), None);
    assert_eq!(access(&plan, scene.path("project/src")), Some(Access::Write));
}

#[test]
fn an_untrusted_projects_policy_sets_no_variable() {
    let scene = Scene::new();
    let sets = "[environment]\nset = { PATH = \"/srv/evil\", TEAM = \"1\" }\n";
    let names = |scene: &Scene| scene.plan().environment.set.into_keys().collect::<Vec<_>>();
    let before = names(&scene);
    assert_eq!(names(scene.project(sets)), before);
    scene.trust();
    assert!(scene.plan().environment.set.contains_key("TEAM"));
}

#[test]
fn a_project_names_no_file_that_is_written_outside() {
    let audit = "[oversight]\naudit = [\"/home/u/.profile\"]\n";
    let ceiling = format!("kind = \"ceiling\"\n{audit}");
    for text in [audit, &ceiling] {
        let scene = Scene::new();
        scene.project(text);
        let refusal = scene.refusal();
        assert!(refusal.contains("is not for a project's file"), "{refusal}");
    }
    assert_eq!(Scene::new().user_policy(audit).plan().oversight.audit.len(), 1);
}

#[test]
fn a_trusted_projects_policy_counts_until_it_changes() {
    let scene = Scene::new();
    scene.put("project/team.toml", "[environment]\npass = [\"MORE\"]\n");
    scene.project(&format!("extends = [\"./team.toml\"]\n{ASKS}")).trust();
    let trusted = || {
        let composed = scene.composed(&[]).unwrap();
        let plan = compile(&composed).unwrap();
        assert_eq!(composed.unsettled().is_none(), passes(&plan, "TEAM_NAME"));
        (composed.unsettled().is_none(), composed.unsettled().and_then(|unsettled| unsettled.before.clone()))
    };
    assert_eq!(trusted(), (true, None));
    let plan = scene.plan();
    assert_eq!((plan.limits.memory, plan.limits.processes), (Some(Bytes(900 << 30)), Some(50)));
    assert!(passes(&plan, "MORE"));
    // What it extends is as much its content as itself, and what it was is there to be compared.
    scene.put("project/team.toml", "[environment]\npass = [\"MORE\", \"STILL_MORE\"]\n");
    let (is_trusted, before) = trusted();
    assert!(!is_trusted && !passes(&scene.plan(), "STILL_MORE"));
    let texts: Vec<_> = before.unwrap().into_iter().map(|(_, text)| text).collect();
    assert!(texts.iter().any(|text| text == "[environment]\npass = [\"MORE\"]\n"), "{texts:?}");
    scene.trust();
    assert!(trusted().0 && passes(&scene.plan(), "STILL_MORE"));
    // The same content elsewhere is another project's.
    fs::rename(scene.path("project"), scene.path("moved")).unwrap();
    let moved = Scene { request: Request { cwd: scene.path("moved"), ..scene.request.clone() }, ..scene };
    assert!(moved.composed(&[]).unwrap().unsettled().is_some());
}

#[test]
fn a_symlink_to_what_is_trusted_elsewhere_is_not_trusted() {
    let scene = Scene::new();
    scene.project("[filesystem]\nread = [\"/srv/secret\"]\n").trust();
    assert_eq!(access(&scene.plan(), "/srv/secret"), Some(Access::Read));
    scene.make("project/other");
    symlink("../ringfence.toml", scene.path("project/other/ringfence.toml")).unwrap();
    let other = scene.path("project/other");
    let scene = scene.with(|request| request.cwd = other);
    assert_eq!(access(&scene.plan(), "/srv/secret"), None);
    scene.trust();
    assert_eq!(access(&scene.plan(), "/srv/secret"), Some(Access::Read));
}

#[test]
fn a_project_shows_no_line_of_a_file_outside() {
    let secret = "machine api.example.org password hunter2\n";
    let scene = Scene::new();
    scene.put("home/.netrc", secret);
    let netrc = scene.path("home/.netrc");
    symlink(&netrc, scene.path("project/inside.toml")).unwrap();
    for extended in [netrc.to_str().unwrap(), "../home/.netrc", "./inside.toml"] {
        let told = scene.project(&format!("extends = [{extended:?}]\n")).refusal();
        assert!(told.contains("lies outside of the project") && !told.contains("hunter2"), "{told}");
        assert!(told.contains("ringfence.toml:2"), "{told}");
    }
    fs::remove_file(scene.path("project/ringfence.toml")).unwrap();
    symlink(&netrc, scene.path("project/ringfence.toml")).unwrap();
    let told = scene.refusal();
    assert!(told.contains("lies outside of the project") && !told.contains("hunter2"), "{told}");
    // Below the git root is inside, and so is what a symlink leads to there.
    fs::remove_file(scene.path("project/ringfence.toml")).unwrap();
    scene.make("project/a");
    scene.put("project/team.toml", "").put("project/a/ringfence.toml", "extends = [\"../team.toml\"]\n");
    let below = scene.path("project/a");
    scene.with(|request| request.cwd = below).plan();
}

#[test]
fn what_the_users_standing_files_extend_is_his_own_too() {
    for name in ["policy.toml", "agents/me.toml"] {
        let scene = Scene::new().with(|request| request.agent = Some("me".into()));
        let file = format!("{USER}/{name}");
        scene.make(&format!("{USER}/agents"));
        scene.make("home/shared");
        scene.put(&format!("{USER}/agents/me.toml"), "");
        let shared = scene.path("home/shared/team.toml");
        let up = "../".repeat(name.matches('/').count() + 2);
        for extended in [shared.to_str().unwrap().to_owned(), format!("{up}shared/team.toml")] {
            scene.put("home/shared/team.toml", "[environment]\npass = [\"MORE\"]\n");
            scene.put(&file, &format!("extends = [{extended:?}]\n"));
            assert!(passes(&scene.plan(), "MORE"), "{extended}");
            scene.mode("home/shared/team.toml", 0o666);
            let told = scene.refusal();
            assert!(told.contains("can be written by others") && told.contains("--policy"), "{told}");
            scene.mode("home/shared/team.toml", 0o644).mode("home/shared", 0o777);
            assert!(scene.refusal().contains("can be written by others"), "{extended}");
            scene.mode("home/shared", 0o755);
            fs::remove_file(&shared).unwrap();
            symlink("/dev/null", &shared).unwrap();
            assert!(scene.refusal().contains("is a symbolic link"), "{extended}");
            fs::remove_file(&shared).unwrap();
            assert!(scene.refusal().contains("failed to read the policy file"), "{extended}");
        }
        scene.make("outside");
        scene.put("outside/team.toml", "");
        for extended in [scene.path("outside/team.toml"), PathBuf::from(format!("{up}../outside/team.toml"))]
        {
            let told = scene.put(&file, &format!("extends = [{extended:?}]\n")).refusal();
            assert!(told.contains("does not lie below your HOME") && told.contains("--policy"), "{told}");
        }
    }
}

#[test]
fn a_trusted_text_whose_paths_start_elsewhere_is_not_trusted() {
    let scene = Scene::new();
    scene.make("project/shared");
    scene.make("project/a/b");
    scene.put("project/shared/x.toml", "[filesystem]\nread = [\"../../secret\"]\n");
    symlink("../../shared/x.toml", scene.path("project/a/b/x.toml")).unwrap();
    symlink("a/b", scene.path("project/sub")).unwrap();
    scene.project("").put("project/ringfence.toml", "extends = [\"./sub/x.toml\"]\n");
    scene.trust();
    assert!(scene.composed(&[]).unwrap().unsettled().is_none());
    fs::remove_file(scene.path("project/sub")).unwrap();
    scene.make("project/sub");
    symlink("../shared/x.toml", scene.path("project/sub/x.toml")).unwrap();
    assert!(scene.composed(&[]).unwrap().unsettled().is_some());
    assert_eq!(access(&scene.plan(), scene.path("secret")), None);
}

#[test]
fn what_lies_beside_a_projects_ceiling_keeps_nobody_waiting() {
    let scene = Scene::new();
    scene.project("kind = \"ceiling\"\n");
    symlink("/dev/zero", scene.path("project/ringfence.toml.minisig")).unwrap();
    assert!(scene.refusal().contains("it is not an ordinary file"), "{}", scene.refusal());
}

#[test]
fn a_long_chain_of_files_is_refused() {
    let scene = Scene::new();
    for n in 0..100 {
        scene.put(&format!("project/{n}.toml"), &format!("extends = [\"./{}.toml\"]\n", n + 1));
    }
    scene.put("project/100.toml", "").project("extends = [\"./0.toml\"]\n");
    assert!(scene.refusal().contains("too deep"), "{}", scene.refusal());
    scene.project("extends = [\"./80.toml\"]\n").plan();
}

#[test]
fn a_preset_that_an_untrusted_project_names_is_still_the_users_to_name() {
    let scene = Scene::new();
    scene.make("home/.cargo/registry");
    scene.project("extends = [\"rust\"]\n").put("layer.toml", "extends = [\"rust\"]\n");
    let layer = scene.path("layer.toml");
    let scene = scene.with(|request| request.layers = vec![layer]);
    assert_eq!(access(&scene.plan(), scene.path("home/.cargo/registry")), Some(Access::Private));
}

#[test]
fn a_trusted_projects_policy_is_under_the_ceilings_too() {
    let scene = Scene::new();
    scene.machine("[environment]\npass = [\"CI_*\"]\n[limits]\nprocesses = 20\n").project(ASKS).trust();
    let plan = scene.plan();
    assert_eq!((passes(&plan, "TEAM_NAME"), plan.limits.processes), (false, Some(20)));
}

#[test]
fn a_record_of_trust_that_others_could_have_written_is_none() {
    let scene = Scene::new();
    scene.project(ASKS).trust();
    let records = "home/.local/state/ringfence/trust";
    scene.mode(records, 0o777);
    let composed = scene.composed(&[]).unwrap();
    let doubt = composed.unsettled().expect("somebody else could have written it").doubt.clone();
    assert!(doubt.unwrap().title.contains("can be written by others"));
    assert!(!passes(&compile(&composed).unwrap(), "TEAM_NAME"));
    scene.mode(records, 0o700);
    assert!(scene.composed(&[]).unwrap().unsettled().is_none());
}
