//! Symlinks under grants: one that a command may have planted grants nothing, and none leads past a ceiling.
#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

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
        let flag = |(key, name): &(&'static str, &str)| {
            let value = self.place.join(name).display().to_string();
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
        let composed = load(&request).and_then(compose).unwrap_or_else(|report| panic!("{report}"));
        let plan = compile(&composed).unwrap();
        check_links(&composed, &plan).map_err(|report| report.to_string())
    }
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
    let beside = scene.place.join("beside").display().to_string();
    let text = format!("[filesystem]\nread = ['/']\nwrite = ['$WORKSPACE', '{beside}']\n");
    fs::write(scene.place.join("machine/ceiling.toml"), text).unwrap();
    for name in ["machine", "machine/ceiling.toml"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = if name == "machine" { 0o755 } else { 0o644 };
        fs::set_permissions(scene.place.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let refused = scene.check(&[("filesystem.write", "beside/link")]).unwrap_err();
    assert!(refused.contains("does not allow that") && refused.contains("ceiling.toml"), "{refused}");
    assert_eq!(scene.check(&[("filesystem.read", "beside/link")]), Ok(()), "it allows reading anywhere");
}
