//! What is granted beside the workspace: tool-chains, programs on PATH, and nothing else of the machine.
//! Not what is protected in it.

use super::*;

#[test]
fn the_rest_of_home_and_of_the_machine_is_absent() {
    let home = Home::new();
    let project = home.dir("p");
    for secret in [".ssh/id_ed25519", ".aws/credentials", ".config/gh/hosts.yml", ".bashrc", "other/x"] {
        let path = home.file(secret, "");
        assert_eq!(access(&home.plan(&project), path), None, "{secret}");
    }
    for outside in [
        "/etc/shadow",
        "/etc/passwd",
        "/root",
        "/var/log",
        "/home",
        "/proc/1",
        "/sys",
        "/dev/sda",
        "/etc/ssl/private",
    ] {
        assert_eq!(access(&home.plan(&project), outside), None, "{outside}");
    }
    let plan = home.plan(&project);
    assert_eq!(access(&plan, "/usr/bin/env"), Some(Access::Read));
    assert_eq!(plan.network.mode, NetworkMode::None);
    assert!(plan.limits.processes.is_some());
    assert!(!cfg!(target_os = "linux") || plan.limits.memory.is_some());
}

#[test]
fn tool_chains_that_the_project_calls_for_are_granted_and_their_credentials_are_not() {
    let home = Home::new();
    let project = home.dir("p");
    home.file("p/Cargo.toml", "");
    home.file("p/pyproject.toml", "");
    home.dir(".nvm");
    home.dir(".rustup/toolchains");
    home.file(".cargo/credentials.toml", "");
    home.dir(".cache/pip");
    let plan = home.plan(&project);
    assert_eq!(access(&plan, home.path.join(".rustup/toolchains")), Some(Access::Read));
    assert_eq!(access(&plan, home.path.join(".cargo/registry")), Some(Access::Private));
    assert_eq!(access(&plan, home.path.join(".cargo/credentials.toml")), Some(Access::Deny));
    assert_eq!(access(&plan, home.path.join(".cache/pip")), Some(Access::Private));
    assert_eq!(access(&plan, home.path.join(".cache/chromium")), None);
    assert_eq!(access(&plan, home.path.join(".npm")), None, "what is absent is not granted");
    assert_eq!(access(&plan, home.path.join(".nvm")), None, "nothing in this project calls for node");
}

#[test]
fn variables_move_tool_chains_but_never_to_home_itself() {
    let home = Home::new();
    let project = home.dir("p");
    home.file("p/Cargo.toml", "");
    let elsewhere = home.dir("tools/cargo");
    let env = |value: &Path| BTreeMap::from([("CARGO_HOME".to_owned(), value.to_str().unwrap().to_owned())]);
    let moved = plan(&Request { caller_env: env(&elsewhere), ..home.request(&project) }).unwrap();
    assert_eq!(access(&moved, &elsewhere), Some(Access::Private));
    assert!(moved.environment.passes("CARGO_HOME".as_ref()));
    for bad in [home.path.as_path(), Path::new("/"), home.path.parent().unwrap(), Path::new("relative")] {
        let plan = plan(&Request { caller_env: env(bad), ..home.request(&project) }).unwrap();
        assert_eq!(access(&plan, home.path.join(".ssh")), None, "{}", bad.display());
        assert!(!plan.environment.passes("CARGO_HOME".as_ref()));
    }
}

#[test]
fn directories_of_programs_on_path_are_granted_and_other_ones_are_not() {
    let home = Home::new();
    let project = home.dir("p");
    home.dir(".local/bin");
    home.dir(".local/share/keyrings");
    home.dir("conda/conda-meta");
    home.dir("conda/bin");
    home.dir("documents");
    let path =
        ["", ".", ".local/bin", "conda/bin", "documents", "nowhere/bin"].map(|name| home.path.join(name));
    let path: Vec<_> = path.iter().map(|path| path.to_str().unwrap()).collect();
    let env = BTreeMap::from([("PATH".to_owned(), path.join(":"))]);
    let plan = plan(&Request { caller_env: env, ..home.request(&project) }).unwrap();
    assert_eq!(access(&plan, home.path.join(".local/bin/tool")), Some(Access::Read));
    assert_eq!(access(&plan, home.path.join(".local/share/keyrings")), None);
    assert_eq!(access(&plan, home.path.join("conda/lib/python3")), Some(Access::Read));
    assert_eq!(access(&plan, home.path.join("documents")), None);
    assert_eq!(access(&plan, home.path.join("nowhere/bin")), None);
    assert_eq!(access(&plan, &home.path), None);
}

#[test]
fn a_directory_of_path_that_leads_elsewhere_grants_nothing_of_that() {
    let home = Home::new();
    let project = home.dir("p");
    for name in
        ["documents", ".ssh/bin", "versions/20/bin", "versions/20/include/node", "shell", "other/.venv"]
    {
        home.dir(name);
    }
    home.file("versions/20/include/node/node.h", "");
    home.file("other/.venv/pyvenv.cfg", "");
    let entry = home.path.join("other/.venv/bin");
    let granted = |entry: &Path| {
        let env = BTreeMap::from([("PATH".to_owned(), entry.to_str().unwrap().to_owned())]);
        let plan = plan(&Request { caller_env: env, ..home.request(&project) }).unwrap();
        access(&plan, entry.join("x"))
    };
    // What a command in the other project can put there.
    for target in ["documents", ".ssh", ".ssh/bin", ""] {
        std::os::unix::fs::symlink(home.path.join(target), &entry).unwrap();
        assert_eq!(granted(&entry), None, "{target}");
        std::fs::remove_file(&entry).unwrap();
    }
    std::os::unix::fs::symlink("/", &entry).unwrap();
    assert_eq!(granted(&entry), None);
    std::fs::remove_file(&entry).unwrap();
    home.dir("other/.venv/bin");
    assert_eq!(granted(&entry), Some(Access::Read));
    // A name for a version of node, as its managers make them.
    std::os::unix::fs::symlink(home.path.join("versions/20"), home.path.join("shell/1")).unwrap();
    assert_eq!(granted(&home.path.join("shell/1/bin")), Some(Access::Read));
}

#[test]
fn extending_nothing_leaves_the_base_alone() {
    let home = Home::new();
    let project = home.dir("p");
    home.file("p/Cargo.toml", "");
    home.dir(".rustup");
    home.file("p/ringfence.toml", "extends = []\n");
    let named = Request { policy_files: vec!["ringfence.toml".into()], ..home.request(&project) };
    assert_eq!(access(&plan(&named).unwrap(), home.path.join(".rustup")), None);
    assert_eq!(access(&home.plan(&project), home.path.join(".rustup")), None, "untrusted, it may narrow");
    assert_eq!(access(&home.plan(&project), "/usr"), Some(Access::Read));
    home.file("p/ringfence.toml", "extends = [\"default\"]\n");
    assert_eq!(access(&plan(&named).unwrap(), home.path.join(".rustup")), Some(Access::Read));
    assert_eq!(access(&home.plan(&project), home.path.join(".rustup")), Some(Access::Read));
}
