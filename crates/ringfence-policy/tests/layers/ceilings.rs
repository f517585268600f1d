//! What a ceiling takes, whoever grants it, and which ceilings stop every run.
//! Not signatures and exceptions.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, Bytes, Millis, NetworkMode};
use ringfence_policy::compile;

use super::{EVERYTHING, Scene, USER, access, passes};

#[test]
fn without_ceilings_the_user_has_what_he_says() {
    let plan = Scene::new().with_flags(&EVERYTHING);
    assert_eq!(access(&plan, "/srv/shared"), Some(Access::Write));
    assert_eq!(access(&plan, "/srv/secret"), Some(Access::Read));
    assert!(passes(&plan, "DEPLOY_KEY") && passes(&plan, "CI_JOB"));
    assert_eq!((plan.network.mode, plan.limits.memory), (NetworkMode::Host, Some(Bytes(8 << 30))));
}

#[test]
fn the_machines_ceiling_narrows_the_users_policy_and_his_flags() {
    let scene = Scene::new();
    let project = scene.path("project");
    scene.machine(&format!(
        "[filesystem]\nwrite = [{project:?}]\nread = [\"/srv/shared\"]\n[environment]\npass = [\"CI_*\"]\n\
         [network]\nmode = \"none\"\n[limits]\nmemory = \"1GiB\"\n"
    ));
    scene.user_policy("[filesystem]\nread = [\"/srv/other\"]\n[limits]\ntime = \"9m\"\n");
    let plan = scene.with_flags(&EVERYTHING);
    assert_eq!(access(&plan, "/srv/shared/x"), Some(Access::Read));
    assert_eq!(access(&plan, "/srv/secret"), None);
    assert_eq!(access(&plan, "/srv/other"), None);
    assert_eq!(access(&plan, project.join("x")), Some(Access::Write));
    assert_eq!(access(&plan, "/usr/bin/env"), Some(Access::Read));
    assert!(passes(&plan, "CI_JOB") && passes(&plan, "LANG") && !passes(&plan, "DEPLOY_KEY"));
    assert_eq!((plan.network.mode, plan.limits.memory), (NetworkMode::None, Some(Bytes(1 << 30))));
    // What the ceiling does not speak of is the user's.
    assert_eq!(plan.limits.time, Some(Millis(9 * 60_000)));
}

#[test]
fn a_ceiling_grants_nothing() {
    let scene = Scene::new();
    let before = scene.plan();
    scene.machine(
        "[filesystem]\nread = [\"/srv/shared\"]\nwrite = [\"/\"]\n[environment]\npass = [\"*_KEY\"]\n[network]\nmode = \"host\"\n",
    );
    let plan = scene.plan();
    assert_eq!(access(&plan, "/srv/shared"), None);
    assert!(!passes(&plan, "DEPLOY_KEY"));
    assert_eq!(plan.network.mode, before.network.mode);
    assert_eq!(access(&plan, scene.path("project/x")), Some(Access::Write));
}

#[test]
fn a_search_path_widens_no_ceiling() {
    let scene = Scene::new();
    scene.make("elsewhere/bin");
    let bin = scene.path("elsewhere/bin");
    let path = bin.to_str().unwrap().to_owned();
    let scene = scene.with(|request| request.caller_env.extend([("PATH".to_owned(), path)]));
    assert_eq!(access(&scene.plan(), &bin), Some(Access::Read));
    scene.machine(&format!("[filesystem]\nwrite = [{:?}]\n", scene.path("project")));
    assert_eq!(access(&scene.plan(), &bin), None);
}

#[test]
fn nobody_below_lifts_a_ceiling() {
    let none = "[network]\nmode = \"none\"\n[filesystem]\ndeny = [\"/srv/secret\"]\n";
    let host = "[network]\nmode = \"host\"\n[filesystem]\nread = [\"/srv/secret\"]\n";
    let scene = Scene::new();
    scene.machine(none).user_policy(host);
    scene.put(&format!("{USER}/ceiling.toml"), &format!("kind = \"ceiling\"\n{host}"));
    scene.put("project/grants.toml", host);
    scene.put("project/ceiling.toml", &format!("kind = \"ceiling\"\n{host}"));
    scene.make(&format!("{USER}/agents"));
    scene.put(&format!("{USER}/agents/me.toml"), host);
    scene.project("[filesystem]\nread = [\"/srv/secret\"]\n").trust();
    for policy in [None, Some("grants.toml")] {
        let scene = Scene {
            request: scene.request.clone(),
            place: scene.place.clone(),
            _directory: tempfile::tempdir().unwrap(),
        }
        .with(|request| {
            request.policy_files = policy.into_iter().map(PathBuf::from).collect();
            request.layers = vec!["grants.toml".into(), "ceiling.toml".into()];
            request.agent = Some("me".into());
        });
        let plan = scene.with_flags(&EVERYTHING);
        assert_eq!((access(&plan, "/srv/secret"), plan.network.mode), (None, NetworkMode::None));
    }
}

