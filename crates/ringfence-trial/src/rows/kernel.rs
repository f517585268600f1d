//! The kernel's interfaces: what no build needs is not there, by whichever door.

use crate::attack::Attack;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

/// A refusal of seccomp's, or of the kernel for want of a capability.
const REFUSED: &[&str] = &["EPERM", "ENOSYS", "EACCES"];
/// Another architecture's call is no mistake of an honest program: the answer is a kill.
const KILLED: &[&str] = &["signal 31", "signal 9"];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut attacks = vec![
        Attack::native("io_uring_setup", &[25], REFUSED),
        foreign("io_uring_by_int80", &[25, 26], "this kernel has no 32-bit calls"),
        foreign("int80_getpid", &[26], "this kernel has no 32-bit calls"),
        foreign("int80_socketcall", &[26], "this kernel has no 32-bit calls"),
        foreign("x32_getpid", &[26], "this kernel has no x32 calls"),
        foreign("x32_socket", &[26, 27], "this kernel has no x32 calls"),
        Attack::native("userfaultfd", &[35], REFUSED),
        Attack::native("bpf", &[35], REFUSED).host_may_refuse("kernel.unprivileged_bpf_disabled is set"),
        Attack::native("perf_event_open", &[35], REFUSED)
            .host_may_refuse("the kernel has no perf events or kernel.perf_event_paranoid forbids them"),
        Attack::native("keyring_add_key", &[31], REFUSED),
        Attack::native("keyring_request_key", &[31], REFUSED),
        Attack::native("keyring_keyctl", &[31], REFUSED),
        Attack::native("keyring_search", &[31], REFUSED),
        Attack::native("clone3", &[30], &["ENOSYS"]),
        Attack::native("mount_family", &[30, 35], REFUSED),
        Attack::native("new_mount_family", &[30, 35], REFUSED),
        Attack::native("chroot", &[30], REFUSED).aimed("/tmp"),
        Attack::native("open_by_handle", &[35], REFUSED)
            .host_may_refuse("only root's capability allows it anywhere"),
        Attack::native("memfd_secret", &[35], REFUSED).host_may_refuse("this kernel has no secret memory"),
        Attack::native("dangerous_calls", &[35], REFUSED),
        Attack::native("has_privileges", &[30, 40], &["EPERM"]),
    ];
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
        attacks.push(
            Attack::native("unshare", &[30], REFUSED).aimed(kind).held_by("processes.nested_namespaces"),
        );
        let join = Attack::native("setns", &[30], REFUSED).aimed(kind).held_by("processes.nested_namespaces");
        attacks.push(match kind {
            "pid" | "time" => join.host_may_refuse("joining it takes a capability over that very namespace"),
            _ => join,
        });
        if kind != "time" {
            attacks.push(
                Attack::native("clone", &[30], REFUSED).aimed(kind).held_by("processes.nested_namespaces"),
            );
        }
    }
    let mut rows: Vec<Row> = attacks.into_iter().map(Attack::row).collect();
    rows.push(unknown_calls());
    rows.push(bounding_set());
    rows.push(Row::new("host_shared_memory", &[51], |session| {
        shared_memory(session).unwrap_or_else(Outcome::Failed)
    }));
    rows.push(setuid());
    rows
}

fn foreign(attempt: &str, threats: &'static [u8], why: &'static str) -> Attack {
    Attack::native(attempt, threats, KILLED).host_may_refuse(why)
}

/// No control: without a fence this kernel does not know these numbers either. It holds for the next kernel.
fn unknown_calls() -> Row {
    Row::new("unknown_calls", &[35], |session| {
        let ask = || {
            let ran = session.fenced(&session.place()?, &[], "\"$TRIAL\" attempt unknown_calls")?;
            let expected = "refused: ENOSYS";
            if ran.text().contains(expected) {
                Ok(())
            } else {
                Err(format!("not ENOSYS: {}", ran.describe()))
            }
        };
        crate::row::outcome(ask())
    })
}

/// Only with a capability can it be emptied: a user namespace gives one, and root has one.
fn bounding_set() -> Row {
    let row = Attack::native("has_bounding_set", &[30, 40], &["EPERM"]).row();
    Row::new(row.name.clone(), row.threats, move |session| {
        if session.backend == "namespaces" || session.is_root {
            row.run(session)
        } else {
            Outcome::Skipped(
                "only root could empty it without a user namespace; no_new_privs keeps it idle".into(),
            )
        }
    })
}

/// A System V segment of the host's is not found by its key.
fn shared_memory(session: &Session) -> Result<Outcome, String> {
    let (place, find) = (session.place()?, "\"$TRIAL\" attempt segment_find");
    // Left by a trial that was stopped; of another user's it may be, and then making fails.
    session.bare(&place, "\"$TRIAL\" attempt segment_remove")?;
    let made = session.bare(&place, "\"$TRIAL\" attempt segment_make")?;
    let (fenced, bare) = (session.fenced(&place, &[], find), session.bare(&place, find));
    session.bare(&place, "\"$TRIAL\" attempt segment_remove")?;
    let (fenced, bare) = (fenced?, bare?);
    Ok(match (fenced.code, bare.code) {
        (0, _) => Outcome::Failed(format!("found from inside: {}", fenced.describe())),
        (_, 0) if fenced.text().contains("refused: ") => Outcome::Passed,
        (_, 0) => Outcome::Failed(format!("it failed, but not by being refused: {}", fenced.describe())),
        _ => {
            Outcome::NotProved(format!("not found without a fence: {} {}", made.describe(), bare.describe()))
        }
    })
}

/// The set-uid program that root put there before.
fn setuid() -> Row {
    let row = Attack::native("is_setuid", &[40], &["EPERM"]);
    let Some(program) = std::env::var_os("RFTRIAL_SETUID") else {
        return row.host_may_refuse("only root can put a set-uid program there for the trial").row();
    };
    let program = program.to_string_lossy().into_owned();
    Attack::run("is_setuid", &[40], format!("{program} attempt is_setuid"))
        .flags(&["--read", &program])
        .only(Scope::Everywhere)
        .row()
}
