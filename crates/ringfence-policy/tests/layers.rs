//! From files of several authors to one plan: ceilings narrow, nobody below lifts them, a project's policy only asks.
//!
//! Not how each file is judged, nor the algebra of plans: those are tested beside their code. The one who runs the tests
//! counts as the machine's owner, so that they run as anybody.
#![cfg(unix)]
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, AuditDestination, Bytes, Millis, NetworkMode, Plan};
use ringfence_policy::layers::trust;
use ringfence_policy::{Composed, Flag, Places, Report, Request, StageKind, compile, compose, load};

struct Scene {
    _directory: tempfile::TempDir,
    place: PathBuf,
    request: Request,
}

const USER: &str = "home/.config/ringfence";

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(directory.path()).unwrap();
        let uid = fs::metadata(&place).unwrap().uid();
        let places = Places {
            machine: Some(place.join("machine")),
            machine_owner: uid,
            passwd: place.join("passwd"),
            ..Places::default()
        };
        let request = Request {
            cwd: place.join("project"),
            home: place.join("home"),
            user: "user".into(),
            places,
            ..Request::default()
        };
        let scene = Scene { _directory: directory, place, request };
        for name in ["machine/ceiling.d", USER, "project/.git"] {
            scene.make(name);
        }
        let home = scene.path("home");
        scene.put("passwd", &format!("user:x:{uid}:{uid}::{}:/bin/sh\n", home.display()));
        scene
    }

    fn make(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
        // Whatever the umask of who runs the tests.
        for directory in
            self.path(name).ancestors().take_while(|directory| directory.starts_with(&self.place))
        {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    fn put(&self, name: &str, text: &str) -> &Scene {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o644)
    }

    fn mode(&self, name: &str, mode: u32) -> &Scene {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        self
    }

    fn machine(&self, text: &str) -> &Scene {
        self.put("machine/ceiling.toml", &format!("version = 1\nkind = \"ceiling\"\n{text}"))
    }

    fn user_policy(&self, text: &str) -> &Scene {
        self.put(&format!("{USER}/policy.toml"), &format!("version = 1\n{text}"))
    }

    fn project(&self, text: &str) -> &Scene {
        self.put("project/ringfence.toml", &format!("version = 1\n{text}"))
    }

    fn composed(&self, flags: &[(&'static str, &str)]) -> Result<Composed, Report> {
        let flag = |(key, value): &(&'static str, &str)| Flag {
            key,
            value: (*value).to_owned(),
            typed: format!("--flag {value}"),
        };
        let request = Request { flags: flags.iter().map(flag).collect(), ..self.request.clone() };
        load(&request).and_then(compose)
    }

    fn with_flags(&self, flags: &[(&'static str, &str)]) -> Plan {
        let composed = self.composed(flags).unwrap_or_else(|report| panic!("{report}"));
        compile(&composed).unwrap()
    }

    fn plan(&self) -> Plan {
        self.with_flags(&[])
    }

    fn refusal(&self) -> String {
        match self.composed(&[]) {
            Ok(_) => panic!("it runs"),
            Err(report) => report.to_string(),
        }
    }

    fn trust(&self) {
        let composed = self.composed(&[]).unwrap_or_else(|report| panic!("{report}"));
        let unsettled = composed.unsettled().expect("it is trusted already");
        let places = self.request.places.clone().with_home(&self.request.home);
        trust::trust(&places, &unsettled.files).unwrap();
    }

    fn with(mut self, change: impl FnOnce(&mut Request)) -> Scene {
        change(&mut self.request);
        self
    }
}

fn access(plan: &Plan, path: impl AsRef<Path>) -> Option<Access> {
    plan.files.access(&AbsPath::new(path).unwrap()).map(|(access, _)| access).filter(|at| *at != Access::Deny)
}

fn passes(plan: &Plan, name: &str) -> bool {
    plan.environment.passes(OsStr::new(name))
}

const EVERYTHING: [(&str, &str); 6] = [
    ("filesystem.write", "/srv/shared"),
    ("filesystem.read", "/srv/secret"),
    ("environment.pass", "DEPLOY_KEY"),
    ("environment.pass", "CI_JOB"),
    ("network.mode", "host"),
    ("limits.memory", "8GiB"),
];

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

/// Made with minisign 0.11 (see the tests of `layers::signature`).
const KEY: &str = "RWRoo04v9CpUikTR3mi5bgiPGkQNdlwXMQhit6pTMzVVlWfE9rAVCCQI";
const OTHER_KEY: &str = "RWS6wuSx37cWxnmM61vVj2n/uGOWoqNGpks90suSvoUQ7ScM0QJflPrs";
const SIGNED: &str = "version = 1\nkind = \"ceiling\"\n\n[network]\nmode = \"none\"\n";
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
    RURoo04v9CpUim+UOVtUgsHXp7QTw/Yj1A0YSjy0JCQMiLpVCiyxpOOwuWcmYMTjhr/65nLcpdrxeGMUgohq1Vba6cAi9R0Xugw=\n\
    trusted comment: timestamp:1790000000\tfile:t.toml\thashed\n\
    d847bTvkd8XZB3LJeedS0bAziidnvNWSEsT62v0kgRWXE7O4MWbGaPv2DK+nGhi8WA3hKY8LGaBZE3pkiFcHCw==\n";

#[test]
fn where_keys_are_pinned_an_unsigned_or_altered_ceiling_stops_every_run() {
    let scene = Scene::new();
    scene.machine(&format!("[signing]\nkeys = [\"{KEY}\"]\n"));
    scene.put("machine/ceiling.d/10.toml", SIGNED);
    assert!(scene.refusal().contains("10.toml` is not signed"));
    scene.put("machine/ceiling.d/10.toml.minisig", SIGNATURE);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("machine/ceiling.d/10.toml", &SIGNED.replace("none", "host"));
    assert!(scene.refusal().contains("changed after signing"));
    scene.put("machine/ceiling.d/10.toml", SIGNED);
    scene.put("machine/ceiling.d/10.toml.minisig", &SIGNATURE[..200]);
    assert!(scene.refusal().contains("is no signature"));
    scene.put("machine/ceiling.d/10.toml.minisig", SIGNATURE);
    scene.put("machine/ceiling.d/20.toml", "kind = \"ceiling\"\n");
    assert!(scene.refusal().contains("20.toml` is not signed"));
    fs::remove_file(scene.path("machine/ceiling.d/20.toml")).unwrap();
    scene.machine(&format!("[signing]\nkeys = [\"{OTHER_KEY}\"]\n"));
    assert!(scene.refusal().contains("by the key 8A542AF42F4EA368, which does not count"));
    scene.machine("[signing]\nkeys = [\"no key\"]\n");
    assert!(scene.refusal().contains("ceiling.toml:4"), "{}", scene.refusal());
}

#[test]
fn a_signature_beside_a_named_ceiling_must_be_right() {
    let scene = Scene::new().with(|request| request.layers = vec!["team.toml".into()]);
    scene.machine(&format!("[signing]\nkeys = [\"{KEY}\"]\n"));
    scene.put("project/team.toml", SIGNED);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("project/team.toml.minisig", SIGNATURE);
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
    scene.put("project/team.toml", &SIGNED.replace("none", "host"));
    assert!(scene.refusal().contains("changed after signing"));
}

#[test]
fn keys_and_exceptions_are_the_machines_to_give() {
    let keys = format!("kind = \"ceiling\"\n[signing]\nkeys = [\"{KEY}\"]\n");
    let users = "kind = \"ceiling\"\n[break_glass]\nusers = [\"user\"]\n";
    for name in ["machine/ceiling.d/10.toml", &format!("{USER}/ceiling.toml"), "project/layer.toml"] {
        let scene = Scene::new().with(|request| {
            request.layers.extend((name == "project/layer.toml").then(|| "layer.toml".into()));
        });
        for (text, field) in [(keys.as_str(), "signing.keys"), (users, "break_glass.users")] {
            let told = scene.put(name, text).refusal();
            assert!(told.contains(&format!("`{field}` does not count here")), "{told}");
            assert!(told.contains(".toml:3"), "{told}");
        }
    }
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

const ASKS: &str = "[filesystem]\nread = [\"data\", \"/usr/share\"]\ndeny = [\"keys\"]\n[environment]\npass = [\"TEAM_NAME\"]\n\
                    [limits]\nmemory = \"900GiB\"\nprocesses = 50\n";

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

fn with_exception(users: &str) -> String {
    format!(
        "[network]\nmode = \"none\"\n[limits]\nmemory = \"1GiB\"\n[filesystem]\ndeny = [\"/srv/secret\"]\n\
         [oversight]\naudit = [\"/var/log/ringfence.jsonl\"]\n\
         [break_glass]\nusers = [\"{users}\"]\nfields = [\"network\"]\ntime = \"30m\"\n"
    )
}

#[test]
fn break_glass_lifts_what_it_names_for_whom_it_names() {
    let scene = Scene::new();
    let uid = fs::metadata(&scene.place).unwrap().uid();
    scene.machine(&with_exception(&format!("uid:{uid}")));
    let held = scene.with_flags(&EVERYTHING);
    assert_eq!(held.network.mode, NetworkMode::None);
    let scene = scene.with(|request| request.break_glass = Some("ticket 7: release".into()));
    let composed = scene.composed(&EVERYTHING).unwrap_or_else(|report| panic!("{report}"));
    let exception = composed.exception().expect("it was asked for");
    assert_eq!((exception.reason.as_str(), exception.caller.uid), ("ticket 7: release", uid));
    let plan = compile(&composed).unwrap();
    assert_eq!(plan.network.mode, NetworkMode::Host);
    assert_eq!((plan.limits.memory, access(&plan, "/srv/secret")), (Some(Bytes(1 << 30)), None));
    assert!(plan.limits.time.is_some_and(|time| time <= Millis(30 * 60_000)), "{:?}", plan.limits.time);
    let destinations: Vec<_> = plan.oversight.audit.iter().map(|audit| &audit.destination).collect();
    assert!(matches!(destinations[..], [AuditDestination::File(_)]), "{destinations:?}");
    // It is the machine's ceiling that was lifted, nobody else's.
    scene.put(&format!("{USER}/ceiling.toml"), "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
}

#[test]
fn break_glass_lifts_nothing_that_another_ceiling_of_the_machine_says() {
    let scene = Scene::new().with(|request| request.break_glass = Some("ticket 7: release".into()));
    let uid = fs::metadata(&scene.place).unwrap().uid();
    scene.machine(&with_exception(&format!("uid:{uid}")));
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::Host);
    scene.put("machine/ceiling.d/10.toml", "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
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
fn break_glass_is_refused_to_others_without_a_reason_and_without_a_record() {
    let scene = Scene::new().with(|request| request.break_glass = Some("ticket 7".into()));
    let uid = fs::metadata(&scene.place).unwrap().uid();
    assert!(scene.refusal().contains("allows no exception"));
    scene.machine(&with_exception("uid:4243"));
    assert!(scene.refusal().contains("no exception"));
    let mine = with_exception(&format!("uid:{uid}"));
    scene.machine(&mine);
    scene.plan();
    for (wrong, part) in [
        (mine.replace("[oversight]\naudit = [\"/var/log/ringfence.jsonl\"]\n", ""), "oversight.audit"),
        (mine.replace("time = \"30m\"\n", ""), "break_glass.time"),
        (mine.replace("[\"network\"]", "[\"oversight\"]"), "`oversight` cannot be lifted"),
        (mine.replace("[\"network\"]", "[\"network.allow\"]"), "name the group `network`"),
        (mine.replace("[\"network\"]", "[\"filesystem.read\"]"), "name the group `filesystem`"),
        (mine.replace("[\"network\"]", "[\"netwrok\"]"), "`netwrok`"),
        (mine.replace("[\"network\"]", "[]"), "break_glass.fields"),
    ] {
        assert!(scene.machine(&wrong).refusal().contains(part), "{wrong}");
    }
    scene.machine(&mine);
    for reason in ["", "  ", "a\nb", "\u{1b}[2J"] {
        let scene = Scene {
            request: scene.request.clone(),
            place: scene.place.clone(),
            _directory: tempfile::tempdir().unwrap(),
        }
        .with(|request| request.break_glass = Some(reason.into()));
        assert!(scene.refusal().contains("--break-glass"), "{reason:?}");
    }
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
