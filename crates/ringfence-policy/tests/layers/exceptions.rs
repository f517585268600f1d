//! Exceptions that a ceiling allows for: for whom, from what, with which record.
//! Not what nobody may lift.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ringfence_plan::{AuditDestination, Bytes, Millis, NetworkMode};
use ringfence_policy::compile;

use super::{EVERYTHING, Scene, USER, access};

fn with_exception(users: &str) -> String {
    format!(
        "[network]\nmode = \"none\"\n[limits]\nmemory = \"1GiB\"\n[filesystem]\ndeny = [\"/srv/secret\"]\n\
         [oversight]\naudit = [\"/var/log/ringfence.jsonl\"]\n\
         [break_glass]\nusers = [\"{users}\"]\nfields = [\"network\"]\ntime = \"30m\"\n"
    )
}

#[test]
fn break_glass_lifts_what_it_names_for_whom_it_names() {
    let scene = Scene::new();
    let uid = fs::metadata(&scene.place).unwrap().uid();
    scene.machine(&with_exception(&format!("uid:{uid}")));
    let held = scene.with_flags(&EVERYTHING);
    assert_eq!(held.network.mode, NetworkMode::None);
    let scene = scene.with(|request| request.break_glass = Some("ticket 7: release".into()));
    let composed = scene.composed(&EVERYTHING).unwrap_or_else(|report| panic!("{report}"));
    let exception = composed.exception().expect("it was asked for");
    assert_eq!((exception.reason.as_str(), exception.caller.uid), ("ticket 7: release", uid));
    let plan = compile(&composed).unwrap();
    assert_eq!(plan.network.mode, NetworkMode::Host);
    assert_eq!((plan.limits.memory, access(&plan, "/srv/secret")), (Some(Bytes(1 << 30)), None));
    assert!(plan.limits.time.is_some_and(|time| time <= Millis(30 * 60_000)), "{:?}", plan.limits.time);
    let destinations: Vec<_> = plan.oversight.audit.iter().map(|audit| &audit.destination).collect();
    assert!(matches!(destinations[..], [AuditDestination::File(_)]), "{destinations:?}");
    // It is the machine's ceiling that was lifted, nobody else's.
    scene.put(&format!("{USER}/ceiling.toml"), "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
}

#[test]
fn break_glass_lifts_nothing_that_another_ceiling_of_the_machine_says() {
    let scene = Scene::new().with(|request| request.break_glass = Some("ticket 7: release".into()));
    let uid = fs::metadata(&scene.place).unwrap().uid();
    scene.machine(&with_exception(&format!("uid:{uid}")));
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::Host);
    scene.put("machine/ceiling.d/10.toml", "kind = \"ceiling\"\n[network]\nmode = \"none\"\n");
    assert_eq!(scene.with_flags(&EVERYTHING).network.mode, NetworkMode::None);
}

#[test]
fn break_glass_is_refused_to_others_without_a_reason_and_without_a_record() {
    let scene = Scene::new().with(|request| request.break_glass = Some("ticket 7".into()));
    let uid = fs::metadata(&scene.place).unwrap().uid();
    assert!(scene.refusal().contains("allows no exception"));
    scene.machine(&with_exception("uid:4243"));
    assert!(scene.refusal().contains("no exception"));
    let mine = with_exception(&format!("uid:{uid}"));
    scene.machine(&mine);
    scene.plan();
    for (wrong, part) in [
        (mine.replace("[oversight]\naudit = [\"/var/log/ringfence.jsonl\"]\n", ""), "oversight.audit"),
        (mine.replace("time = \"30m\"\n", ""), "break_glass.time"),
        (mine.replace("[\"network\"]", "[\"oversight\"]"), "`oversight` cannot be lifted"),
        (mine.replace("[\"network\"]", "[\"network.allow\"]"), "name the group `network`"),
        (mine.replace("[\"network\"]", "[\"filesystem.read\"]"), "name the group `filesystem`"),
        (mine.replace("[\"network\"]", "[\"netwrok\"]"), "`netwrok`"),
        (mine.replace("[\"network\"]", "[]"), "break_glass.fields"),
    ] {
        assert!(scene.machine(&wrong).refusal().contains(part), "{wrong}");
    }
    scene.machine(&mine);
    for reason in ["", "  ", "a\nb", "\u{1b}[2J"] {
        let scene = Scene {
            request: scene.request.clone(),
            place: scene.place.clone(),
            _directory: tempfile::tempdir().unwrap(),
        }
        .with(|request| request.break_glass = Some(reason.into()));
        assert!(scene.refusal().contains("--break-glass"), "{reason:?}");
    }
}
