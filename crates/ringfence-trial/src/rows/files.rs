//! Files: what is not granted is absent or unchangeable, whatever spelling is used for it.

use std::process::Command;

use crate::attack::{Attack, prepare};
use crate::place::{CANARY, RUN_LATER, SECRETS};
use crate::program::{self, Ran};
use crate::row::{Outcome, Row, Scope};
use crate::session::{PATIENCE, Session};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = outside().into_iter().map(Attack::row).collect();
    rows.extend(denied().into_iter().map(Attack::row));
    rows.push(second_name());
    rows.push(second_place());
    rows.push(kept_at_a_second_place());
    rows.extend(by_a_link().into_iter().map(Attack::row));
    rows.extend(read_only().into_iter().map(Attack::row));
    rows.extend(taken_back().into_iter().map(Attack::row));
    rows.extend(magic().into_iter().map(Attack::row));
    for name in SECRETS {
        let quoted = format!("cat \"$HOSTHOME/{name}\" \"$HOME/{name}\"");
        let attack = Attack::read(format!("secret_file_is_unreadable: {name}"), &[55], quoted);
        // Below a tool-chain's directory that is granted: it takes a deny inside a grant.
        let inside = name.starts_with(".cargo/");
        rows.push(if inside { attack.held_by("filesystem.deny").row() } else { attack.row() });
    }
    for name in RUN_LATER {
        let line = format!("echo planted >> \"$HOSTHOME/{name}\"");
        rows.push(Attack::change_host(format!("file_run_later_is_untouched: {name}"), &[8], line).row());
    }
    rows
}

