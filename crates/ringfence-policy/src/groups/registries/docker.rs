//! The registries of container images: docker's, and those of podman, buildah and skopeo.
//!
//! Not those at which the user is logged in, nor those that the names of images say: the one is who he is there, and the
//! other is the project's choice.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::{Table, Value};

use super::{LONGEST_PROGRAM, Machine, bytes, entries, host};

impl Machine<'_> {
    pub(super) fn docker(&self, hosts: &mut BTreeSet<String>) -> Result<(), String> {
        let before = hosts.len();
        let own = self.home.join(".config");
        for file in [self.root.join("etc/docker/daemon.json"), own.join("docker/daemon.json")] {
            let settings: serde_json::Value = serde_json::from_str(&self.said(&file)?).unwrap_or_default();
            let mirrors = settings["registry-mirrors"].as_array().into_iter().flatten();
            hosts.extend(mirrors.filter_map(|mirror| host(mirror.as_str()?)));
        }
        let mut files: Vec<PathBuf> =
            self.env.get("CONTAINERS_REGISTRIES_CONF").map(PathBuf::from).into_iter().collect();
        for directory in [self.root.join("etc/containers"), own.join("containers")] {
            files.push(directory.join("registries.conf"));
            let more = directory.join("registries.conf.d");
            // Also where it is not there, or empty: a command may have seen to that.
            self.said(&more)?;
            files.extend(
                entries(&more).into_iter().filter(|file| file.extension().is_some_and(|end| end == "conf")),
            );
        }
        for file in files {
            if let Ok(table) = self.said(&file)?.parse::<Table>() {
                of_containers(&table, hosts);
            }
        }
        // What such a file calls by the domain alone, a client knows by the names below it.
        let built_in = self.built_into_docker();
        let is_named = |domain: &String| hosts.contains(&format!("{domain}:443"));
        if let Some(domain) = built_in.filter(|domain| hosts.len() == before || is_named(domain)) {
            let below = FIRST.iter().filter_map(|first| host(&format!("https://{first}.{domain}/")));
            hosts.extend(below);
        }
        Ok(())
    }

    /// The domain of the registry that this machine's docker knows by itself: told twice, once between two texts that say
    /// where it begins and ends.
    fn built_into_docker(&self) -> Option<String> {
        const BEFORE: &[u8] = b"https://index.";
        const AFTER: &[u8] = b"/v1/";
        for program in self.resolved("docker") {
            let Some(bytes) = bytes(&program, LONGEST_PROGRAM) else { continue };
            let mut rest = &bytes[..];
            while let Some(at) = position(rest, BEFORE) {
                rest = &rest[at + BEFORE.len()..];
                let end = rest.iter().take(LONGEST_NAME).position(|byte| *byte == b'/').unwrap_or(0);
                let domain = str::from_utf8(&rest[..end]).ok().filter(|_| rest[end..].starts_with(AFTER));
                if let Some(domain) = domain.filter(|domain| host(&format!("https://{domain}/")).is_some())
                    && position(&bytes, format!("{}.{domain}", FIRST[0]).as_bytes()).is_some()
                {
                    return Some(domain.to_owned());
                }
            }
        }
        None
    }
}

/// Before the domain: where images are asked for, where tokens for that are had, and where it is searched. Where layers come
/// from, only the registry's answers tell.
const FIRST: [&str; 3] = ["registry-1", "auth", "index"];

/// The longest name of a host.
const LONGEST_NAME: usize = 253;

/// What a file in the form of containers-registries.conf(5) names, of the second version or the first.
fn of_containers(table: &Table, hosts: &mut BTreeSet<String>) {
    let searched = table.get("unqualified-search-registries");
    let old = |list: &str| table.get("registries")?.get(list)?.get("registries");
    for location in [searched, old("search")].into_iter().flatten().flat_map(texts) {
        add(location, Speaks::Tls, hosts);
    }
    for location in old("insecure").into_iter().flat_map(texts) {
        add(location, Speaks::Either, hosts);
    }
    for registry in tables(table.get("registry")) {
        let is_set = |name| registry.get(name).and_then(Value::as_bool) == Some(true);
        if is_set("blocked") {
            continue;
        }
        let location = |table: &Table| Some(table.get("location")?.as_str()?.to_owned());
        let prefix = || Some(registry.get("prefix")?.as_str()?.to_owned());
        if let Some(location) = location(registry).or_else(prefix) {
            add(&location, Speaks::of(registry), hosts);
        }
        for mirror in tables(registry.get("mirror")) {
            if let Some(location) = location(mirror) {
                add(&location, Speaks::of(mirror), hosts);
            }
        }
    }
}

/// How a registry may be spoken to.
#[derive(Clone, Copy)]
enum Speaks {
    Tls,
    Either,
}

impl Speaks {
    fn of(table: &Table) -> Speaks {
        match table.get("insecure").and_then(Value::as_bool) {
            Some(true) => Speaks::Either,
            _ => Speaks::Tls,
        }
    }
}

/// `host[:port][/path]`.
fn add(location: &str, speaks: Speaks, hosts: &mut BTreeSet<String>) {
    hosts.extend(host(&format!("https://{location}")));
    if matches!(speaks, Speaks::Either) {
        hosts.extend(host(&format!("http://{location}")));
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn tables(list: Option<&Value>) -> impl Iterator<Item = &Table> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
}

fn position(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
