//! MXC requests as plans: what was observed of MXC and is kept, and where this program is stricter or says more.
//!
//! Not how a plan is held. The one who runs the tests counts as the machine's owner, so that they run as anybody.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use ringfence_plan::{AbsPath, Access, Plan, Protocol, Target};
use ringfence_policy::Places;
use ringfence_policy::mxc::{Context, NoteKind, Refusal, Request, read};
use serde_json::{Value, json};

mod bounds;
mod contract;
mod conversion;
mod files;
mod own;
mod process;
mod traffic;

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

fn decides(plan: &Plan, address: &str, port: u16, protocol: Protocol) -> bool {
    plan.network.decide(&Target::address(address.parse::<IpAddr>().unwrap()), port, protocol).0
}
