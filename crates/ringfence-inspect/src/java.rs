//! Where Java keeps its roots of trust on this machine.
//!
//! Not what such a store holds, which is `keystore`'s.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::keystore;

/// Where distributions keep one store for every Java of theirs, to which the Javas' own names are links.
const SHARED: [&str; 4] = [
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/var/lib/ca-certificates/java-cacerts",
];

/// Directories with one Java beside the other: of packages and images, and below HOME, of those who install several.
const HOMES: [&str; 4] = ["/usr/lib/jvm", "/usr/lib64/jvm", "/usr/java", "/opt/java"];
const HOMES_OF_HOME: [&str; 5] = [
    ".sdkman/candidates/java",
    ".gradle/jdks",
    ".jdks",
    ".local/share/mise/installs/java",
    ".asdf/installs/java",
];

/// Below a Java; the second was in development kits up to version 8. The store of the first name counts where it is there.
const BELOW: [&str; 4] = [
    "lib/security/jssecacerts",
    "lib/security/cacerts",
    "jre/lib/security/jssecacerts",
    "jre/lib/security/cacerts",
];

/// More than these are not looked for, nor more bytes of one read.
const MOST: usize = 32;
const LONGEST: u64 = 2 << 20;

/// The stores that a command with these variables may come to use, by their real names, with what they hold.
///
/// Names and not a variable: `JDK_JAVA_OPTIONS` and `JAVA_TOOL_OPTIONS` would reach a Java that comes later as well, but each
/// start then writes a line to standard error, and what a program sets for itself would be lost.
#[must_use]
pub fn stores(variable: impl Fn(&str) -> Option<PathBuf>) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut homes: Vec<PathBuf> = variable("JAVA_HOME").into_iter().collect();
    if let Some(path) = variable("PATH") {
        let programs =
            std::env::split_paths(&path).filter_map(|entry| fs::canonicalize(entry.join("java")).ok());
        homes.extend(programs.filter_map(|program| Some(program.parent()?.parent()?.to_path_buf())));
    }
    let own = variable("HOME").into_iter().flat_map(|home| HOMES_OF_HOME.map(|below| home.join(below)));
    for directory in HOMES.iter().map(PathBuf::from).chain(own) {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        homes.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).take(MOST));
    }
    let below = homes.iter().flat_map(|home| BELOW.map(|below| home.join(below)));
    let names = SHARED.iter().map(PathBuf::from).chain(below);
    let mut found = BTreeMap::new();
    for name in names.filter_map(|name| fs::canonicalize(name).ok()) {
        if found.len() < MOST
            && !found.contains_key(&name)
            && let Some(text) = read(&name).filter(|text| keystore::is_store(text))
        {
            found.insert(name, text);
        }
    }
    found
}

/// A project may have put anything there, also what one would wait for.
fn read(name: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(name, flags, Mode::empty()).ok()?);
    let length = file.metadata().ok().filter(|about| about.is_file())?.len();
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    (text.len() as u64 == length).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_store_is_found_by_variable_by_program_and_beside_others_and_nothing_else_is_taken_for_one() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let store = keystore::joined(b"", b"");
        for home in ["by-variable", "by-program", "home/.jdks/one"] {
            fs::create_dir_all(at(home).join("lib/security")).unwrap();
            fs::create_dir_all(at(home).join("bin")).unwrap();
            fs::write(at(home).join("lib/security/cacerts"), &store).unwrap();
            fs::write(at(home).join("bin/java"), "").unwrap();
        }
        // What a command may have put into a tool-chain of its own.
        let other = at("by-variable/lib/security/jssecacerts");
        fs::write(at("secret"), "token").unwrap();
        symlink(at("secret"), &other).unwrap();
        fs::create_dir(at("path")).unwrap();
        symlink(at("by-program/bin/java"), at("path/java")).unwrap();
        let variable = |name: &str| match name {
            "JAVA_HOME" => Some(at("by-variable")),
            "PATH" => Some(at("path")),
            "HOME" => Some(at("home")),
            _ => None,
        };
        let found = stores(variable);
        let root = fs::canonicalize(scratch.path()).unwrap();
        let names: Vec<_> = found.keys().filter_map(|name| name.strip_prefix(&root).ok()).collect();
        let below = |home: &str| PathBuf::from(home).join("lib/security/cacerts");
        assert_eq!(names, [below("by-program"), below("by-variable"), below("home/.jdks/one")]);
    }
}
