//! The hosts of package registries, from each tool's own settings, or from what is built into the tool as it stands on
//! this machine. Files are read; no program is run.
//!
//! Only settings of the machine and of the user count: a project's would let the project choose where it is let out to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ringfence_plan::Endpoint;

/// A tool that fetches packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// And pnpm, yarn, and bun, which read its settings.
    Npm,
    /// And those that read its settings.
    Pip,
    Cargo,
    Apt,
}

/// What is looked at.
pub(crate) struct Machine<'a> {
    /// `/`.
    pub(crate) root: &'a Path,
    /// The caller's HOME.
    pub(crate) home: &'a Path,
    /// The caller's variables.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Directories of programs, none of them the project's.
    pub(crate) programs: Vec<PathBuf>,
}

/// The longest settings file that is read, bytes.
const LONGEST: u64 = 1 << 20;
/// The longest program that is searched for what is built into it, bytes.
const LONGEST_PROGRAM: u64 = 256 << 20;

impl Tool {
    /// What each of its hosts stands for, in the order of their names.
    ///
    /// # Errors
    /// In words for people: where its settings were looked for, and what to write instead.
    pub(crate) fn endpoints(self, machine: &Machine<'_>) -> Result<Vec<Vec<Endpoint>>, String> {
        let mut hosts = BTreeSet::new();
        match self {
            Tool::Npm => machine.npm(&mut hosts),
            Tool::Pip => machine.pip(&mut hosts),
            Tool::Cargo => machine.cargo(&mut hosts),
            Tool::Apt => machine.apt(&mut hosts),
        }
        let endpoints: Vec<_> = hosts.iter().filter_map(|host| Endpoint::parse(host).ok()).collect();
        match (endpoints.is_empty(), self) {
            (false, _) => Ok(endpoints),
            (true, Tool::Npm) => Err("name the host that `npm config get registry` tells".into()),
            (true, Tool::Pip) => Err("name the hosts that `pip download --verbose` asks".into()),
            (true, Tool::Cargo) => {
                Err("name the hosts of your registry, as cargo's configuration does".into())
            }
            (true, Tool::Apt) => Err("name the hosts of /etc/apt/sources.list".into()),
        }
    }
}