#[test]
fn every_ceiling_counts_in_whatever_order() {
    let memory = |size: &str| format!("kind = \"ceiling\"\n[limits]\nmemory = \"{size}\"\n");
    for sizes in [["1GiB", "2GiB", "3GiB"], ["3GiB", "2GiB", "1GiB"], ["2GiB", "1GiB", "3GiB"]] {
        let scene = Scene::new();
        scene.machine(&format!("[limits]\nmemory = \"{}\"\n", sizes[0]));
        scene.put("machine/ceiling.d/10.toml", &memory(sizes[1]));
        scene.put(&format!("{USER}/ceiling.toml"), &memory(sizes[2]));
        // Not a ceiling: an editor's, a note.
        scene.put("machine/ceiling.d/.10.toml", "nonsense").put("machine/ceiling.d/README", "nonsense");
        assert_eq!(scene.with_flags(&EVERYTHING).limits.memory, Some(Bytes(1 << 30)), "{sizes:?}");
    }
    // Without the first one, the others count all the same.
    let scene = Scene::new();
    scene.put("machine/ceiling.d/10.toml", &memory("1GiB"));
    assert_eq!(scene.with_flags(&EVERYTHING).limits.memory, Some(Bytes(1 << 30)));
}

#[test]
fn a_ceiling_that_others_could_have_written_stops_every_run() {
    for name in [
        "machine/ceiling.toml",
        "machine/ceiling.d/10.toml",
        &format!("{USER}/ceiling.toml"),
        &format!("{USER}/policy.toml"),
    ] {
        let scene = Scene::new();
        scene.put(name, if name.ends_with("policy.toml") { "" } else { "kind = \"ceiling\"\n" });
        scene.plan();
        scene.mode(name, 0o666);
        assert!(scene.refusal().contains("can be written by others"), "{name}");
        scene.mode(name, 0o644);
        let directory = Path::new(name).parent().unwrap().to_str().unwrap().to_owned();
        scene.mode(&directory, 0o777);
        assert!(scene.refusal().contains("can be written by others"), "{name}");
        scene.mode(&directory, 0o755);
        scene.plan();
        fs::rename(scene.path(name), scene.path("aside")).unwrap();
        symlink(scene.path("aside"), scene.path(name)).unwrap();
        assert!(scene.refusal().contains("is a symbolic link"), "{name}");
        fs::remove_file(scene.path(name)).unwrap();
        fs::create_dir(scene.path(name)).unwrap();
        assert!(scene.refusal().contains("is a directory, not a file"), "{name}");
    }
}

#[test]
fn a_ceiling_of_another_user_stops_every_run() {
    let scene = Scene::new();
    scene.machine("");
    let uid = scene.request.places.machine_owner;
    if uid == 0 {
        chown(scene.path("machine/ceiling.toml"), Some(4242), None).unwrap();
        assert!(scene.refusal().contains("belongs to user 4242, not to root"));
        chown(scene.path("machine/ceiling.toml"), Some(0), None).unwrap();
        // Nor is a file of the user's own that somebody else wrote.
        scene.user_policy("");
        chown(scene.path(USER).join("policy.toml"), Some(4242), None).unwrap();
        assert!(scene.refusal().contains("belongs to user 4242, not to you"));
    } else {
        let scene = scene.with(|request| request.places.machine_owner = 0);
        assert!(scene.refusal().contains(&format!("belongs to user {uid}, not to root")));
    }
}

