//! Protected names: readable, and never created, changed, renamed or removed; present or absent, at any depth, under
//! any spelling. The host's own look at the tree decides, not the answer the attacker got.

use crate::attack::Attack;
use crate::row::Row;

/// A repository with one commit.
pub(super) const GIT: &str = "git init -q -b main . && echo a > file && git add file && git commit -qm one";

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for place in PLACES {
        for state in STATES {
            rows.extend(matrix(place, state).into_iter().map(Attack::row));
        }
    }
    let single = absent_names().into_iter().chain(spellings()).chain(ancestors()).chain(numbers());
    rows.extend(single.map(|attack| attack.held_by("filesystem.protect").row()));
    rows
}

/// Where a protected directory is: its name, and how the host made what is around it.
struct Around {
    name: &'static str,
    /// The directory in which `hooks` and `config` are protected.
    base: &'static str,
    prepare: &'static str,
}

const PLACES: &[Around] = &[
    Around { name: "root", base: ".git", prepare: "" },
    Around { name: "nested 1", base: "sub/.git", prepare: "git init -q sub" },
    Around { name: "nested 6", base: "a/b/c/d/e/f/.git", prepare: "git init -q a/b/c/d/e/f" },
    Around {
        name: "submodule",
        base: ".git/modules/lib",
        prepare: "git init -q $OUTSIDE/lib && git -C $OUTSIDE/lib commit -q --allow-empty -m one && \
                  git -c protocol.file.allow=always submodule --quiet add $OUTSIDE/lib lib && git commit -qm lib",
    },
    Around {
        name: "worktree",
        base: ".git/worktrees/w",
        prepare: "git worktree add -q w && mkdir .git/worktrees/w/hooks && \
        echo x > .git/worktrees/w/config",
    },
];

/// What stands at the protected name before.
#[derive(Clone, Copy)]
struct State {
    name: &'static str,
    /// The protected name below the base that is aimed at.
    target: &'static str,
    prepare: &'static str,
    operations: &'static [(&'static str, &'static str)],
}

/// For each state the operations that mean something there. `$B` is the base, `$T` the target.
const STATES: &[State] = &[
    State {
        name: "directory",
        target: "hooks",
        prepare: "mkdir -p $T && echo '#!/bin/sh' > $T/pre-commit",
        operations: &[
            ("create", "attempt create $T/planted"),
            ("openat2", "attempt create_by_openat2 $T/planted"),
            ("creat", "attempt create_by_creat $T/planted"),
            ("openat", "attempt create_by_directory $T/planted"),
            ("tmpfile", "attempt create_by_tmpfile $T/planted"),
            ("mkdir", "attempt mkdir $T/planted"),
            ("rename into", "echo x > x; attempt rename_into x $T/planted"),
            ("rename over", "echo x > x; attempt rename_into x $T/pre-commit"),
            ("rename away", "attempt rename_into $T away"),
            ("rename out", "attempt rename_into $T/pre-commit away"),
            ("exchange", "mkdir x; attempt exchange x $T"),
            ("symlink", "attempt symlink $T/planted"),
            ("link into", "echo x > x; attempt link x $T/planted"),
            ("link out", "attempt link $T/pre-commit out"),
            ("mknod", "attempt mknod $T/planted"),
            ("bind", "attempt bind $T/planted"),
            ("chmod", "attempt chmod $T/pre-commit"),
            ("chmod directory", "attempt chmod $T"),
            ("chown", "attempt chown $T/pre-commit"),
            ("utimes", "attempt utimes $T/pre-commit"),
            ("setxattr", "attempt setxattr $T/pre-commit"),
            ("set flags", "attempt set_flags $T/pre-commit"),
            ("write", "attempt write $T/pre-commit"),
            ("reopen", "attempt reopen_for_writing $T/pre-commit"),
            ("truncate", "attempt truncate $T/pre-commit"),
            ("unlink", "attempt unlink $T/pre-commit"),
            ("remove all", "rm -rf $T"),
        ],
    },
    State {
        name: "file",
        target: "config",
        prepare: "test -f $T",
        operations: &[
            ("write", "attempt write $T"),
            ("append", "echo '[core] fsmonitor = x' >> $T"),
            ("reopen", "attempt reopen_for_writing $T"),
            ("truncate", "attempt truncate $T"),
            ("rename over", "cp $T x; echo x >> x; attempt rename_into x $T"),
            ("rename away", "attempt rename_into $T away"),
            ("exchange", "echo x > x; attempt exchange x $T"),
            ("link out", "attempt link $T out"),
            ("chmod", "attempt chmod $T"),
            ("chown", "attempt chown $T"),
            ("utimes", "attempt utimes $T"),
            ("setxattr", "attempt setxattr $T"),
            ("set flags", "attempt set_flags $T"),
            ("unlink", "attempt unlink $T"),
        ],
    },
    State {
        name: "symlink",
        target: "hooks",
        prepare: "rm -rf $T && mkdir real && echo x > real/pre-commit && ln -s $PWD/real $T",
        operations: &[
            ("create", "attempt create $T/planted"),
            ("rename over", "ln -s /nowhere x; mv -fT x $T"),
            ("rename away", "attempt rename_into $T away"),
            ("unlink", "attempt unlink $T"),
            ("exchange", "mkdir x; attempt exchange x $T"),
            ("chown", "chown -h $(id -u) $T && rm $T"),
        ],
    },
    State {
        name: "absent",
        target: "hooks",
        prepare: "rm -rf $T",
        operations: &[
            ("create", "attempt create $T"),
            ("openat2", "attempt create_by_openat2 $T"),
            ("creat", "attempt create_by_creat $T"),
            ("openat", "attempt create_by_directory $T"),
            ("tmpfile", "attempt create_by_tmpfile $T"),
            ("mkdir", "attempt mkdir $T"),
            ("mkdir with parents", "mkdir -p $T/deeper"),
            ("rename into", "mkdir x; echo x > x/pre-commit; attempt rename_into x $T"),
            ("symlink", "attempt symlink $T"),
            ("link", "echo x > x; attempt link x $T"),
            ("mknod", "attempt mknod $T"),
            ("bind", "attempt bind $T"),
            ("copy", "mkdir x; cp -r x $T"),
            ("absolute path", "attempt create \"$WORK/$T\""),
            ("doubled slashes", "attempt create $B//./hooks"),
            (
                "by way of a child",
                "attempt create $B/objects/../hooks || attempt create $B/../${B##*/}/hooks",
            ),
            ("by a symlink to the base", "ln -s $PWD/$B s; attempt create s/hooks"),
            ("from inside the base", "cd $B; attempt create hooks"),
            ("by /proc/self/cwd", "attempt create /proc/self/cwd/$T"),
        ],
    },
];

