//! The hosts of package registries, from each tool's own settings, or from what is built into the tool as it stands on
//! this machine. Files are read; no program is run.
//!
//! Only settings of the machine and of the user count: a project's would let the project choose where it is let out to, and
//! so would one that a command may have written, in this run or in one before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Endpoint, HostPattern};

use crate::discover::Follower;

mod docker;

/// A tool that fetches packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// And pnpm, yarn, and bun, which read its settings.
    Npm,
    /// And those that read its settings.
    Pip,
    Cargo,
    Apt,
    /// And podman, buildah and skopeo.
    Docker,
}

/// What is looked at.
pub(crate) struct Machine<'a> {
    /// `/`.
    pub(crate) root: &'a Path,
    /// The caller's HOME.
    pub(crate) home: &'a Path,
    /// The caller's variables.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Directories of programs.
    pub(crate) programs: Vec<PathBuf>,
    /// What commands may write, by every name.
    pub(crate) writable: Vec<PathBuf>,
}

/// Why the hosts of a tool are not known, and what to write instead.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) why: String,
    pub(crate) help: &'static str,
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
    pub(crate) fn endpoints(self, machine: &Machine<'_>) -> Result<Vec<Vec<Endpoint>>, Unknown> {
        let mut hosts = BTreeSet::new();
        let (looked, help) = match self {
            Tool::Npm => (machine.npm(&mut hosts), "name the host that `npm config get registry` tells"),
            Tool::Pip => (machine.pip(&mut hosts), "name the hosts that `pip download --verbose` asks"),
            Tool::Cargo => {
                (machine.cargo(&mut hosts), "name the hosts of your registry, as cargo's configuration does")
            }
            Tool::Apt => (machine.apt(&mut hosts), "name the hosts of /etc/apt/sources.list"),
            Tool::Docker => (
                machine.docker(&mut hosts),
                "name the registry's host, and those that it sends clients to for tokens and layers: a pull in a run tells \
                 each that is refused",
            ),
        };
        looked.map_err(|why| Unknown { why, help })?;
        let endpoints: Vec<_> = hosts.iter().filter_map(|host| Endpoint::parse(host).ok()).collect();
        if endpoints.is_empty() {
            let why = "neither the tool nor a setting of it was found".into();
            return Err(Unknown { why, help });
        }
        Ok(endpoints)
    }
}