#[test]
fn a_wrong_ceiling_is_shown_with_its_line_and_stops_every_run() {
    let scene = Scene::new();
    scene.put("machine/ceiling.d/10.toml", "kind = \"ceiling\"\n[limits]\nmemry = \"1GiB\"\n");
    let told = scene.refusal();
    assert!(
        told.contains("ceiling.d/10.toml:3") && told.contains("limits.memory") | told.contains("memory"),
        "{told}"
    );
    scene.put("machine/ceiling.d/10.toml", "kind = \"ceiling\"\n[network\n");
    assert!(scene.refusal().contains("ceiling.d/10.toml:2"));
    // One that only grants has no place there.
    scene.put("machine/ceiling.d/10.toml", "kind = \"ceiling\"\n[filesystem]\nworkspace = \".\"\n");
    assert!(scene.refusal().contains("ceiling.d/10.toml:3"));
}

#[test]
fn what_lies_where_ceilings_are_grants_nothing_whatever_it_calls_itself() {
    for kind in ["", "kind = \"policy\"\n"] {
        let scene = Scene::new();
        let text =
            format!("{kind}[environment]\npass = [\"DEPLOY_KEY\"]\n[filesystem]\nread = [\"/srv/secret\"]\n");
        for name in ["machine/ceiling.toml", "machine/ceiling.d/10.toml", &format!("{USER}/ceiling.toml")] {
            scene.put(name, &text);
            if let Ok(composed) = scene.composed(&[]) {
                let plan = compile(&composed).unwrap();
                assert_eq!(
                    (access(&plan, "/srv/secret"), passes(&plan, "DEPLOY_KEY")),
                    (None, false),
                    "{name} {kind}"
                );
            }
            fs::remove_file(scene.path(name)).unwrap();
        }
    }
}

#[test]
fn no_variable_of_the_callers_moves_a_ceiling_of_the_machines() {
    let scene = Scene::new();
    scene.machine("[filesystem]\ndeny = [\"~/Documents\", \"$HOME/keys/*\", \"/srv/$USER/share\"]\n");
    let elsewhere = scene.path("elsewhere");
    let documents = scene.path("home/Documents");
    let scene = scene.with(|request| {
        request.home = elsewhere;
        request.user = "somebody".into();
    });
    let flags = [("filesystem.read", documents.to_str().unwrap()), ("filesystem.read", "/srv/user/share")];
    let plan = scene.with_flags(&flags);
    assert_eq!((access(&plan, &documents), access(&plan, "/srv/user/share")), (None, None));
    let keys = scene.path("home/keys/a");
    assert!(plan.files.deny_globs.iter().any(|glob| glob.pattern.matches(&AbsPath::new(&keys).unwrap())));
}

#[test]
fn a_ceiling_that_speaks_of_a_home_that_nobody_knows_stops_every_run() {
    let scene = Scene::new();
    fs::remove_file(scene.path("passwd")).unwrap();
    scene.machine("[filesystem]\ndeny = [\"/srv/secret\"]\n").plan();
    for words in ["~/Documents", "$HOME", "/srv/$USER"] {
        let told = scene.machine(&format!("[filesystem]\ndeny = [\"{words}\"]\n")).refusal();
        assert!(told.contains("ceiling.toml:4") && told.contains("no HOME and name for user"), "{told}");
    }
    // Nor does it rest on what the caller says of himself.
    for words in ["/srv/$AGENT", "/srv/${TASK}/x"] {
        let scene = Scene::new();
        let told = scene.machine(&format!("[filesystem]\ndeny = [\"{words}\"]\n")).refusal();
        assert!(told.contains("is the caller's to say"), "{told}");
    }
}

#[test]
fn a_bare_name_in_deny_of_a_file_of_settings_is_refused_and_one_of_a_project_is_not() {
    for name in ["machine/ceiling.toml", &format!("{USER}/ceiling.toml"), &format!("{USER}/policy.toml")] {
        for bare in [".env", "keys/", "secret*", "a/**"] {
            let scene = Scene::new();
            scene.put(name, &format!("[filesystem]\ndeny = [\"{bare}\"]\n"));
            let told = scene.refusal();
            assert!(
                told.contains("names nothing of a project") && told.contains(&format!("**/{bare}")),
                "{told}"
            );
        }
        let scene = Scene::new();
        let meant = "\"**/.env\", \"./x\", \"../x\", \"/x\", \"~/x\", \"$WORKSPACE/x\"";
        scene.put(name, &format!("[filesystem]\ndeny = [{meant}]\n"));
        scene.plan();
    }
    let scene = Scene::new();
    scene.put("project/ringfence.toml", "[filesystem]\ndeny = [\".env\"]\n");
    scene.plan();
}

