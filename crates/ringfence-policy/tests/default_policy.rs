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
fn the_workspace_is_the_git_root_or_else_the_current_directory() {
    let home = Home::new();
    home.dir("p/.git");
    let below = home.dir("p/src/deep");
    let plan = home.plan(&below);
    assert_eq!(plan.files.workspace, Some(abs(home.path.join("p"))));
    assert_eq!(access(&plan, home.path.join("p/x")), Some(Access::Write));
    assert_eq!(access(&plan, home.path.join("q")), None);
    let plain = home.dir("plain/sub");
    assert_eq!(home.plan(&plain).files.workspace, Some(abs(plain)));
}

#[test]
fn home_root_and_system_directories_are_refused_with_a_way_on() {
    let home = Home::new();
    // Even where people keep their HOME under git.
    home.dir(".git");
    let above = home.path.parent().unwrap().to_owned();
    for cwd in [home.path.clone(), above, "/".into(), "/etc".into(), "/usr/share".into(), "/tmp".into()] {
        let error = home.error(&cwd);
        assert!(
            error.contains("cannot be the workspace") && error.contains("--workspace"),
            "{}: {error}",
            cwd.display()
        );
    }
    let notes = home.dir("notes");
    assert_eq!(home.plan(&notes).files.workspace, Some(abs(&notes)), "a repository at HOME is no project");
}

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
fn a_workspace_that_is_named_in_other_lists_too_stays_one_unless_it_is_to_be_read_only() {
    let home = Home::new();
    let project = home.dir("p");
    for (text, writable) in [
        ("write = ['.']", true),
        ("workspace = '.'\nwrite = ['./x', '.']", true),
        ("read = ['.']", false),
        ("workspace = '.'\nread = ['.']", false),
        ("workspace = false\nread = ['.']", false),
    ] {
        home.file("p/ringfence.toml", &format!("[filesystem]\n{text}\n"));
        let plan = home.plan(&project);
        assert_eq!(plan.files.workspace, writable.then(|| abs(&project)), "{text}");
        let granted = plan.files.grants.iter().any(|grant| grant.path == abs(&project));
        assert!(granted, "{text}");
        assert_eq!(
            access(&plan, &project),
            Some(if writable { Access::Write } else { Access::Read }),
            "{text}"
        );
    }
}

/// A linked worktree as git lays it out.
fn worktree(home: &Home) -> PathBuf {
    let tree = home.dir("tree");
    home.file("main/.git/worktrees/tree/gitdir", &format!("{}/.git\n", tree.display()));
    home.file("main/.git/worktrees/tree/commondir", "../..\n");
    home.file("tree/.git", &format!("gitdir: {}/main/.git/worktrees/tree\n", home.path.display()));
    tree
}

#[test]
fn a_worktree_brings_its_repository_with_the_same_protection() {
    let home = Home::new();
    let plan = home.plan(&worktree(&home));
    let git = home.path.join("main/.git");
    assert_eq!(plan.files.workspace, Some(abs(home.path.join("tree"))));
    assert_eq!(access(&plan, git.join("objects/ab")), Some(Access::Write));
    assert_eq!(access(&plan, home.path.join("main/src")), None);
    for protected in
        ["hooks/pre-commit", "config", "info/attributes", "worktrees/tree/gitdir", "modules/a/b/hooks"]
    {
        assert!(plan.files.protection(&abs(git.join(protected))).is_some(), "{protected}");
    }
    for free in ["index", "refs/heads/config", "worktrees/tree/HEAD", "objects/ab/cd", "logs/HEAD"] {
        assert!(plan.files.protection(&abs(git.join(free))).is_none(), "{free}");
    }
}

#[test]
fn a_worktree_brings_nothing_where_another_directory_is_the_workspace() {
    let home = Home::new();
    let tree = worktree(&home);
    home.dir("other");
    let flag =
        Flag { key: "filesystem.workspace", value: "../other".into(), typed: "--workspace ../other".into() };
    let plan = plan(&Request { flags: vec![flag], ..home.request(&tree) }).unwrap();
    assert_eq!(access(&plan, home.path.join("main/.git/HEAD")), None);
}

#[test]
fn a_planted_git_pointer_widens_nothing() {
    let home = Home::new();
    let tree = worktree(&home);
    // Another directory claims the worktree of the first; and a worktree that does not point back.
    home.file("planted/.git", &format!("gitdir: {}/main/.git/worktrees/tree\n", home.path.display()));
    let planted = home.path.join("planted");
    let plan = home.plan(&planted);
    assert_eq!(plan.files.workspace, Some(abs(&planted)));
    assert_eq!(access(&plan, home.path.join("main/.git/config")), None);
    home.file("main/.git/worktrees/tree/commondir", "../../..\n");
    assert_eq!(access(&home.plan(&tree), home.path.join("main/.git/HEAD")), None);
    // A directory that says it is a submodule of the one above it.
    home.dir("above/.git/modules/x");
    home.file("above/claims/.git", "gitdir: ../.git/modules/x\n");
    let claims = home.path.join("above/claims");
    assert_eq!(home.plan(&claims).files.workspace, Some(abs(&claims)));
    // Not even a pointer to HOME's own repository makes HOME the workspace.
    home.dir(".git/modules/x");
    home.file(".git/modules/x/config", "[core]\n\tworktree = ../../../sub\n");
    let sub = home.file("sub/.git", "gitdir: ../.git/modules/x\n").parent().unwrap().to_owned();
    assert_eq!(home.plan(&sub).files.workspace, Some(abs(&sub)));
}

