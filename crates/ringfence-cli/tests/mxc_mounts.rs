//! What a request denies, on a machine that shows it at a second place. In a mount namespace of the test's own.
//! Not the reading of the list of mounts: the policy crate has that.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

mod place;

use place::{Place, errors, text};

const SCRIPT: &str = r#"
mount --bind "$1/kept" "$1/tree/shown" && cat "$1/tree/shown/secret" && exec "$2" mxc "$1/request.json"
"#;

#[test]
fn what_is_denied_is_denied_where_it_is_mounted_again() {
    for granted in ["tree", ""] {
        let place = Place::new();
        let path = |name: &str| place.beside(name).display().to_string();
        for folder in ["kept", "tree", "tree/shown"] {
            fs::create_dir(path(folder)).unwrap();
        }
        fs::write(path("kept/secret"), "the secret\n").unwrap();
        for denied in ["kept", "kept/secret"] {
            let request = json!({
                "version": "1.0.0",
                "process": { "commandLine": format!("echo began; cat {}", path("tree/shown/secret")) },
                "filesystem": { "readwritePaths": [path(granted).trim_end_matches('/')], "deniedPaths": [path(denied)] },
            });
            fs::write(path("request.json"), request.to_string()).unwrap();
            let output = Command::new("unshare")
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
                .args([path("").trim_end_matches('/'), env!("CARGO_BIN_EXE_ringfence")])
                .current_dir(place.project())
                .env("HOME", place.home())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            // Once, without a fence.
            assert_eq!(text(&output), "the secret\nbegan\n", "{granted:?} {denied}: {}", errors(&output));
        }
    }
}
