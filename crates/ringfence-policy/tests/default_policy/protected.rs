//! What is protected in what is granted, under any name.
//! Not how that is held.

use super::*;

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
