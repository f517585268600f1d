//! Attempts at names that are protected inside the writable workspace, because something outside runs them later.
//! Present or absent, at any depth, by every way a name can come to be.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use super::change::{append, is_marked, plant};
use super::{Attempt, REFUSED, Stage, scene::Scene};

/// The attempts.
pub(super) const ROWS: &[Attempt] = &[
    Attempt {
        name: "plant_hook",
        promise: "A git hook is not created where no hooks directory is",
        act: |stage| plant(&stage.workspace().join(".git/hooks/pre-commit")),
        harm: Some(has_hook),
        ..REFUSED
    },
    Attempt {
        name: "symlink_hooks",
        promise: "A symlink does not take the place of the hooks directory",
        act: symlink_hooks,
        harm: Some(has_hook),
        ..REFUSED
    },
    Attempt {
        name: "rename_to_hooks",
        promise: "A prepared directory is not renamed to the hooks directory",
        act: rename_to_hooks,
        harm: Some(has_hook),
        ..REFUSED
    },
    Attempt {
        name: "rename_git",
        promise: "The .git directory is not moved aside and replaced",
        act: rename_git,
        harm: Some(|scene| has_hook(scene) || scene.stage.workspace().join("aside").exists()),
        ..REFUSED
    },
    Attempt {
        name: "rename_tree_to_git",
        promise: "A prepared tree with hooks is not renamed to .git",
        act: rename_tree_to_git,
        harm: Some(|scene| scene.stage.workspace().join("vendor/new/.git").exists()),
        ..REFUSED
    },
    Attempt {
        name: "write_git_config",
        promise: "Git's configuration is not written",
        act: |stage| append(&stage.workspace().join(".git/config")),
        harm: Some(has_config),
        ..REFUSED
    },
    Attempt {
        name: "replace_git_config",
        promise: "Git's configuration is not replaced by a rename",
        act: replace_git_config,
        harm: Some(has_config),
        ..REFUSED
    },
    Attempt {
        name: "link_git_config",
        promise: "Git's configuration gets no second name to write through",
        act: link_git_config,
        harm: Some(has_config),
        ..REFUSED
    },
    Attempt {
        name: "remove_git_config",
        promise: "Git's configuration is not removed",
        act: |stage| fs::remove_file(stage.workspace().join(".git/config")),
        harm: Some(|scene| !scene.stage.workspace().join(".git/config").exists()),
        ..REFUSED
    },
    Attempt {
        name: "plant_nested_hook",
        promise: "The same holds for repositories deeper in the workspace",
        act: |stage| plant(&stage.workspace().join("vendor/lib/.git/hooks/post-checkout")),
        harm: Some(|scene| scene.stage.workspace().join("vendor/lib/.git/hooks").exists()),
        ..REFUSED
    },
    Attempt {
        name: "plant_agent_settings",
        promise: "An agent's settings, which may start programs, are not created",
        act: |stage| plant(&stage.workspace().join(".claude/settings.json")),
        harm: Some(|scene| scene.stage.workspace().join(".claude/settings.json").exists()),
        ..REFUSED
    },
    Attempt {
        name: "plant_policy",
        promise: "Ringfence's own policy file is not created for the next run",
        act: |stage| plant(&stage.workspace().join("ringfence.toml")),
        harm: Some(|scene| scene.stage.workspace().join("ringfence.toml").exists()),
        ..REFUSED
    },
];

fn has_hook(scene: &Scene) -> bool {
    // `symlink_metadata`: a dangling symlink in that place is harm too.
    scene.stage.workspace().join(".git/hooks").symlink_metadata().is_ok()
}

fn has_config(scene: &Scene) -> bool {
    is_marked(&scene.stage.workspace().join(".git/config"))
}

fn symlink_hooks(stage: &Stage) -> io::Result<()> {
    plant(&stage.workspace().join("mine/pre-commit"))?;
    symlink("../mine", stage.workspace().join(".git/hooks"))
}

fn rename_to_hooks(stage: &Stage) -> io::Result<()> {
    let mine = stage.workspace().join("mine");
    plant(&mine.join("pre-commit"))?;
    fs::rename(mine, stage.workspace().join(".git/hooks"))
}

fn rename_git(stage: &Stage) -> io::Result<()> {
    let git = stage.workspace().join(".git");
    fs::rename(&git, stage.workspace().join("aside"))?;
    plant(&git.join("hooks/pre-commit"))
}

fn rename_tree_to_git(stage: &Stage) -> io::Result<()> {
    let new = stage.workspace().join("vendor/new");
    plant(&new.join("mine/hooks/pre-commit"))?;
    fs::rename(new.join("mine"), new.join(".git"))
}

fn replace_git_config(stage: &Stage) -> io::Result<()> {
    let mine = stage.workspace().join("mine");
    plant(&mine)?;
    fs::rename(mine, stage.workspace().join(".git/config"))
}

fn link_git_config(stage: &Stage) -> io::Result<()> {
    let alias = stage.workspace().join("alias");
    fs::hard_link(stage.workspace().join(".git/config"), &alias)?;
    append(&alias)
}
