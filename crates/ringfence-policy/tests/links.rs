//! Symlinks under grants: one that a command may have planted grants nothing, and none leads past a ceiling.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Access, Plan};
use ringfence_policy::{Flag, Places, Request, check_links, compile, compose, load};

struct Scene {
    _directory: tempfile::TempDir,
    place: PathBuf,
}

impl Scene {
    /// A project with `link` in it and `beside/link` beside it, both to `docs`.
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(directory.path()).unwrap();
        for name in ["project/inner", "docs", "beside", "home", "machine"] {
            fs::create_dir_all(place.join(name)).unwrap();
        }
        symlink(place.join("docs"), place.join("project/link")).unwrap();
        symlink("inner", place.join("project/own")).unwrap();
        symlink(place.join("docs"), place.join("beside/link")).unwrap();
        Scene { _directory: directory, place }
    }

    fn check(&self, flags: &[(&'static str, &str)]) -> Result<(), String> {
        self.plan(flags).map(drop)
    }

    /// The plan, if its links lead where they may.
    fn plan(&self, flags: &[(&'static str, &str)]) -> Result<Plan, String> {
        let flag = |(key, name): &(&'static str, &str)| {
            let value = match name.starts_with(['~', '*']) {
                true => (*name).to_owned(),
                false => self.place.join(name).display().to_string(),
            };
            Flag { key, typed: format!("--grant {value}"), value }
        };
        let uid = fs::metadata(&self.place).unwrap().uid();
        let request = Request {
            cwd: self.place.join("project"),
            home: self.place.join("home"),
            flags: flags.iter().map(flag).collect(),
            places: Places {
                machine: Some(self.place.join("machine")),
                machine_owner: uid,
                ..Places::default()
            },
            ..Request::default()
        };
        let composed = load(&request).and_then(compose).map_err(|report| report.to_string())?;
        let plan = compile(&composed).unwrap();
        check_links(&composed, &plan).map_err(|report| report.to_string())?;
        Ok(plan)
    }

    fn link(&self, target: &str, name: &str) {
        symlink(self.place.join(target), self.place.join(name)).unwrap();
    }

    fn make(&self, names: &[&str]) {
        for name in names {
            fs::create_dir_all(self.place.join(name)).unwrap();
        }
    }

    /// A machine's ceiling, with `@` for the scene's directory.
    fn ceiling(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let text = text.replace('@', &self.place.display().to_string());
        fs::write(self.place.join("machine/ceiling.toml"), text).unwrap();
        for (name, mode) in [("machine", 0o755), ("machine/ceiling.toml", 0o644)] {
            fs::set_permissions(self.place.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// What `plan` lets at `name`, patterns of `deny` counted, and whether that is protected.
    fn at(&self, plan: &Plan, name: &str) -> (Option<Access>, bool) {
        let path = AbsPath::new(self.place.join(name)).unwrap();
        let denied = plan.files.deny_globs.iter().any(|glob| glob.pattern.covers(&path));
        let access = plan.files.access(&path).map(|(access, _)| access).filter(|_| !denied);
        let protected = plan.files.protect.iter().any(|protect| protect.pattern.covers(&path));
        (access.filter(|access| *access != Access::Deny), protected)
    }
}

#[test]
fn a_link_of_the_users_grants_its_name_and_its_place() {
    let scene = Scene::new();
    scene.make(&["data/proj", "data/tools"]);
    scene.link("data/proj", "home/proj");
    scene.link("data", "home/data");
    let plan = scene.plan(&[("filesystem.write", "~/proj"), ("filesystem.read", "~/data/tools")]).unwrap();
    for name in ["home/proj/src", "data/proj/src"] {
        assert_eq!(scene.at(&plan, name), (Some(Access::Write), false), "{name}");
    }
    for name in ["home/data/tools/x", "data/tools/x"] {
        assert_eq!(scene.at(&plan, name), (Some(Access::Read), false), "{name}");
    }
    assert_eq!(scene.at(&plan, "data/other").0, None);
    assert!(scene.at(&plan, "data/proj/.git/hooks/pre-commit").1, "a name of the base's, at the place");
}

#[test]
fn what_holds_in_home_by_name_holds_for_a_grant_by_a_link() {
    let scene = Scene::new();
    scene.make(&["home/.config"]);
    scene.link("home/.config", "home/cl");
    scene.link("home", "hl");
    let plan = scene.plan(&[("filesystem.write", "~/cl")]).unwrap();
    assert_eq!(scene.at(&plan, "home/.config/app/x"), (Some(Access::Write), false));
    assert_eq!(scene.at(&plan, "home/.config/ringfence/policy.toml").0, None, "the floor");
    assert!(scene.at(&plan, "home/.config/systemd/user/evil.service").1);
    let plan = scene.plan(&[("filesystem.write", "hl")]).unwrap();
    assert_eq!(scene.at(&plan, "home/x"), (Some(Access::Write), false));
    assert_eq!(scene.at(&plan, "home/.config/ringfence/policy.toml").0, None);
    assert!(scene.at(&plan, "home/.zshenv").1 && scene.at(&plan, "home/.bashrc").1);
}

#[test]
fn a_link_lifts_no_hidden_place() {
    let scene = Scene::new();
    scene.make(&["home/.ssh", "home/.config/ringfence"]);
    scene.link("home/.ssh", "home/keys");
    scene.link("home/.config/ringfence", "home/rules");
    for name in ["~/keys", "~/rules"] {
        let refused = scene.check(&[("filesystem.read", name)]).unwrap_err();
        assert!(refused.contains("leads to") && refused.contains("less is allowed"), "{refused}");
    }
    assert_eq!(scene.check(&[("filesystem.read", "~/.ssh")]), Ok(()), "named exactly it is lifted");
}

#[test]
fn no_link_leads_to_what_may_not_be_granted() {
    let scene = Scene::new();
    symlink("/", scene.place.join("home/all")).unwrap();
    scene.link("home", "hl");
    let refused = scene.check(&[("filesystem.write", "~/all")]).unwrap_err();
    assert!(refused.contains("whole machine"), "{refused}");
    let refused = scene.check(&[("filesystem.workspace", "hl")]).unwrap_err();
    assert!(refused.contains("home directory"), "{refused}");
}

#[test]
fn a_deny_and_a_protect_hold_for_the_place_behind_a_link() {
    let scene = Scene::new();
    scene.make(&["data/ro", "data/deep"]);
    scene.link("data", "link");
    let read = [("filesystem.read", "link"), ("filesystem.deny", "**/secret")];
    let plan = scene.plan(&read).unwrap();
    assert_eq!(scene.at(&plan, "data/deep/secret").0, None);
    assert_eq!(scene.at(&plan, "data/deep/plain").0, Some(Access::Read));
    let write = |deny, name| [("filesystem.write", "data"), (deny, name)];
    for (key, name) in [("filesystem.deny", "link/**/*.key"), ("filesystem.deny", "link/deep")] {
        let plan = scene.plan(&write(key, name)).unwrap();
        assert_eq!(scene.at(&plan, "data/deep/a.key").0, None, "{name}");
    }
    let plan = scene.plan(&write("filesystem.protect", "link/deep/*.lock")).unwrap();
    assert!(scene.at(&plan, "data/deep/a.lock").1 && !scene.at(&plan, "data/deep/a").1);
}

#[test]
fn a_ceiling_holds_for_the_place_behind_a_link() {
    let scene = Scene::new();
    scene.make(&["data/ro", "data/deep"]);
    scene.link("data", "link");
    scene.ceiling(
        "[filesystem]\nwrite = ['$WORKSPACE', '@/data']\nread = ['@/link/ro']\n\
         deny = ['@/link/**/*.key', '**/secret']\nprotect = ['@/link/deep/*.lock']\n",
    );
    for name in ["data", "link"] {
        let asked = scene.plan(&[("filesystem.write", name)]);
        let plan = asked.unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(scene.at(&plan, "data/deep/x").0, Some(Access::Write), "{name}");
        assert_eq!(scene.at(&plan, "data/ro/x").0, Some(Access::Read), "{name}");
        assert_eq!(scene.at(&plan, "data/deep/a.key").0, None, "{name}");
        assert_eq!(scene.at(&plan, "data/deep/secret").0, None, "{name}");
        assert!(scene.at(&plan, "data/deep/a.lock").1, "{name}");
    }
}

#[test]
fn a_home_that_is_a_link_is_both_its_names() {
    let scene = Scene::new();
    scene.make(&["big/u/p/deep", "big/u/.ssh", "big/u/.config"]);
    fs::remove_dir(scene.place.join("home")).unwrap();
    scene.link("big/u", "home");
    let plan = scene.plan(&[("filesystem.write", "~/p"), ("filesystem.deny", "~/p/**/*.pem")]).unwrap();
    for name in ["home/p", "big/u/p"] {
        assert_eq!(scene.at(&plan, &format!("{name}/deep/x")).0, Some(Access::Write), "{name}");
        assert_eq!(scene.at(&plan, &format!("{name}/deep/x.pem")).0, None, "{name}");
    }
    let plan = scene.plan(&[("filesystem.write", "big/u")]).unwrap();
    assert_eq!(scene.at(&plan, "big/u/.ssh/id").0, None);
    assert!(scene.at(&plan, "big/u/.zshenv").1);
    let plan = scene.plan(&[("filesystem.read", "~/.ssh")]).unwrap();
    assert_eq!(
        scene.at(&plan, "big/u/.ssh/id").0,
        Some(Access::Read),
        "named exactly, but for HOME's own link"
    );
    assert!(scene.check(&[("filesystem.workspace", "big/u")]).is_err());
}

#[test]
fn a_way_through_a_link_that_a_command_may_have_put_grants_nothing_more() {
    let scene = Scene::new();
    scene.link("project/link", "home/way");
    assert!(scene.check(&[("filesystem.read", "~/way")]).is_err(), "it leads out of the tree again");
    let both = [("filesystem.read", "~/way"), ("filesystem.read", "docs")];
    assert_eq!(scene.check(&both), Ok(()));
    fs::remove_file(scene.place.join("project/link")).unwrap();
    scene.link("project/inner", "project/link");
    assert_eq!(scene.check(&[("filesystem.read", "~/way")]), Ok(()));
}

#[test]
fn a_link_in_a_writable_tree_grants_only_what_is_granted_anyway() {
    let scene = Scene::new();
    let refused = scene.check(&[("filesystem.read", "project/link")]).unwrap_err();
    assert!(
        refused.contains("leads to") && refused.contains("docs") && refused.contains("--grant"),
        "{refused}"
    );
    assert_eq!(scene.check(&[("filesystem.read", "project/own")]), Ok(()), "it stays in the tree");
    let both = [("filesystem.read", "project/link"), ("filesystem.read", "docs")];
    assert_eq!(scene.check(&both), Ok(()), "what it leads to is granted by its own name");
    assert_eq!(scene.check(&[("filesystem.write", "beside/link")]), Ok(()), "the user's own link");
}

#[test]
fn no_link_leads_past_a_ceiling() {
    let scene = Scene::new();
    scene.ceiling("[filesystem]\nread = ['/']\nwrite = ['$WORKSPACE', '@/beside']\n");
    let refused = scene.check(&[("filesystem.write", "beside/link")]).unwrap_err();
    assert!(refused.contains("does not allow that") && refused.contains("ceiling.toml"), "{refused}");
    assert_eq!(scene.check(&[("filesystem.read", "beside/link")]), Ok(()), "it allows reading anywhere");
}

/// A machine that shows `den` in the project as well, and `den/deep` beside it.
#[test]
fn what_is_denied_is_denied_wherever_the_machine_shows_it() {
    use ringfence_policy::{Context, Sources, Surroundings};
    let path = |text: &str| AbsPath::new(text).unwrap();
    let elsewhere = [("/srv/den", vec![path("/srv/p/bound"), path("/srv/p/deep")])];
    let elsewhere = elsewhere.into_iter().map(|(at, places)| (path(at), places)).collect();
    let surroundings = Surroundings { elsewhere, ..Surroundings::default() };
    let lets = |text: &str, at: &str| {
        let context = Context::new(path("/srv/p"), path("/home/u"), "u");
        let sources = Sources::of_text("policy", text, context, surroundings.clone()).unwrap();
        let files = compile(&compose(sources).unwrap()).unwrap().files;
        let denied = files.deny_globs.iter().any(|glob| glob.pattern.covers(&path(at)));
        !denied && files.access(&path(at)).is_some_and(|(access, _)| access != Access::Deny)
    };
    let text = "[filesystem]\ndeny = [{ path = '/srv/den', optional = false }]\n";
    let context = Context::new(path("/srv/p"), path("/home/u"), "u");
    let sources = Sources::of_text("policy", text, context, surroundings.clone()).unwrap();
    let files = compile(&compose(sources).unwrap()).unwrap().files;
    let optional =
        |at: &str| files.grants.iter().find(|grant| grant.path == path(at)).map(|one| one.optional);
    assert_eq!((optional("/srv/den"), optional("/srv/p/bound")), (Some(false), Some(true)));
    for deny in ["/srv/den", "/srv/den/**/key"] {
        let policy = format!("[filesystem]\ndeny = ['{deny}']\n");
        for at in ["/srv/p/bound/key", "/srv/p/deep/key"] {
            assert!(!lets(&policy, at), "{deny}: {at}");
            assert!(lets("[filesystem]\ndeny = ['/srv/other']\n", at), "{at}");
        }
        assert!(lets(&policy, "/srv/p/bounds"), "{deny}");
    }
}

#[test]
fn what_is_protected_or_readable_alone_is_so_wherever_a_writable_tree_shows_it() {
    use ringfence_policy::{Context, Sources, Surroundings};
    let path = |text: &str| AbsPath::new(text).unwrap();
    let places = vec![path("/srv/p/bound"), path("/srv/elsewhere")];
    let surroundings =
        Surroundings { elsewhere: [(path("/srv/p/kept"), places)].into(), ..Surroundings::default() };
    let files = |key: &str, name: &str| {
        let context = Context::new(path("/srv/p"), path("/home/u"), "u");
        let text = format!("[filesystem]\n{key} = ['{name}']\n");
        let sources = Sources::of_text("policy", &text, context, surroundings.clone()).unwrap();
        compile(&compose(sources).unwrap()).unwrap().files
    };
    let read = files("read", "/srv/p/kept");
    let access = |at: &str| read.access(&path(at)).map(|(access, _)| access);
    assert_eq!(access("/srv/p/bound/x"), Some(Access::Read));
    assert_eq!(access("/srv/p/other"), Some(Access::Write));
    assert_eq!(access("/srv/elsewhere"), None, "nothing is granted by it");
    let kept = |files: &ringfence_plan::Files, at: &str| {
        files.protect.iter().any(|protect| protect.pattern.covers(&path(at)))
    };
    let protect = files("protect", "/srv/p/kept");
    assert!(kept(&protect, "/srv/p/kept/x") && kept(&protect, "/srv/p/bound/x"));
    assert!(!kept(&read, "/srv/p/bound/x"));
}