#[test]
fn a_preset_in_a_ceiling_is_where_no_variable_says() {
    for name in ["machine/ceiling.toml", &format!("{USER}/ceiling.toml")] {
        let scene = Scene::new().with(|request| {
            for name in ["GOROOT", "GOPATH", "GOMODCACHE", "GOCACHE"] {
                request.caller_env.insert(name.into(), "/srv/secret".into());
            }
        });
        scene.put(name, "kind = \"ceiling\"\nextends = [\"go\"]\n");
        let plan = scene.with_flags(&EVERYTHING);
        // Although nothing of what it names is there, it bounds files.
        assert_eq!((access(&plan, "/srv/secret"), access(&plan, "/srv/shared")), (None, None), "{name}");
        assert!(!passes(&plan, "GOROOT"), "{name}");
    }
}

#[test]
fn a_condition_that_the_caller_decides_is_not_for_a_ceiling_of_the_machines() {
    for (key, value) in [("host_has", "git"), ("stage", "production")] {
        let scene = Scene::new();
        for text in [
            format!(
                "[[conditional]]\nwhen = {{ {key} = \"{value}\" }}\n[conditional.network]\nmode = \"none\"\n"
            ),
            format!(
                "[filesystem]\ndeny = [{{ path = \"/srv/secret\", when = {{ {key} = \"{value}\" }} }}]\n"
            ),
        ] {
            let told = scene.machine(&text).refusal();
            assert!(told.contains(&format!("`when.{key}` is not for a ceiling of the machine's")), "{told}");
        }
        scene
            .machine("[[conditional]]\nwhen = { os = \"linux\" }\n[conditional.limits]\nmemory = \"1GiB\"\n");
        scene.plan();
        // The user's own ceiling is his to weaken.
        let own = format!("kind = \"ceiling\"\n[[conditional]]\nwhen = {{ {key} = \"{value}\" }}\n");
        scene.put(&format!("{USER}/ceiling.toml"), &own).plan();
    }
}

#[test]
fn a_ceiling_whose_name_ends_in_capitals_stops_every_run() {
    let scene = Scene::new();
    scene.put("machine/ceiling.d/10.TOML", "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    assert!(scene.refusal().contains("10.TOML` does not count by its name"), "{}", scene.refusal());
}

#[test]
fn a_flag_that_a_ceiling_takes_is_told_at_every_run() {
    let scene = Scene::new();
    scene.machine("[network]\nmode = 'none'\n[limits]\ntime = '1h'\n");
    let flags = [("network.mode", "host"), ("limits.time", "5h"), ("limits.processes", "9")];
    let composed = scene.composed(&flags).unwrap();
    let told = composed.warnings().render(false);
    assert_eq!(composed.warnings().0.len(), 2, "{told}");
    assert!(
        told.contains("--flag host") && told.contains("--flag 5h") && told.contains("ceiling.toml:"),
        "{told}"
    );
}

#[test]
fn beneath_a_standing_ceiling_nothing_is_done_without_unless_it_says_so() {
    let scene = Scene::new();
    assert!(scene.plan().oversight.bypass);
    scene.machine("[network]\nmode = 'none'\n");
    let plan = scene.with_flags(&[("network.mode", "host")]);
    assert!(!plan.oversight.bypass, "what it bounds would be lifted where this host cannot hold it");
    assert!(plan.rule(plan.oversight.rule).to_string().contains("ceiling.toml:"));
    scene.machine("[network]\nmode = 'none'\n[oversight]\nbypass = true\n");
    assert!(scene.plan().oversight.bypass);
}

#[test]
fn a_ceilings_pattern_speaks_of_what_presets_grant_too() {
    let scene = Scene::new();
    scene.make("home/.cargo");
    scene.put("project/Cargo.toml", "").machine("[filesystem]\ndeny = ['**/token.toml']\n");
    let plan = scene.plan();
    assert_eq!(access(&plan, scene.path("home/.cargo/x")), Some(Access::Private));
    assert_eq!(access(&plan, scene.path("home/.cargo/token.toml")), None);
}
