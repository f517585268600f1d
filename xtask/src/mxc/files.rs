//! Weaknesses of the view of files.
//! Everything that is touched was made for it: /etc is a private copy in a mount namespace of the row's own.

use super::row::{BOTH, OLD, Row, Seen};
use super::subject::{Generation, Place, Ran};
use anyhow::{Result, ensure};
use serde_json::json;
use std::fs;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("root_changes_the_hosts_etc", BOTH, root_changes_the_hosts_etc).by_root(),
        Row::new("root_takes_a_mask_away", BOTH, root_takes_a_mask_away).by_root(),
        Row::new("root_reads_shadow", BOTH, root_reads_shadow).by_root(),
        Row::new("denied_by_rename", BOTH, denied_by_rename),
        Row::new("denied_by_hard_link", BOTH, denied_by_hard_link),
        Row::new("denied_and_missing_leaves_litter", BOTH, denied_and_missing_leaves_litter),
        Row::new("denied_and_missing_below_what_is_read", BOTH, denied_and_missing_below_what_is_read),
        Row::new("temporary_files_without_bound", BOTH, temporary_files_without_bound),
        Row::new("write_into_a_mask_vanishes", BOTH, write_into_a_mask_vanishes),
        Row::new("no_path_variable", OLD, no_path_variable),
    ]
}

const SECRET: &str = "a-secret-for-the-row";

/// Whether the secret came out.
fn leaked(ran: &Ran, held: &str) -> Seen {
    Seen::of(ran.stdout.contains(SECRET), "the secret was read", held)
}

/// In a mount namespace in which /etc is a copy on a tmpfs, so that "the host's" is the copy.
const WITH_A_COPY_OF_ETC: &str = r#"exec unshare --mount --propagation private sh -c '
    mkdir -p "$PWD/etc" && mount -t tmpfs none "$PWD/etc" && cp -a /etc/. "$PWD/etc/" &&
    mount --bind "$PWD/etc" /etc && "$@"; cat /etc/ringfence-trial 2>/dev/null; cat /etc/shadow >"$PWD/shadow"' sh "$@""#;

fn root_changes_the_hosts_etc(place: &Place) -> Result<Seen> {
    let command =
        "echo begun; mount -o remount,rw,bind /etc; echo changed by the command >/etc/ringfence-trial";
    let ran = place.shell(WITH_A_COPY_OF_ETC, &place.request(command, &json!({})))?;
    ensure!(place.has("shadow"), "there was no copy of /etc: {}", ran.stderr);
    ensure!(ran.stdout.contains("begun"), "the command did not begin: {}", ran.stderr);
    let changed = ran.stdout.contains("changed by the command");
    Ok(Seen::of(changed, "it wrote a file into the host's /etc", "no file appeared in /etc"))
}

fn root_takes_a_mask_away(place: &Place) -> Result<Seen> {
    place.folder("rw/denied")?;
    place.file("rw/denied/secret", SECRET)?;
    let denied = place.path("rw/denied");
    let command = format!("umount {denied}; cat {denied}/secret");
    let ran = place.tried(&place.request(&command, &json!({"filesystem": {"deniedPaths": [denied]}})))?;
    Ok(leaked(&ran, "the denied file stayed so"))
}

fn root_reads_shadow(place: &Place) -> Result<Seen> {
    let ran = place.tried(&place.request("head -c 5 /etc/shadow | wc -c", &json!({})))?;
    Ok(Seen::of(ran.stdout.trim() == "5", "the hashes of passwords can be read", "there is nothing to read"))
}

fn denied_by_rename(place: &Place) -> Result<Seen> {
    place.folder("rw/d/p")?;
    place.file("rw/d/p/secret", SECRET)?;
    let denied = json!({"filesystem": {"deniedPaths": [place.path("rw/d/p/secret")]}});
    let (from, to) = (place.path("rw/d/p"), place.path("rw/d/q"));
    place.tried(&place.request(&format!("mv {from} {to}"), &denied))?;
    let second = place.tried(&place.request(&format!("cat {from}/secret {to}/secret"), &denied))?;
    Ok(leaked(&second, "the rename was refused, and the second run reads nothing"))
}

fn denied_by_hard_link(place: &Place) -> Result<Seen> {
    let secret = place.file("rw/secret", SECRET)?;
    fs::hard_link(&secret, place.path("rw/link"))?;
    let denied = json!({"filesystem": {"deniedPaths": [secret]}});
    let ran = place.run(&place.request(&format!("cat {}", place.path("rw/link")), &denied))?;
    // Ours does not start: a name that nobody said cannot be found among all files. It has to say that this is why.
    let ours = place.subject.generation == Generation::Ours;
    ensure!(!ours || ran.stderr.contains("hard links"), "refused for something else: {}", ran.stderr);
    Ok(leaked(&ran, "refused before it starts, with the reason"))
}

fn denied_and_missing_leaves_litter(place: &Place) -> Result<Seen> {
    let denied = json!({"filesystem": {"deniedPaths": [place.path("rw/absent")]}});
    let ran = place.run(&place.request("echo ran", &denied))?;
    ensure!(ran.stdout.contains("ran"), "it did not run: {}", ran.stderr);
    Ok(Seen::of(place.has("rw/absent"), "a directory was left behind", "nothing was left behind"))
}

fn denied_and_missing_below_what_is_read(place: &Place) -> Result<Seen> {
    let denied = json!({"filesystem": {"deniedPaths": [place.path("ro/absent")]}});
    let ran = place.run(&place.request("echo ran", &denied))?;
    Ok(Seen::of(!ran.stdout.contains("ran"), "it could not start", "it ran"))
}

fn temporary_files_without_bound(place: &Place) -> Result<Seen> {
    let ran = place.tried(&place.request("df --output=size -k /tmp | tail -n 1", &json!({})))?;
    let size: u64 = ran.stdout.trim().parse()?;
    let memory = memory()?;
    let held = format!("/tmp holds {} MiB", size / 1024);
    Ok(Seen::of(
        size > memory / 3,
        format!("/tmp may fill {} of the memory's {} MiB", size / 1024, memory / 1024),
        held,
    ))
}

fn write_into_a_mask_vanishes(place: &Place) -> Result<Seen> {
    let denied = place.folder("rw/denied")?;
    let policy = json!({"filesystem": {"deniedPaths": [denied]}});
    let ran = place.tried(&place.request(&format!("echo x >{denied}/new && echo written"), &policy))?;
    let vanished = ran.stdout.contains("written") && !place.has("rw/denied/new");
    Ok(Seen::of(vanished, "the write succeeded and is gone", "the write was refused"))
}

fn no_path_variable(place: &Place) -> Result<Seen> {
    let ran = place.tried(&place.request("env", &json!({})))?;
    let has = ran.stdout.lines().any(|line| line.starts_with("PATH="));
    // The old contract is ours to run too, and gets the default environment of the new one.
    let held = if place.subject.generation == Generation::Ours {
        "PATH is set, in each contract"
    } else {
        "PATH is set"
    };
    Ok(Seen::of(!has, "the command has no PATH", held))
}

/// MemTotal of proc(5), in KiB.
fn memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