fn outside() -> Vec<Attack> {
    vec![
        Attack::run("create_outside", &[10, 12], "echo x > \"$OUTSIDE/new\""),
        Attack::run("overwrite_outside", &[10, 12], "echo x > \"$OUTSIDE/secret\""),
        Attack::run("append_outside", &[12], "echo x >> \"$OUTSIDE/tree/file\""),
        Attack::run("remove_outside", &[12], "rm \"$OUTSIDE/secret\""),
        Attack::run("mkdir_outside", &[12], "mkdir \"$OUTSIDE/new\""),
        Attack::run("rename_out_of_outside", &[12], "mv \"$OUTSIDE/tree\" taken"),
        Attack::change_host("rename_into_outside", &[12], "echo x > x; mv x \"$OUTSIDE/new\""),
        Attack::read("read_outside", &[55], "cat \"$OUTSIDE/secret\""),
        Attack::run("list_outside", &[55], "ls -l \"$OUTSIDE\" | grep secret"),
        Attack::run("create_in_the_parent_of_the_workspace", &[10], "echo x > ../new && test -e \"$HOSTHOME/new\" && \
            rm ../new && touch \"$OUTSIDE/new\""),
        Attack::read("hard_link_to_outside", &[16], "ln \"$OUTSIDE/secret\" link; cat link"),
        Attack::read("symlink_to_outside", &[12], "ln -s \"$OUTSIDE/secret\" link; cat link"),
        Attack::read("symlink_that_was_there", &[12], "cat link").after("ln -s \"$OUTSIDE/secret\" link"),
        Attack::change_host("write_through_a_symlink_that_was_there", &[12], "echo x > link/new")
            .after("ln -s \"$OUTSIDE\" link"),
        Attack::change_host("write_through_a_new_symlink", &[12], "ln -s \"$OUTSIDE\" link; echo x > link/new"),
        Attack::change_host("write_through_a_dangling_symlink", &[12], "echo x > link")
            .after("ln -s \"$OUTSIDE/new\" link"),
        Attack::change_host("write_by_parent_directories", &[12], "echo x > ../../outside/new"),
        Attack::native("chmod", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::native("chown", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::native("utimes", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::native("setxattr", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::native("truncate", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::native("set_flags", &[36], &["EPERM", "EACCES", "EROFS", "ENOENT"]).aimed("\"$OUTSIDE/secret\""),
        Attack::run("write_to_the_system", &[12], "touch /usr/lib/.rftrial && rm /usr/lib/.rftrial")
            .host_may_refuse("this user may not write there anyway"),
        Attack::run("write_to_etc", &[12], "touch /etc/.rftrial && rm /etc/.rftrial")
            .host_may_refuse("this user may not write there anyway"),
        Attack::run("read_shadow", &[55], "test -n \"$(cat /etc/shadow)\"")
            .host_may_refuse("this user may not read it anyway"),
        Attack::run("set_group_id_bit_in_the_workspace_gives_nothing", &[40], "cp /usr/bin/id x && chmod 6755 x && \
            test -u x && test -g x && touch \"$OUTSIDE/new\""),
        Attack::run("other_users_files", &[55], "cat shared/roots")
            .after("mkdir shared && echo x > shared/roots && chown 65534:65534 shared/roots && chmod 600 shared/roots")
            .only(Scope::Root("only root could read another user's file without a fence")),
        Attack::run("other_users_directories", &[55], "ls shared/roots && echo x > shared/roots/new")
            .after("mkdir -p shared/roots && chown 65534:65534 shared/roots && chmod 700 shared/roots")
            .only(Scope::Root("only root could enter another user's directory without a fence")),
        Attack::read("bind_mount_alias_of_home", &[17], "cat alias/.netrc").after(
            "mkdir alias && for f in .netrc; do ln \"$HOME/$f\" alias/$f.link; done && ln -s \"$HOME/.netrc\" alias/.netrc",
        ),
        Attack::run("control_groups_are_out_of_reach", &[38], "echo 0 > /sys/fs/cgroup/cgroup.procs || \
            echo 0 > /sys/fs/cgroup/pids/cgroup.procs || echo 0 > /sys/fs/cgroup/unified/cgroup.procs")
            .host_may_refuse("this user may not write there anyway"),
        Attack::run("core_pattern", &[18], "v=$(cat /proc/sys/kernel/core_pattern) && \
            printf %s \"$v\" > /proc/sys/kernel/core_pattern")
            .host_may_refuse("this user may not write there anyway"),
        Attack::run("host_devices_are_absent", &[18], "head -c 1 /dev/vda || head -c 1 /dev/sda || head -c 1 /dev/kmsg || \
            head -c 1 /dev/nvme0n1 || head -c 1 /dev/mem || : < /dev/loop-control || : < /dev/fuse")
            .host_may_refuse("this user may open none of them anyway"),
        Attack::run("host_runtime_directories_are_absent", &[23], "ls /run/* || ls /var/run/*"),
    ]
}

fn denied() -> Vec<Attack> {
    let deny =
        |attack: Attack, what: &'static str| attack.flags(&["--deny", what]).held_by("filesystem.deny");
    let planted = "mkdir -p d/deep && cp \"$OUTSIDE/secret\" d/secret && cp d/secret d/deep/secret";
    let plant = |attack: Attack| deny(attack.after(planted), "$WORK/d");
    vec![
        plant(Attack::read("read_below_a_denied_directory", &[15], "cat d/secret d/deep/secret")),
        plant(Attack::run("write_below_a_denied_directory", &[21], "echo x > d/new")),
        plant(Attack::read("denied_after_its_parent_was_renamed", &[6], "mv d e; cat e/secret")),
        plant(Attack::read("denied_by_a_symlink", &[12], "ln -s d s; cat s/secret s/deep/secret")),
        plant(Attack::read(
            "denied_by_the_working_directory",
            &[18],
            "cat /proc/self/cwd/d/secret; cd d; cat secret",
        )),
        deny(
            Attack::read("denied_through_a_symlink_in_the_policy", &[12], "cat real/secret link/secret")
                .after("mkdir real && cp \"$OUTSIDE/secret\" real/secret && ln -s real link"),
            "$WORK/link",
        ),
        deny(
            Attack::read(
                "denied_file_by_an_unnamed_link",
                &[16],
                "ln d/secret l; cat l; \"$TRIAL\" attempt link d/secret m; cat m",
            )
            .after(planted),
            "$WORK/d/secret",
        ),
        deny(
            Attack::read("denied_by_a_wildcard", &[15], "cat .env a/.env a/b/c/.env")
                .after("mkdir -p a/b/c && for p in . a a/b/c; do cp \"$OUTSIDE/secret\" $p/.env; done"),
            "**/.env",
        ),
        deny(
            Attack::read("denied_by_a_wildcard_in_a_name", &[15], "cat a/.env.local")
                .after("mkdir a && cp \"$OUTSIDE/secret\" a/.env.local"),
            "**/.env*",
        ),
        deny(
            Attack::run("rename_of_a_denied_file", &[6], "mv .env x").after("cp \"$OUTSIDE/secret\" .env"),
            "**/.env",
        ),
        deny(
            Attack::read("deny_wins_over_a_deeper_grant", &[15], "cat d/secret d/deep/secret").after(planted),
            "$WORK/d",
        )
        .flags(&["--deny", "$WORK/d", "--read", "$WORK/d/deep"]),
        Attack::read("denied_inside_a_read_grant", &[15], "cat \"$OUTSIDE/secret\"")
            .flags(&["--read", "$OUTSIDE", "--deny", "$OUTSIDE/secret"])
            .held_by("filesystem.deny"),
    ]
}

/// A grant that is a symlink of the user's reaches what its place holds, and no more than if that had been named.
fn by_a_link() -> Vec<Attack> {
    let config = |name: &str, line: &str| {
        Attack::change_host(name, &[12], line)
            .after("mkdir -p \"$HOME/.config\" && ln -s \"$HOME/.config\" \"$HOME/way\"")
            .flags(&["--write", "$HOME/way"])
            .held_by("filesystem.protect")
    };
    vec![
        config(
            "symlinked_grant_and_the_rules",
            "mkdir \"$HOSTHOME/way/ringfence\"; echo 'version = 1' > \"$HOSTHOME/way/ringfence/policy.toml\"",
        ),
        config(
            "symlinked_grant_and_a_service",
            "mkdir -p \"$HOSTHOME/way/systemd/user\"; echo x > \"$HOSTHOME/way/systemd/user/x.service\"",
        ),
        Attack::read(
            "symlinked_grant_and_a_denied_name",
            &[12, 15],
            "cat \"$HOSTHOME/way/secret\" \"$OUTSIDE/secret\"",
        )
        .after("ln -s \"$OUTSIDE\" \"$HOME/way\"")
        .flags(&["--read", "$HOME/way", "--deny", "**/secret"])
        .held_by("filesystem.deny"),
    ]
}

/// The same file by its other name. To find that takes a walk over the whole tree, so a run that cannot know it is
/// refused before it starts, which is an answer too; what must not be is the file's content.
fn second_name() -> Row {
    Row::new("denied_by_a_second_name", &[16], |session| {
        second_name_is_refused(session).unwrap_or_else(Outcome::Failed)
    })
    .held_by("filesystem.deny")
}

fn second_name_is_refused(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    prepare(session, &place, "cp \"$OUTSIDE/secret\" first && ln first second")?;
    let mut command = session.fence(&place, &["--deny".to_owned(), "$WORK/first".to_owned()]);
    command.args(["cat", "second"]);
    let fenced = program::run(command, &[], PATIENCE)?;
    let told = fenced.code == 125 && fenced.text().contains("first");
    if fenced.text().contains(CANARY) || !(told || fenced.text().contains("Permission denied")) {
        return Err(format!("read, or refused without the file's name: {}", fenced.describe()));
    }
    let bare = session.bare(&place, "cat second")?;
    Ok(match bare.text().contains(CANARY) {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("it cannot be read without a fence: {}", bare.describe())),
    })
}

fn second_place() -> Row {
    let check = |session: &Session| second_place_is_denied(session).unwrap_or_else(Outcome::Failed);
    Row::new("denied_by_a_bind_mount", &[17], check).held_by("filesystem.deny")
}

fn kept_at_a_second_place() -> Row {
    let check = |session: &Session| second_place_is_kept(session).unwrap_or_else(Outcome::Failed);
    Row::new("readable_or_protected_is_not_changed_by_a_bind_mount", &[17], check)
        .only(Scope::Namespaces("Landlock cannot take writing back from a part of a tree"))
}

/// What is denied lies outside of every grant, and the machine shows it in the workspace as well; the control is the same
/// run without the deny.
fn second_place_is_denied(session: &Session) -> Result<Outcome, String> {
    let run = |flags: &[&str]| shown_twice(session, "\"$OUTSIDE\"", flags, "cat alias/secret");
    let denied = run(&["--deny", "$OUTSIDE"])?;
    if denied.text().contains(CANARY) || !denied.text().contains("Permission denied") {
        return Err(format!("read, or not refused: {}", denied.describe()));
    }
    let free = run(&[])?;
    Ok(match free.text().contains(CANARY) {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("it cannot be read without the deny: {}", free.describe())),
    })
}

fn second_place_is_kept(session: &Session) -> Result<Outcome, String> {
    let line = "echo alive > new && echo changed > alias/file; cat kept/file";
    let run = |flags: &[&str]| shown_twice(session, "kept", flags, line);
    for flags in [["--protect", "$WORK/kept"], ["--read", "$WORK/kept"]] {
        let kept = run(&flags)?;
        if kept.text().contains("changed") || !kept.text().contains("as it was") {
            return Err(format!("{flags:?}: changed, or not to be read: {}", kept.describe()));
        }
    }
    let free = run(&[])?;
    Ok(match free.text().contains("changed") {
        true => Outcome::Passed,
        false => Outcome::NotProved(format!("it is not changed anyway: {}", free.describe())),
    })
}

/// A line in the fence where `what` is mounted at `alias` as well, too.
fn shown_twice(session: &Session, what: &str, flags: &[&str], line: &str) -> Result<Ran, String> {
    let place = session.place()?;
    prepare(session, &place, "mkdir alias kept && echo as it was > kept/file")?;
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut command = session.fence(&place, &flags);
    command.args(["sh", "-c", line]);
    let mut outer = Command::new("unshare");
    let mount = format!("mount --bind {what} alias && exec \"$@\"");
    outer.args(["-Urm", "sh", "-c", &mount, "sh"]);
    outer.arg(command.get_program()).args(command.get_args()).env_clear();
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.env("OUTSIDE", &place.outside).current_dir(&place.work);
    program::run(outer, &[], PATIENCE)
}

fn read_only() -> Vec<Attack> {
    const REFUSED: &[&str] = &["EPERM", "EACCES", "EROFS", "ENOENT", "EXDEV", "ENOSYS"];
    let target = "\"$OUTSIDE/tree/file\"";
    let mut attacks: Vec<Attack> = [
        "write",
        "reopen_for_writing",
        "truncate",
        "chmod",
        "chown",
        "utimes",
        "setxattr",
        "set_flags",
        "unlink",
    ]
    .into_iter()
    .map(|attempt| {
        Attack::native(attempt, &[36], REFUSED)
            .aimed(target)
            .called(format!("readable_is_not_writable: {attempt}"))
    })
    .collect();
    for attempt in [
        "create",
        "create_by_openat2",
        "create_by_directory",
        "create_by_creat",
        "mkdir",
        "symlink",
        "mknod",
        "bind",
    ] {
        let attack = Attack::native(attempt, &[36], REFUSED).aimed("\"$OUTSIDE/tree/new\"");
        attacks.push(attack.called(format!("readable_is_not_writable: {attempt}")));
    }
    attacks.push(Attack::change_host(
        "readable_is_not_writable: rename_into",
        &[36],
        "echo x > x; \"$TRIAL\" attempt rename_into x \"$OUTSIDE/tree/new\"",
    ));
    attacks.push(Attack::run(
        "readable_is_not_linkable_for_writing",
        &[16],
        "ln \"$OUTSIDE/tree/file\" l && echo x >> l",
    ));
    attacks.into_iter().map(|attack| attack.flags(&["--read", "$OUTSIDE/tree"])).collect()
}

/// A part of the workspace that is granted for reading only, as a ceiling does. Landlock alone cannot take it back.
fn taken_back() -> Vec<Attack> {
    let attempts = [
        ("write", "echo x > vendor/lib"),
        ("create", "echo x > vendor/new"),
        ("remove", "rm -f vendor/lib"),
        ("rename", "mv vendor/lib vendor/other"),
        ("attributes", "chmod 700 vendor/lib"),
        ("link", "ln vendor/lib l && echo x >> l"),
        ("replace", "mv vendor old && mkdir vendor && echo x > vendor/lib"),
    ];
    let attack = |(attempt, line)| {
        Attack::run(format!("readable_part_of_the_workspace: {attempt}"), &[12], line)
            .after("mkdir vendor && echo x > vendor/lib")
            .flags(&["--read", "$WORK/vendor"])
    };
    attempts.into_iter().map(attack).collect()
}

fn magic() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, path) in [
        ("proc_self_root", "/proc/self/root"),
        ("proc_1_root", "/proc/1/root"),
        ("proc_parent_root", "/proc/$PPID/root"),
        ("proc_thread_self_root", "/proc/thread-self/root"),
        ("proc_self_cwd_parents", "/proc/self/cwd/../.."),
    ] {
        let line = format!("cat {path}\"$OUTSIDE/secret\" {path}/outside/secret {path}\"$HOSTHOME/.netrc\"");
        let attack = Attack::read(format!("magic_link: {name}"), &[18], line);
        attacks.push(match name {
            "proc_1_root" => {
                attack.host_may_refuse("the first process of this host has another root, or is root's")
            }
            _ => attack,
        });
    }
    attacks.push(Attack::run(
        "program_of_init_is_not_writable",
        &[20],
        "true >> /proc/1/exe || true >> \"$TRIAL\"",
    ));
    attacks
}
