//! Registries on machines that are made for it.

use super::*;

struct Made {
    root: tempfile::TempDir,
    env: BTreeMap<String, String>,
    writable: Vec<&'static str>,
}

impl Made {
    fn new(files: &[(&str, &str)]) -> Made {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Made { root, env: BTreeMap::new(), writable: Vec::new() }
    }

    fn hosts(&self, tool: Tool) -> Result<Vec<String>, Unknown> {
        let home = self.root.path().join("home");
        let machine = Machine {
            root: self.root.path(),
            home: &home,
            env: &self.env,
            programs: vec![self.root.path().join("usr/bin")],
            writable: self.writable.iter().map(|tree| self.root.path().join(tree)).collect(),
        };
        let endpoints = tool.endpoints(&machine)?;
        Ok(endpoints.into_iter().flatten().map(|endpoint| endpoint.to_string()).collect())
    }
}

const DEFINITIONS: (&str, &str) = (
    "usr/lib/npm/node_modules/@npmcli/config/lib/definitions/definitions.js",
    "registry: new Definition('registry', {\n default: 'https://built-in.example/',\n",
);

#[test]
fn a_users_setting_goes_before_what_is_built_in() {
    let built_in = Made::new(&[DEFINITIONS, ("usr/lib/npm/bin/npm-cli.js", "")]);
    fs::create_dir_all(built_in.root.path().join("usr/bin")).unwrap();
    let link = built_in.root.path().join("usr/bin/npm");
    std::os::unix::fs::symlink("../lib/npm/bin/npm-cli.js", link).unwrap();
    assert_eq!(built_in.hosts(Tool::Npm).unwrap(), ["built-in.example:443"]);
    let settings =
        "registry=http://own.example:4873/\n@acme:registry=https://acme.example/npm/\n//x/:_auth=y\n";
    fs::create_dir_all(built_in.root.path().join("home")).unwrap();
    fs::write(built_in.root.path().join("home/.npmrc"), settings).unwrap();
    assert_eq!(built_in.hosts(Tool::Npm).unwrap(), ["acme.example:443", "own.example:4873"]);
}

#[test]
fn pip_knows_an_index_and_where_files_are() {
    let index = "\nPyPI = PackageIndex(\"https://index.example/\", file_storage_domain=\"files.example\")\n";
    let built_in = ("usr/lib/python3/dist-packages/pip/_internal/models/index.py", index);
    let mut made = Made::new(&[built_in]);
    assert_eq!(made.hosts(Tool::Pip).unwrap(), ["files.example:443", "index.example:443"]);
    made.env.insert("PIP_INDEX_URL".into(), "https://user:secret@mirror.example/simple".into());
    assert_eq!(made.hosts(Tool::Pip).unwrap(), ["mirror.example:443"]);
}

