//! What the workspace is, and what a linked worktree or a submodule brings with it.
//! Not what is granted beside it.

use super::*;

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