impl Machine<'_> {
    fn npm(&self, hosts: &mut BTreeSet<String>) -> Result<(), String> {
        let before = hosts.len();
        for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
            self.variable(name, hosts);
        }
        for file in [self.home.join(".npmrc"), self.root.join("etc/npmrc"), self.root.join("usr/etc/npmrc")] {
            for (key, value) in settings(&self.said(&file)?) {
                if key == "registry" || key.ends_with(":registry") {
                    hosts.extend(host(value));
                }
            }
        }
        if hosts.len() > before {
            return Ok(());
        }
        const DEFINITIONS: &str = "node_modules/@npmcli/config/lib/definitions/definitions.js";
        for program in self.resolved("npm") {
            // …/npm/bin/npm-cli.js
            let Some(package) = program.parent().and_then(Path::parent) else { continue };
            let text = self.built_in(&package.join(DEFINITIONS));
            let behind = text.split_once("new Definition('registry'").map(|(_, behind)| behind);
            hosts.extend(behind.and_then(quoted).and_then(host));
        }
        Ok(())
    }

    fn pip(&self, hosts: &mut BTreeSet<String>) -> Result<(), String> {
        let before = hosts.len();
        for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
            self.variable(name, hosts);
        }
        let own = [".config/pip/pip.conf", ".pip/pip.conf"].map(|file| self.home.join(file));
        for file in own.into_iter().chain([self.root.join("etc/pip.conf")]) {
            for (key, value) in settings(&self.said(&file)?) {
                if key == "index-url" || key == "extra-index-url" {
                    hosts.extend(value.split_whitespace().filter_map(host));
                }
            }
        }
        if hosts.len() > before {
            return Ok(());
        }
        for package in self.site_packages() {
            let text = self.built_in(&package.join("pip/_internal/models/index.py"));
            let Some((_, own)) = text.split_once("\nPyPI = ") else { continue };
            hosts.extend(quoted(own).and_then(host));
            let storage = own.split_once("file_storage_domain=").and_then(|(_, behind)| quoted(behind));
            hosts.extend(storage.and_then(|storage| host(&format!("https://{storage}/"))));
            break;
        }
        Ok(())
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

    fn cargo(&self, hosts: &mut BTreeSet<String>) -> Result<(), String> {
        let before = hosts.len();
        let home = self.env.get("CARGO_HOME").map_or(self.home.join(".cargo"), PathBuf::from);
        for file in ["config.toml", "config"].map(|file| home.join(file)) {
            let Ok(table) = self.said(&file)?.parse::<toml::Table>() else { continue };
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
                serde_json::from_str(&self.built_in(&index.join("config.json"))).unwrap_or_default();
            if of_these {
                hosts.extend(config["dl"].as_str().and_then(host));
            }
        }
        Ok(())
    }

    /// The index that this machine's cargo knows by itself, and the host beside it that its packages lie on.
    fn built_into_cargo(&self, home: &Path) -> Vec<String> {
        const BEFORE: &[u8] = b"sparse+https://index.";
        let toolchains = entries(&self.home.join(".rustup/toolchains"));
        let toolchains = toolchains.into_iter().map(|toolchain| toolchain.join("bin/cargo"));
        let programs = toolchains.chain(self.resolved("cargo")).chain([home.join("bin/cargo")]);
        for program in programs {
            let Some(bytes) = self.unwritten(&program).and_then(|program| bytes(&program, LONGEST_PROGRAM))
            else {
                continue;
            };
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

    fn apt(&self, hosts: &mut BTreeSet<String>) -> Result<(), String> {
        let directory = self.root.join("etc/apt");
        let mut files = vec![directory.join("sources.list")];
        files.extend(entries(&directory.join("sources.list.d")));
        for file in files {
            let text = self.said(&file)?;
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            hosts.extend(lines.flat_map(str::split_whitespace).filter_map(host));
        }
        Ok(())
    }

    fn variable(&self, name: &str, hosts: &mut BTreeSet<String>) {
        let value = self.env.get(name).map_or("", String::as_str);
        hosts.extend(value.split_whitespace().filter_map(host));
    }

    /// The programs of this name, links followed.
    fn resolved(&self, name: &str) -> Vec<PathBuf> {
        self.programs.iter().filter_map(|directory| self.unwritten(&directory.join(name))).collect()
    }

    /// The text of a settings file, which may be absent. One that a command may write is an error, there or not: passing
    /// over it would be another choice than the user's, and the command could have brought that about.
    fn said(&self, file: &Path) -> Result<String, String> {
        match self.unwritten(file) {
            Some(place) => Ok(read(&place)),
            None => {
                Err(format!("{} lies where a command may write", file.display().to_string().escape_debug()))
            }
        }
    }

    /// The text of a file of the tool, or of what the tool has noted; empty where it is absent or a command may write it.
    fn built_in(&self, file: &Path) -> String {
        self.unwritten(file).map(|place| read(&place)).unwrap_or_default()
    }

    /// The real place of `file`, unless a command may have put there what lies there, or a link on the way.
    fn unwritten(&self, file: &Path) -> Option<PathBuf> {
        let named = AbsPath::new(file).ok()?;
        let link = Follower::default().follow(&named);
        let is_written = |path: &AbsPath| self.writable.iter().any(|tree| path.as_path().starts_with(tree));
        let (real, through) = link.map_or((named.clone(), Vec::new()), |link| (link.real, link.through));
        let written = through.iter().chain([&named, &real]).any(is_written);
        (!written).then(|| real.as_path().to_owned())
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
    // A tool fetches from one host: what would be a pattern in a rule is none there.
    let is_one = |endpoint: &Endpoint| !matches!(endpoint.host, HostPattern::Below(_));
    Endpoint::parse(&host).is_ok_and(|endpoints| endpoints.iter().all(is_one)).then_some(host)
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
