//! From files of several authors to one plan: ceilings narrow, nobody below lifts them, a project's policy only asks.
//!
//! Not how each file is judged, nor the algebra of plans: those are tested beside their code. The one who runs the tests
//! counts as the machine's owner, so that they run as anybody.
#![cfg(unix)]
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, Plan};
use ringfence_policy::layers::trust;
use ringfence_policy::{Composed, Flag, Places, Report, Request, compile, compose, load};

mod callers;
mod ceilings;
mod exceptions;
mod projects;
mod signatures;

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

const ASKS: &str = "[filesystem]\nread = [\"data\", \"/usr/share\"]\ndeny = [\"keys\"]\n[environment]\npass = [\"TEAM_NAME\"]\n\
                    [limits]\nmemory = \"900GiB\"\nprocesses = 50\n";
