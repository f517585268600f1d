//! The default policy in directories of every kind: what is the workspace, what is granted, what is refused.
//!
//! The directories are real, the machine's own tool-chains are not looked at.
#![cfg(unix)]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, Level, Millis, NetworkMode, Plan};
use ringfence_policy::{Flag, Report, Request, compile, compose, load};

mod grants;
mod protected;
mod workspace;

/// A home directory with a project in it.
struct Home {
    #[expect(dead_code, reason = "removes the directory when it goes")]
    place: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Home {
        let place = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(place.path()).unwrap().join("home");
        fs::create_dir(&path).unwrap();
        Home { place, path }
    }

    fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn request(&self, cwd: &Path) -> Request {
        Request { cwd: cwd.to_owned(), home: self.path.clone(), user: "user".into(), ..Request::default() }
    }

    fn plan(&self, cwd: &Path) -> Plan {
        plan(&self.request(cwd)).unwrap_or_else(|report| panic!("{report}"))
    }

    fn error(&self, cwd: &Path) -> String {
        plan(&self.request(cwd)).unwrap_err().to_string()
    }
}

fn plan(request: &Request) -> Result<Plan, Report> {
    compile(&load(request).and_then(compose)?)
}

fn abs(path: impl AsRef<Path>) -> AbsPath {
    AbsPath::new(path).unwrap()
}

fn access(plan: &Plan, path: impl AsRef<Path>) -> Option<Access> {
    plan.files.access(&abs(path)).map(|(access, _)| access)
}

#[test]
fn a_policy_found_in_a_project_only_narrows_until_the_user_names_it() {
    let home = Home::new();
    let project = home.dir("p");
    home.file(
        "p/ringfence.toml",
        "[filesystem]\nread = ['~/notes']\nwrite = ['./out', '~/.config', '../q']\ndeny = ['./secret']\n\
         [environment]\npass = ['GH_TOKEN']\n[network]\nmode = 'host'\n\
         [processes]\nnested_namespaces = true\n[containment]\nlevel = 'process'\n\
         [limits]\nmemory = 'unlimited'\ntime = '5s'\n",
    );
    let composed = load(&home.request(&project)).and_then(compose).unwrap();
    assert_eq!(composed.unsettled().map(|project| project.name.as_str()), Some("ringfence.toml"));
    let found = compile(&composed).unwrap();
    assert_eq!((found.network.mode, found.processes.nested_namespaces), (NetworkMode::None, false));
    assert_eq!((found.containment.level, found.limits.time), (Level::Auto, Some(Millis(5000))));
    assert!(found.limits.memory.is_some() && !found.environment.passes("GH_TOKEN".as_ref()));
    for outside in [".config/x", "q", "notes"] {
        assert_eq!(access(&found, home.path.join(outside)), None, "{outside}");
    }
    assert_eq!(access(&found, project.join("out")), Some(Access::Write));
    assert_eq!(access(&found, project.join("secret/x")), Some(Access::Deny));
    let request = Request { policy_files: vec!["ringfence.toml".into()], ..home.request(&project) };
    let named = plan(&request).unwrap();
    assert_eq!((named.network.mode, named.processes.nested_namespaces), (NetworkMode::Host, true));
    assert_eq!(access(&named, home.path.join("q")), Some(Access::Write));
    assert!(named.environment.passes("GH_TOKEN".as_ref()) && named.limits.memory.is_none());
    home.file("p/ringfence.toml", "[filesystem]\nworkspace = '../q'\n");
    let elsewhere = home.plan(&project);
    assert_eq!((access(&elsewhere, home.path.join("q")), access(&elsewhere, &project)), (None, None));
}

#[test]
fn a_policy_that_cannot_be_read_stops_the_run() {
    let home = Home::new();
    let project = home.dir("p");
    symlink("nowhere", project.join("ringfence.toml")).unwrap();
    assert!(home.error(&project).contains("failed to read the policy file `ringfence.toml`"));
    fs::remove_file(project.join("ringfence.toml")).unwrap();
    home.dir("p/ringfence.toml");
    assert!(home.error(&project).contains("directory"));
    fs::remove_dir(project.join("ringfence.toml")).unwrap();
    fs::write(project.join("ringfence.toml"), [0xff, 0xfe]).unwrap();
    assert!(home.error(&project).contains("UTF-8"));
    let missing = Request { policy_files: vec!["nowhere.toml".into()], ..home.request(&project) };
    assert!(plan(&missing).unwrap_err().to_string().contains("nowhere.toml"));
}

#[test]
fn a_plan_is_the_same_every_time() {
    let home = Home::new();
    let project = home.dir("p");
    home.dir(".cargo");
    let request = home.request(&project);
    assert_eq!(plan(&request).unwrap(), plan(&request).unwrap());
}

#[test]
fn every_part_of_a_plan_names_its_line() {
    let home = Home::new();
    let project = home.dir("p");
    home.file("p/ringfence.toml", "[filesystem]\nread = [\n  \"/srv/ä\", \"/srv/b\",\n]\n");
    let flag = Flag { key: "limits.time", value: "5s".into(), typed: "--timeout 5s".into() };
    let policy_files = vec!["ringfence.toml".into()];
    let plan = plan(&Request { flags: vec![flag], policy_files, ..home.request(&project) }).unwrap();
    let (_, rule) = plan.files.access(&abs("/srv/b/x")).unwrap();
    assert_eq!(plan.rule(rule).to_string(), "filesystem.read = \"/srv/b\" (ringfence.toml:3:13)");
    assert!(plan.rules.iter().any(|rule| rule.to_string() == "limits.time = \"5s\" (--timeout 5s)"));
    assert_eq!(plan.limits.time.unwrap().0, 5000);
}