fn matrix(around: &'static Around, state: &'static State) -> Vec<Attack> {
    let target = format!("{}/{}", around.base, state.target);
    let setting = format!("T={target} B={}\n", around.base);
    let prepare = [GIT, around.prepare, state.prepare]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>();
    state
        .operations
        .iter()
        .map(|(operation, line)| {
            let name = format!("protected: {} at {}: {operation}", state.name, around.name);
            // Whether something changed is asked of the protected base alone: the attacker's own material may stand.
            let line = format!("{setting}attempt() {{ \"$TRIAL\" attempt \"$@\"; }}\n{line}",);
            Attack::change_below(name, &[1, 5, 6], &[around.base, "real"], line)
                .after(format!("{setting}{}", prepare.join(" && ")))
                .held_by("filesystem.protect")
        })
        .collect()
}

/// By numbers of descriptors, which mean another thing to whoever carries out the call.
fn numbers() -> Vec<Attack> {
    let line =
        "\"$TRIAL\" attempt bind_by_descriptor_numbers .git/hooks aside; \"$TRIAL\" attempt bind .git/hooks";
    vec![
        Attack::change_below("bind_by_descriptor_numbers", &[18, 33], &[".git"], line)
            .after(format!("{GIT} && rm -rf .git/hooks")),
    ]
}

