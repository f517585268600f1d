//! From spawn to the end of `true`.

use super::ledger::{Bound, Ledger};
use super::mounts_seen;
use super::rounds::interleave;
use super::stage::Stage;
use super::subject::Subject;
use anyhow::{Context, Result};
use std::fs;

const NOTE: &str = "Default policy in a small git repository. `bubblewrap` and `the floor, our mounts` hold the view \
    that our run holds, mount by mount, read from inside it. `the floor` has the four binds of the target.";

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let seen = mounts_seen::of_a_default_run(&stage.ringfence, &stage.workspace)?;
    let home = &stage.workspace;
    let mut bubblewrap = stage.bubblewrap()?;
    bubblewrap.extend(["--", "/usr/bin/true"].map(String::from));
    let mut subjects = vec![
        Subject::program("nothing: spawn and wait", &["/usr/bin/true"], home),
        Subject::served("the floor", &floor_words(stage, true), home)?,
        Subject::program("ringfence", &stage.ours(&[], &["/usr/bin/true"]), home),
        Subject::program("bubblewrap, our mounts", &bubblewrap, home),
        Subject::served("the floor, our mounts", &floor_with(stage, &mounts_seen::as_floor(&seen)), home)?,
        Subject::program("the floor as a program", &floor_words(stage, false), home),
    ];
    let has_other = stage.other_floor.is_some();
    if has_other {
        subjects.push(other_floor(stage)?);
    }
    let series = interleave(&mut subjects, stage.rounds * 2)?;
    let count = seen.len();
    ledger.section("Start-up", &format!("{NOTE} Our run makes {count} binds besides /proc, /dev and /tmp."));
    ledger.series("spawn to exit of `true`", &series);
    ledger.target("start-up, against the floor", Bound::AtMost(1.25), series[2].ratio_to(&series[1]), " ×");
    if has_other {
        let ratio = series[2].ratio_to(&series[6]);
        ledger.target("start-up, against the given floor program", Bound::AtMost(1.25), ratio, " ×");
    }
    ledger.target("start-up, against bubblewrap", Bound::AtMost(0.65), series[2].ratio_to(&series[3]), " ×");
    Ok(())
}

/// The floor with the four binds that the target names.
pub(crate) fn floor_words(stage: &Stage, serve: bool) -> Vec<String> {
    let (bin, work) = (stage.scratch.join("bin"), &stage.workspace);
    let mut words = vec![stage.floor.display().to_string()];
    if serve {
        words.push("--serve".into());
    }
    words.extend(["--ro", "/usr", "--ro", "/etc", "--rw"].map(String::from));
    words.extend([work.display().to_string(), "--ro".into(), bin.display().to_string()]);
    words.extend(["--", "/usr/bin/true"].map(String::from));
    words
}

fn floor_with(stage: &Stage, places: &[String]) -> Vec<String> {
    let mut words = vec![stage.floor.display().to_string(), "--serve".into()];
    words.extend_from_slice(places);
    words.extend(["--", "/usr/bin/true"].map(String::from));
    words
}

/// A floor program of another make: it takes features by name and wants its places under one directory of /tmp.
fn other_floor(stage: &Stage) -> Result<Subject> {
    let program = stage.other_floor.as_ref().context("no other floor was given")?;
    for place in ["ws", "bin", "mp", "tree"] {
        fs::create_dir_all(format!("/tmp/ringfence-bench/{place}"))?;
    }
    let features = "full=vfork,ns:user+mnt+pid+ipc+uts+cgroup+net,lo,new:4,pivot,proc,tmp,dev,caps,cr,nnp,llc:4,bpft:100";
    let words = [&program.display().to_string(), "-r", "1", "-w", "1", features];
    Ok(Subject::table("the given floor program", &words, "full", &stage.workspace))
}
