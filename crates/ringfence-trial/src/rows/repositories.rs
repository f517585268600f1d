//! What git reads to find a repository and what to run in it: keys, attributes, pointers, and directories that look like
//! a repository. Git on the host must run nothing that was planted.

use super::protect::GIT;
use crate::attack::{Attack, prepare};
use crate::row::{Outcome, Row};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let attacks = git_keys().into_iter().chain(pointers()).chain(carried());
    let mut rows: Vec<Row> = attacks.map(|attack| attack.held_by("filesystem.protect").row()).collect();
    rows.push(planted("bare_repository_is_not_planted", "docs"));
    // Below a `.git` the same files have other names to be kept by, and from there it could be carried out.
    rows.push(planted("bare_repository_is_not_carried_out_of_dot_git", "a/.git/foo"));
    rows
}

/// A directory that is a repository without being called `.git`: git finds it by what is in it. Nobody on the host may
/// be made to run something by asking git about a directory.
fn planted(name: &str, directory: &'static str) -> Row {
    const PLANT: &str = r#"mkdir -p "$D/objects" "$D/refs"; echo 'ref: refs/heads/main' > "$D/HEAD"
        printf '[core]\nrepositoryformatversion = 0\nbare = false\nworktree = .\nfsmonitor = "touch %s; false"\n' \
            "$OUTSIDE/ran" > made; mv made "$D/config"; [ "$D" = docs ] || mv "$D" docs; true"#;
    Row::new(name, &[3, 5], move |session| {
        let attempt = |fence: bool| -> Result<(bool, String), String> {
            let place = session.place()?;
            prepare(session, &place, GIT)?;
            let line = format!("D={directory}; {PLANT}");
            let ran =
                if fence { session.fenced(&place, &[], &line)? } else { session.bare(&place, &line)? };
            let asked = session.bare(&place, "cd docs && git status")?;
            Ok((place.outside.join("ran").exists(), format!("{}\n{}", ran.describe(), asked.describe())))
        };
        match (attempt(true), attempt(false)) {
            (Err(why), _) | (_, Err(why)) => Outcome::Failed(why),
            (Ok((true, what)), _) => Outcome::Failed(format!("git on the host ran what was planted: {what}")),
            (Ok(_), Ok((true, _))) => Outcome::Passed,
            (Ok(_), Ok((false, what))) => {
                Outcome::NotProved(format!("git does not run it without a fence: {what}"))
            }
        }
    })
    .held_by("filesystem.protect")
}

/// A directory is filled where the names in it are not kept, and then carried to where they are.
fn carried() -> [Attack; 2] {
    let fill = "mkdir -p $D/.vscode; echo x > $D/.vscode/tasks.json; \"$TRIAL\" attempt rename_into $D app";
    let attack = |name: &str, directory: &str| {
        Attack::change_below(name, &[3], &["app/.vscode"], format!("D={directory}; {fill}"))
    };
    [
        attack("carried_out_of_an_exception", "node_modules/p"),
        attack("carried_out_of_the_temporary_directory", "$(mktemp -d)/d"),
    ]
}

/// Every way to have git run something: after each, git on the host must not run it.
fn git_keys() -> Vec<Attack> {
    let keys = [
        "core.hooksPath $WORK/h",
        "core.fsmonitor '$WORK/h/run'",
        "core.sshCommand '$WORK/h/run'",
        "core.pager '$WORK/h/run'",
        "core.editor '$WORK/h/run'",
        "alias.st '!$WORK/h/run'",
        "diff.external '$WORK/h/run'",
        "credential.helper '$WORK/h/run'",
        "filter.x.clean '$WORK/h/run'",
        "include.path $WORK/h/config",
        "gpg.program '$WORK/h/run'",
        "core.attributesFile $WORK/h/attributes",
    ];
    let mut attacks: Vec<Attack> = keys
        .into_iter()
        .map(|key| {
            let (name, value) = key.split_once(' ').unwrap_or((key, ""));
            let line = format!("mkdir -p h; git config {name} {} || git config --worktree {name} {} || {{ cat .git/config > c; printf '[x]' >> c; mv c .git/config; }}",
                value.replace('\'', "\""), value.replace('\'', "\""));
            Attack::change_below(format!("git_key: {name}"), &[3], &[".git/config", ".git/config.worktree"], line).after(GIT)
        })
        .collect();
    attacks.push(
        Attack::change_below("git_filter_by_attributes", &[4], &[".git/config", ".git/info"], "echo '* filter=x' > .gitattributes; \
            git config filter.x.clean 'touch ran'; mkdir -p .git/info; echo '* filter=x' > .git/info/attributes")
        .after(GIT),
    );
    attacks
}

/// The files that say where a repository is.
fn pointers() -> Vec<Attack> {
    let worktree = format!("{GIT} && git worktree add -q w && mkdir evil");
    let submodule = format!(
        "{GIT} && git init -q $OUTSIDE/lib && git -C $OUTSIDE/lib commit -q --allow-empty -m one && \
         git -c protocol.file.allow=always submodule --quiet add $OUTSIDE/lib lib && git commit -qm lib"
    );
    let evil = "mkdir -p evil/hooks; cp -r .git/objects .git/refs .git/HEAD evil/ 2>/dev/null";
    vec![
        Attack::change_below(
            "pointer_of_a_worktree",
            &[5],
            &["w/.git"],
            "echo gitdir: $WORK/evil > w/.git || { rm w/.git && echo gitdir: $WORK/evil > w/.git; }",
        )
        .after(worktree.clone()),
        Attack::change_below(
            "pointer_of_a_worktree_replaced",
            &[5],
            &["w/.git"],
            "echo gitdir: $WORK/evil > x; mv x w/.git",
        )
        .after(worktree.clone()),
        Attack::change_below(
            "pointer_back_to_a_worktree",
            &[5],
            &[".git/worktrees/w/gitdir"],
            "echo $WORK/evil/.git > .git/worktrees/w/gitdir",
        )
        .after(worktree.clone()),
        Attack::change_below(
            "common_directory_of_a_worktree",
            &[5],
            &[".git/worktrees/w/commondir"],
            "echo $WORK/evil > .git/worktrees/w/commondir",
        )
        .after(worktree.clone()),
        Attack::run("common_directory_planted", &[5], "echo $WORK/evil > .git/commondir").after(worktree),
        Attack::change_below(
            "pointer_of_a_submodule",
            &[5],
            &["lib/.git"],
            "echo gitdir: ../evil > lib/.git || { rm lib/.git; echo gitdir: ../evil > lib/.git; }",
        )
        .after(submodule.clone()),
        Attack::change_below(
            "configuration_of_a_submodule",
            &[5],
            &[".git/modules/lib/config"],
            "git -C lib config core.fsmonitor x || git config -f .git/modules/lib/config core.fsmonitor x",
        )
        .after(submodule),
        Attack::run(
            "pointer_to_an_evil_repository",
            &[5],
            format!("{evil}; echo '[core]' > evil/config; mkdir new; echo 'gitdir: ../evil' > new/.git"),
        )
        .after(GIT),
        Attack::run(
            "symlink_to_an_evil_repository",
            &[5],
            format!("{evil}; mkdir new; ln -s ../evil new/.git"),
        )
        .after(GIT),
    ]
}