#[test]
fn cargo_has_its_index_built_in_and_packages_beside_it() {
    let built_in = ("home/.cargo/bin/cargo", "\x7fELF\0sparse+https://index.registry.example/\0");
    let made = Made::new(&[built_in]);
    assert_eq!(
        made.hosts(Tool::Cargo).unwrap(),
        ["index.registry.example:443", "static.registry.example:443"]
    );
    let replaced = "[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+http://own.example:8080/i/\"\n";
    let config = r#"{"dl": "https://files.example/crates", "api": null}"#;
    let made = Made::new(&[
        built_in,
        ("home/.cargo/config.toml", replaced),
        ("home/.cargo/registry/index/own.example-1/config.json", config),
        ("home/.cargo/registry/index/else.example-1/config.json", r#"{"dl": "https://evil.example/"}"#),
    ]);
    assert_eq!(made.hosts(Tool::Cargo).unwrap(), ["files.example:443", "own.example:8080"]);
}

#[test]
fn apt_has_its_sources_in_two_forms() {
    let made = Made::new(&[
        (
            "etc/apt/sources.list",
            "# deb http://no.example/ x\ndeb [arch=amd64] http://one.example/d stable main\n",
        ),
        ("etc/apt/sources.list.d/a.sources", "Types: deb\nURIs: https://two.example/d file:///srv\n"),
    ]);
    assert_eq!(made.hosts(Tool::Apt).unwrap(), ["one.example:80", "two.example:443"]);
}

#[test]
fn images_come_from_mirrors_and_registries_that_are_set_up() {
    let daemon =
        r#"{"registry-mirrors": ["https://mirror.example:5000/", "ftp://no.example"], "debug": true}"#;
    let second = "unqualified-search-registries = [\"one.example\"]\n[[registry]]\nprefix = \"*.two.example\"\n\
        location = \"two.example/team\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"three.example:8080\"\n\
        [[registry]]\nprefix = \"evil.example\"\nblocked = true\n[aliases]\nx = \"alias.example/x\"\n";
    let first = "[registries.search]\nregistries = ['old.example']\n[registries.block]\nregistries = ['no.example']\n";
    let made = Made::new(&[
        ("etc/docker/daemon.json", daemon),
        ("etc/containers/registries.conf", second),
        ("home/.config/containers/registries.conf.d/own.conf", first),
        (
            "home/.config/containers/registries.conf.d/own.conf.bak",
            "unqualified-search-registries = ['no.example']",
        ),
    ]);
    let expected = [
        "mirror.example:5000",
        "old.example:443",
        "one.example:443",
        "three.example:8080",
        "two.example:443",
        "two.example:80",
    ];
    assert_eq!(made.hosts(Tool::Docker).unwrap(), expected);
}

#[test]
fn docker_has_its_registry_built_in_and_knows_it_by_its_domain() {
    let program = "\x7fELFhttps://index.no/path/v1/ https://index.alone.example/v1/xhttps://index.hub.example/v1/flag\
        registry-1.hub.exampleRemoving";
    let made = Made::new(&[("usr/bin/docker", program)]);
    let built_in = ["auth.hub.example:443", "index.hub.example:443", "registry-1.hub.example:443"];
    assert_eq!(made.hosts(Tool::Docker).unwrap(), built_in);
    let set = |text: &str| {
        Made::new(&[("usr/bin/docker", program), ("etc/containers/registries.conf", text)])
            .hosts(Tool::Docker)
            .unwrap()
    };
    assert_eq!(set("unqualified-search-registries = ['own.example']"), ["own.example:443"]);
    let both = set("unqualified-search-registries = ['hub.example']");
    assert_eq!(both.len(), 4, "{both:?}");
    // Another program of that name, and one that a command may have put there.
    let other = Made::new(&[("usr/bin/docker", "#!/bin/sh\nexec podman https://index.hub.example/v1/\n")]);
    assert!(other.hosts(Tool::Docker).is_err());
    let written = Made { writable: vec!["usr/bin"], ..made };
    assert!(written.hosts(Tool::Docker).unwrap_err().help.contains("tokens and layers"));
}

#[test]
fn a_tool_that_is_not_here_is_told_of() {
    let made = Made::new(&[("home/.npmrc", "registry=file:///x\nregistry=https://a b/\n")]);
    for tool in [Tool::Npm, Tool::Pip, Tool::Cargo, Tool::Apt, Tool::Docker] {
        assert!(made.hosts(tool).unwrap_err().help.starts_with("name "), "{tool:?}");
    }
}

#[test]
fn what_a_command_may_write_does_not_decide() {
    let npm = ("home/.npmrc", "registry=https://evil.example/\n");
    let pip = ("home/.config/pip/pip.conf", "[global]\nindex-url = https://evil.example/\n");
    let cargo = ("home/.cargo/config.toml", "[registries.x]\nindex = \"sparse+https://evil.example/\"\n");
    let images = "unqualified-search-registries = ['evil.example']";
    let docker = ("home/.config/containers/registries.conf.d/x.conf", images);
    let mut made = Made::new(&[npm, pip, cargo, docker]);
    for tool in [Tool::Npm, Tool::Pip, Tool::Cargo, Tool::Docker] {
        assert_eq!(made.hosts(tool).unwrap(), ["evil.example:443"], "{tool:?}");
    }
    made.writable = vec!["home/.npmrc", "home/.config", "home/.cargo"];
    for tool in [Tool::Npm, Tool::Pip, Tool::Cargo, Tool::Docker] {
        let why = made.hosts(tool).unwrap_err().why;
        assert!(why.ends_with("lies where a command may write"), "{tool:?}: {why}");
    }
    // Nor by what is missing there: it may have been removed.
    made.writable = vec!["home/.config/containers/registries.conf.d"];
    fs::remove_file(made.root.path().join(docker.0)).unwrap();
    assert!(made.hosts(Tool::Docker).unwrap_err().why.ends_with("lies where a command may write"));
    made.writable = vec!["home"];
    fs::remove_file(made.root.path().join("home/.npmrc")).unwrap();
    assert!(made.hosts(Tool::Npm).is_err());
}

#[test]
fn no_link_of_a_commands_and_no_tool_of_its_making_decides() {
    let built_in = ("work/bin/cargo", "\x7fELF\0sparse+https://index.evil.example/\0");
    let mut made = Made::new(&[
        built_in,
        ("usr/bin/cargo", "\x7fELF\0sparse+https://index.registry.example/\0"),
        (
            "home/.cargo/registry/index/index.registry.example-1/config.json",
            r#"{"dl": "https://evil.example/"}"#,
        ),
        ("else/npmrc", "registry=https://evil.example/\n"),
    ]);
    let root = made.root.path().to_owned();
    fs::create_dir_all(root.join("home/.rustup/toolchains/own")).unwrap();
    std::os::unix::fs::symlink(root.join("work/bin"), root.join("home/.rustup/toolchains/own/bin")).unwrap();
    std::os::unix::fs::symlink(root.join("else/npmrc"), root.join("work/npmrc")).unwrap();
    std::os::unix::fs::symlink(root.join("work/npmrc"), root.join("home/.npmrc")).unwrap();
    assert_eq!(made.hosts(Tool::Npm).unwrap(), ["evil.example:443"]);
    assert_eq!(made.hosts(Tool::Cargo).unwrap(), ["index.evil.example:443", "static.evil.example:443"]);
    made.writable = vec!["work", "home/.cargo/registry"];
    assert!(made.hosts(Tool::Npm).is_err());
    assert_eq!(
        made.hosts(Tool::Cargo).unwrap(),
        ["index.registry.example:443", "static.registry.example:443"]
    );
}

#[test]
fn a_setting_names_one_host_and_no_pattern() {
    let made = Made::new(&[("home/.npmrc", "registry=https://*.example/\n")]);
    assert!(made.hosts(Tool::Npm).is_err());
}