#[test]
fn a_submodule_belongs_to_the_project_that_holds_its_repository() {
    let home = Home::new();
    home.file("p/.git/modules/lib/config", "[core]\n\tbare = false\n\tworktree = ../../../vendor/lib\n");
    let module =
        home.file("p/vendor/lib/.git", "gitdir: ../../.git/modules/lib\n").parent().unwrap().to_owned();
    let plan = home.plan(&module);
    assert_eq!(plan.files.workspace, Some(abs(home.path.join("p"))));
    assert!(plan.files.protection(&abs(home.path.join("p/.git/modules/lib/hooks/post-checkout"))).is_some());
}

#[test]
fn what_runs_later_is_protected_at_any_depth_and_under_any_spelling() {
    let home = Home::new();
    let project = home.dir("p");
    let plan = home.plan(&project);
    let protected = [
        ".git/hooks/pre-commit",
        "a/b/c/.git/config",
        "a/.GIT/Config",
        ".git/modules/x/y/hooks/post-merge",
        ".gitmodules",
        ".claude/settings.json",
        "sub/.mcp.json",
        ".vscode/tasks.json",
        "x.code-workspace",
        ".envrc",
        "ringfence.toml",
        "deep/ringfence.toml",
        ".husky/pre-commit",
    ];
    for name in protected {
        assert!(plan.files.protection(&abs(project.join(name))).is_some(), "{name}");
    }
    let free = [
        ".git/index",
        ".git/refs/heads/config",
        ".git/COMMIT_EDITMSG",
        ".github/workflows/ci.yml",
        "node_modules/pkg/.vscode/settings.json",
        "package.json",
        "src/config",
        "hooks/x",
    ];
    for name in free {
        assert!(plan.files.protection(&abs(project.join(name))).is_none(), "{name}");
    }
    assert!(plan.files.protection(&abs(project.join("node_modules/pkg/.git/hooks/x"))).is_some());
}

#[test]
fn a_policy_file_of_any_name_is_protected_with_the_directories_on_its_way() {
    let home = Home::new();
    let project = home.dir("p");
    home.file("p/conf/agent.policy", "");
    let request = Request { policy_files: vec!["conf/agent.policy".into()], ..home.request(&project) };
    let plan = plan(&request).unwrap();
    assert!(plan.files.protection(&abs(project.join("conf/agent.policy"))).is_some());
    assert!(plan.files.anchors_protection(&abs(project.join("conf"))).is_some());
}

#[test]
fn start_up_files_are_protected_where_home_is_writable() {
    let home = Home::new();
    let project = home.dir("p");
    let write =
        |path: &str| Flag { key: "filesystem.write", value: path.into(), typed: format!("--write {path}") };
    let request = |path| Request { flags: vec![write(path)], ..home.request(&project) };
    let all = plan(&request("~")).unwrap();
    for name in [".bashrc", ".gitconfig", ".config/systemd/user/x.service", ".local/bin/ls"] {
        assert!(all.files.protection(&abs(home.path.join(name))).is_some(), "{name}");
    }
    assert_eq!(
        access(&all, home.path.join(".ssh/id")),
        Some(Access::Deny),
        "hidden although HOME is granted"
    );
    assert_eq!(access(&all, home.path.join(".config/ringfence/x")), Some(Access::Deny));
    let some = plan(&request("~/.config")).unwrap();
    assert!(some.files.protection(&abs(home.path.join(".config/git/hooks"))).is_some());
    assert_eq!(access(&some, home.path.join(".config/gh/hosts.yml")), Some(Access::Deny));
    // An agent's own directory may be granted; what decides about its permissions stays as it is.
    let agent = plan(&request("~/.claude")).unwrap();
    assert!(agent.files.protection(&abs(home.path.join(".claude/settings.json"))).is_some());
    assert!(agent.files.protection(&abs(home.path.join(".claude/projects/x.jsonl"))).is_none());
}

#[test]
fn ringfences_own_places_cannot_be_granted() {
    let home = Home::new();
    let project = home.dir("p");
    let flag = Flag {
        key: "filesystem.read",
        value: "~/.config/ringfence".into(),
        typed: "--read ~/.config/ringfence".into(),
    };
    let request = Request { flags: vec![flag], ..home.request(&project) };
    let composed = load(&request).and_then(compose).unwrap();
    assert_eq!(composed.warnings().0.len(), 1);
    assert_eq!(access(&compile(&composed).unwrap(), home.path.join(".config/ringfence/x")), None);
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
fn hidden_places_are_denied_by_name_where_a_grant_may_be_another_name_of_one() {
    let home = Home::new();
    let project = home.dir("p");
    home.dir("dotfiles/ssh");
    symlink(home.path.join("dotfiles/ssh"), home.path.join(".ssh")).unwrap();
    let ssh = abs(home.path.join(".ssh"));
    let denied =
        |plan: &Plan| plan.files.grants.iter().any(|grant| grant.path == ssh && grant.access == Access::Deny);
    assert!(!denied(&home.plan(&project)), "nothing that people granted");
    home.file("p/ringfence.toml", "[filesystem]\nread = ['../dotfiles']\n");
    let request = Request { policy_files: vec!["ringfence.toml".into()], ..home.request(&project) };
    let plan = plan(&request).unwrap();
    assert!(denied(&plan));
    assert!(plan.files.grants.windows(2).all(|pair| pair[0].path < pair[1].path));
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
