//! Signatures both ways with the `minisign` program: what either makes, the other takes.
//!
//! Ignored unless asked for, since not every machine has that program: `cargo test -- --ignored` runs them, and so does
//! .ci/run, which installs it.
#![cfg(feature = "sign")]
#![allow(missing_docs)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ringfence_policy::layers::signature::{PublicKey, Why, generate, sign, verify};

const TEXT: &str = "version = 1\nkind = \"ceiling\"\n";
const MISSING: &str = "failed to start minisign";

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Scene {
        let scene = Scene(tempfile::tempdir().unwrap());
        scene.put("a.toml", TEXT);
        scene
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn get(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn minisign(&self, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new("minisign");
        let output = command.args(args).current_dir(&self.0).stdin(Stdio::null()).output().expect(MISSING);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

#[test]
#[ignore = "needs the program minisign"]
fn theirs_is_verified_here() {
    let scene = Scene::new();
    scene.minisign(&["-G", "-W", "-p", "k.pub", "-s", "k.key"]).unwrap();
    scene.minisign(&["-S", "-s", "k.key", "-m", "a.toml"]).unwrap();
    let key = PublicKey::parse(&scene.get("k.pub")).unwrap();
    let signature = scene.get("a.toml.minisig");
    let signed = verify(TEXT.as_bytes(), &signature, std::slice::from_ref(&key)).unwrap();
    assert!(signed.comment.contains("file:a.toml"), "{}", signed.comment);
    assert!(scene.get("k.pub").contains(&key.id().to_string()));
    assert_eq!(verify(b"other", &signature, std::slice::from_ref(&key)), Err(Why::Altered(key.id())));
    scene.minisign(&["-S", "-l", "-s", "k.key", "-m", "a.toml"]).unwrap();
    assert_eq!(verify(TEXT.as_bytes(), &scene.get("a.toml.minisig"), &[key]), Err(Why::Legacy));
}

#[test]
#[ignore = "needs the program minisign"]
fn ours_is_verified_there_with_their_key_and_with_ours() {
    let scene = Scene::new();
    scene.minisign(&["-G", "-W", "-p", "k.pub", "-s", "k.key"]).unwrap();
    let pair = generate(None).unwrap();
    scene.put("o.pub", &pair.public);
    scene.put("o.key", &pair.secret);
    for (public, secret) in [("k.pub", "k.key"), ("o.pub", "o.key")] {
        let signature = sign(TEXT.as_bytes(), "a.toml", &scene.get(secret), None).unwrap();
        scene.put("a.toml.minisig", &signature);
        // -H: of the kind that counts here.
        scene.minisign(&["-V", "-H", "-p", public, "-m", "a.toml"]).unwrap();
        scene.put("a.toml", "other");
        scene.minisign(&["-V", "-p", public, "-m", "a.toml"]).unwrap_err();
        scene.put("a.toml", TEXT);
    }
    // A key that was made here signs there.
    scene.minisign(&["-S", "-s", "o.key", "-m", "a.toml"]).unwrap();
    let key = PublicKey::parse(&pair.public).unwrap();
    assert!(verify(TEXT.as_bytes(), &scene.get("a.toml.minisig"), &[key]).is_ok());
}

#[test]
#[ignore = "needs the program minisign"]
fn a_locked_key_of_ours_is_unlocked_there() {
    let scene = Scene::new();
    let pair = generate(Some("correct horse")).unwrap();
    scene.put("o.key", &pair.secret);
    let run = |password: &str| {
        let words = scene.put("password", &format!("{password}\n"));
        let mut command = Command::new("minisign");
        command.args(["-S", "-s", "o.key", "-m", "a.toml"]).current_dir(&scene.0);
        command.stdin(fs::File::open(words).unwrap()).output().expect(MISSING).status.success()
    };
    assert!(run("correct horse"));
    let key = PublicKey::parse(&pair.public).unwrap();
    assert!(verify(TEXT.as_bytes(), &scene.get("a.toml.minisig"), &[key]).is_ok());
    assert!(!run("wrong"));
}