impl Machine<'_> {
    fn npm(&self, hosts: &mut BTreeSet<String>) {
        let before = hosts.len();
        for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
            self.variable(name, hosts);
        }
        for file in [self.home.join(".npmrc"), self.root.join("etc/npmrc"), self.root.join("usr/etc/npmrc")] {
            for (key, value) in settings(&read(&file)) {
                if key == "registry" || key.ends_with(":registry") {
                    hosts.extend(host(value));
                }
            }
        }
        if hosts.len() > before {
            return;
        }
        const DEFINITIONS: &str = "node_modules/@npmcli/config/lib/definitions/definitions.js";
        for program in self.resolved("npm") {
            // …/npm/bin/npm-cli.js
            let Some(package) = program.parent().and_then(Path::parent) else { continue };
            let text = read(&package.join(DEFINITIONS));
            let behind = text.split_once("new Definition('registry'").map(|(_, behind)| behind);
            hosts.extend(behind.and_then(quoted).and_then(host));
        }
    }

    fn pip(&self, hosts: &mut BTreeSet<String>) {
        let before = hosts.len();
        for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
            self.variable(name, hosts);
        }
        let own = [".config/pip/pip.conf", ".pip/pip.conf"].map(|file| self.home.join(file));
        for file in own.into_iter().chain([self.root.join("etc/pip.conf")]) {
            for (key, value) in settings(&read(&file)) {
                if key == "index-url" || key == "extra-index-url" {
                    hosts.extend(value.split_whitespace().filter_map(host));
                }
            }
        }
        if hosts.len() > before {
            return;
        }
        for package in self.site_packages() {
            let text = read(&package.join("pip/_internal/models/index.py"));
            let Some((_, own)) = text.split_once("\nPyPI = ") else { continue };
            hosts.extend(quoted(own).and_then(host));
            let storage = own.split_once("file_storage_domain=").and_then(|(_, behind)| quoted(behind));
            hosts.extend(storage.and_then(|storage| host(&format!("https://{storage}/"))));
            return;
        }
    }

    /// Directories in which pip may be.
    fn site_packages(&self) -> Vec<PathBuf> {
        let mut found = vec![self.root.join("usr/lib/python3/dist-packages")];
        let mut prefixes: Vec<PathBuf> = Vec::new();
        for program in ["python3", "pip3", "pip"].iter().flat_map(|name| self.resolved(name)) {
            prefixes.extend(program.parent().and_then(Path::parent).map(Path::to_owned));
        }
        prefixes.extend(entries(&self.home.join(".pyenv/versions")));
        for prefix in prefixes {
            let versions = entries(&prefix.join("lib")).into_iter();
            found.extend(versions.map(|version| version.join("site-packages")));
        }
        found
    }

    fn cargo(&self, hosts: &mut BTreeSet<String>) {
        let before = hosts.len();
        let home = self.env.get("CARGO_HOME").map_or(self.home.join(".cargo"), PathBuf::from);
        for file in ["config.toml", "config"].map(|file| home.join(file)) {
            let Ok(table) = read(&file).parse::<toml::Table>() else { continue };
            let sections =
                ["source", "registries"].into_iter().filter_map(|name| table.get(name)?.as_table());
            for entry in sections.flat_map(toml::Table::values) {
                for key in ["registry", "index"] {
                    let url = entry.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                    hosts.extend(host(url.strip_prefix("sparse+").unwrap_or(url)));
                }
            }
        }
        if hosts.len() == before {
            hosts.extend(self.built_into_cargo(&home));
        }
        // Where an index says that packages are, once it has been asked.
        let indexes = entries(&home.join("registry/index"));
        for index in indexes {
            let name = index.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of_these = hosts.iter().any(|host| name.starts_with(host.split(':').next().unwrap_or(host)));
            let config: serde_json::Value =
                serde_json::from_str(&read(&index.join("config.json"))).unwrap_or_default();
            if of_these {
                hosts.extend(config["dl"].as_str().and_then(host));
            }
        }
    }

    /// The index that this machine's cargo knows by itself, and the host beside it that its packages lie on.
    fn built_into_cargo(&self, home: &Path) -> Vec<String> {
        const BEFORE: &[u8] = b"sparse+https://index.";
        let toolchains = entries(&self.home.join(".rustup/toolchains"));
        let toolchains = toolchains.into_iter().map(|toolchain| toolchain.join("bin/cargo"));
        let programs = toolchains.chain(self.resolved("cargo")).chain([home.join("bin/cargo")]);
        for program in programs {
            let Some(bytes) = bytes(&program, LONGEST_PROGRAM) else { continue };
            let Some(at) = bytes.windows(BEFORE.len()).position(|window| window == BEFORE) else { continue };
            let behind = &bytes[at + BEFORE.len()..];
            let end = behind.iter().position(|byte| *byte == b'/').unwrap_or(0).min(253);
            if let Ok(domain) = str::from_utf8(&behind[..end])
                && !domain.is_empty()
            {
                let host = |first: &str| host(&format!("https://{first}.{domain}/"));
                return ["index", "static"].into_iter().filter_map(host).collect();
            }
        }
        Vec::new()
    }

    fn apt(&self, hosts: &mut BTreeSet<String>) {
        let directory = self.root.join("etc/apt");
        let mut files = vec![directory.join("sources.list")];
        files.extend(entries(&directory.join("sources.list.d")));
        for file in files {
            let text = read(&file);
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            hosts.extend(lines.flat_map(str::split_whitespace).filter_map(host));
        }
    }

    fn variable(&self, name: &str, hosts: &mut BTreeSet<String>) {
        let value = self.env.get(name).map_or("", String::as_str);
        hosts.extend(value.split_whitespace().filter_map(host));
    }

    /// The programs of this name, links followed.
    fn resolved(&self, name: &str) -> Vec<PathBuf> {
        self.programs.iter().filter_map(|directory| directory.join(name).canonicalize().ok()).collect()
    }
}

/// `host:port` of an address that is fetched over HTTP.
fn host(url: &str) -> Option<String> {
    let (rest, port) = match url.split_once("://")? {
        ("https", rest) => (rest, 443),
        ("http", rest) => (rest, 80),
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    Endpoint::parse(&host).is_ok().then_some(host)
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let start = text.find(['\'', '"'])?;
    let quote = &text[start..=start];
    text[start + 1..].split(quote).next()
}

/// `key = value` of each line.
fn settings(text: &str) -> Vec<(&str, &str)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))).collect()
}

fn read(file: &Path) -> String {
    bytes(file, LONGEST).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// A plain file that is not too long; whatever else it is counts as not there.
fn bytes(file: &Path, longest: u64) -> Option<Vec<u8>> {
    let found = fs::metadata(file).ok()?;
    if found.is_file() && found.len() <= longest { fs::read(file).ok() } else { None }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests;