/// Names of the agents, editors and tools that read them, absent at the start.
fn absent_names() -> Vec<Attack> {
    let names = [
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".claude/commands/x.md",
        ".claude/hooks/x",
        ".claude/agents/x.md",
        ".claude/skills/x",
        ".mcp.json",
        ".codex/config.toml",
        ".agents/x",
        ".cursor/mcp.json",
        ".gemini/settings.json",
        ".github/copilot-instructions.md",
        ".opencode/x",
        ".amp/x",
        ".kiro/x",
        ".windsurf/x",
        ".vscode/tasks.json",
        ".idea/workspace.xml",
        ".devcontainer/devcontainer.json",
        "x.code-workspace",
        ".exrc",
        ".envrc",
        "ringfence.toml",
        ".gitmodules",
    ];
    let mut attacks = Vec::new();
    for name in names {
        for depth in ["", "sub/deep/"] {
            // What is meant for the root of a project means nothing below it.
            if !depth.is_empty() && ["ringfence.toml", ".gitmodules"].contains(&name) {
                continue;
            }
            let path = format!("{depth}{name}");
            let top = name.split('/').next().unwrap_or(name);
            let line = format!(
                "mkdir -p {depth}. $(dirname {path})\necho planted > {path}\nmkdir -p x && echo planted > x/planted\n\
                 mkdir -p staged/$(dirname {name}); echo planted > staged/{name}; mv -n staged/{top} {depth}{top}; \
                 ln -s x/planted {path}; ln x/planted {path}; mv x/planted {path}; cat {path} && grep -q planted {path}"
            );
            attacks
                .push(Attack::run(format!("absent_name_stays_absent: {path}"), &[1, 2, 7], line).after(GIT));
        }
    }
    attacks
}

/// The same names as a looser filesystem would read them.
fn spellings() -> Vec<Attack> {
    let names = [
        ("upper case", ".GIT/hooks"),
        ("mixed case", ".Git/Hooks"),
        ("upper case below", ".git/HOOKS"),
        ("zero width joiner", ".g\u{200d}it/hooks"),
        ("zero width space below", ".git/ho\u{200b}oks"),
        ("trailing dot", ".git./hooks"),
        ("trailing space", ".git /hooks"),
        ("trailing dot below", ".git/hooks."),
        ("kelvin sign", ".git/hoo\u{212a}s"),
        ("ligature", ".git/con\u{fb01}g.worktree"),
        ("editor in capitals", ".VSCODE/tasks.json"),
        ("agent in capitals", ".Cursor/MCP.json"),
        ("byte order mark", "\u{feff}.git/hooks"),
    ];
    names
        .into_iter()
        .map(|(name, path)| {
            let line = format!("mkdir -p '{path}' && echo x > '{path}/planted'");
            Attack::run(format!("spelling_is_protected_too: {name}"), &[7], line)
                .after(format!("{GIT} && rm -rf .git/hooks"))
        })
        .collect()
}

/// Renaming, replacing or building up the directories that a protected name is reached through.
fn ancestors() -> Vec<Attack> {
    let nested = format!("{GIT} && git init -q a/b && rm -rf a/b/.git/hooks");
    // Reached if hooks that the attacker wrote stand in any repository's place at the end.
    let planted = "find . -path '*/.git/hooks/planted' | grep -q .";
    vec![
        Attack::change_below("rename_of_dot_git", &[6], &[".git"], "mv .git x").after(GIT),
        Attack::change_below(
            "exchange_of_dot_git",
            &[6],
            &[".git"],
            "mkdir -p n/hooks; \"$TRIAL\" attempt exchange n .git",
        )
        .after(GIT),
        Attack::run(
            "replacement_of_dot_git",
            &[6],
            format!(
                "cp -r .git n; mkdir -p n/hooks; echo x > n/hooks/planted; mv .git o; mv n .git; {planted}"
            ),
        )
        .after(GIT),
        Attack::run(
            "removal_of_dot_git",
            &[6],
            format!("rm -rf .git; mkdir -p n/hooks; echo x > n/hooks/planted; mv n .git; {planted}"),
        )
        .after(GIT),
        Attack::run(
            "directory_staged_as_dot_git",
            &[6],
            format!("mkdir -p n/hooks new; echo x > n/hooks/planted; mv n new/.git; {planted}"),
        )
        .after(GIT),
        Attack::run(
            "tree_staged_with_a_later_name",
            &[6],
            format!("mkdir -p n/g/hooks; echo x > n/g/hooks/planted; mv n/g n/.git; mv n new; {planted}"),
        )
        .after(GIT),
        Attack::run(
            "write_after_the_ancestor_was_renamed",
            &[6],
            format!("mv a z; mkdir z/b/.git/hooks; echo x > z/b/.git/hooks/planted; {planted}"),
        )
        .after(nested.clone()),
        Attack::run(
            "write_from_inside_a_renamed_ancestor",
            &[6],
            format!(
                "(cd a/b/.git && mv \"$WORK/a\" \"$WORK/z\"; mkdir hooks; echo x > hooks/planted); {planted}"
            ),
        )
        .after(nested),
        Attack::change_host("workspace_itself_is_not_renamed", &[6], "cd ..; mv project other").after(GIT),
    ]
}
