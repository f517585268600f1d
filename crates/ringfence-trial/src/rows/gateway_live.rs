//! Rules that are changed while a run is under way: they count at once, also for what is open, and nobody changes them
//! but the owner, from outside every sandbox.

use std::fs;

use super::gateway::UNSET;
use crate::internet::line::Judge;
use crate::internet::{self, Told};
use crate::place::Place;
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

pub(super) fn rows() -> Vec<Row> {
    let rows: [(&str, &'static [u8], Judge); 4] = [
        ("gateway: a_rule_that_is_added_counts_at_once_and_so_does_its_end", &[], added),
        ("gateway: what_is_open_is_broken_off_when_no_rule_allows_it_any_more", &[], broken_off),
        ("gateway: a_ceiling_bounds_what_is_added_while_it_runs", &[], bounded),
        ("gateway: socket_of_a_run_is_not_for_the_sandboxed", &[45], not_for_the_sandboxed),
    ];
    let row = |(name, threats, check): (&str, &'static [u8], Judge)| internet::row(name, threats, &[], check);
    rows.into_iter().map(row).collect()
}

/// Holds a connection to good.example:22 open and says when it was broken off. It makes a file at each step.
const HOLD: &str = r#"
import socket, sys, time
open_one = socket.create_connection(("good.example", 22), 5)
open_one.settimeout(0.05)
begun = False
for _ in range(400):
    try:
        data = open_one.recv(64)
    except TimeoutError:
        continue
    except OSError:
        data = b""
    if not data:
        print("broken off"); sys.exit(0)
    if not begun:
        begun = True; open("connected", "w").close()
print("never broken off")
"#;

/// A run in the background whose command is `inside`, then `outside` on the host that is played, then the run's end.
pub(super) fn beside(
    session: &Session,
    place: &Place,
    flags: &[&str],
    (inside, outside): (&str, &str),
) -> Result<Told, String> {
    let fail = |error: std::io::Error| format!("preparing the run: {error}");
    fs::write(place.work.join("hold.py"), HOLD).map_err(fail)?;
    fs::write(place.work.join("ask.py"), ASK).map_err(fail)?;
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut command = session.fence(place, &flags);
    command.args(["sh", "-c", &format!("{UNSET}{inside}")]);
    let line = format!(
        "wait_for() {{ for _ in $(seq 500); do [ -e $1 ] && return; sleep 0.02; done; echo missing $1; }}\n\
         rf={}\n{} & run=$!\n{outside}\nwait $run; echo ended $?",
        program::quoted(session.ringfence.to_str().unwrap_or_default()),
        program::words(&command)
    );
    internet::bare(session, place, &line)
}

fn added(session: &Session) -> Result<Outcome, String> {
    let inside = "get() { curl -sS -m 5 http://web.example/$1; }\n\
        curl -sS -m 5 http://good.example/alive; get before && exit 98; touch ready\n\
        until [ -e allowed ]; do sleep 0.02; done; get between || exit 97; touch got\n\
        until [ -e removed ]; do sleep 0.02; done; get after && exit 96; true";
    let outside = "wait_for ready; $rf network allow web.example:80 || echo not allowed; touch allowed\n\
        wait_for got; $rf network remove web.example:80 || echo not removed; touch removed";
    let told = beside(session, &session.place()?, &["--allow-net", "good.example:80"], (inside, outside))?;
    let (log, text) = (&told.log, told.ran.text());
    let good = text.contains("ended 0") && text.contains("may reach web.example:80");
    let counted = log.contains("GET /alive") && log.contains("GET /between");
    told.judge(good && counted && !log.contains("GET /before") && !log.contains("GET /after"))
}

fn broken_off(session: &Session) -> Result<Outcome, String> {
    let inside = "for way in deny remove; do python3 hold.py; mv connected connected.$way; touch $way; \
        until [ -e after.$way ]; do sleep 0.02; done; done";
    // What is open outlives changes that are not about it.
    let outside = "wait_for connected; $rf network allow web.example:80; $rf network deny evil.example; sleep 0.5\n\
        [ -e deny ] && echo too early; $rf network deny good.example; wait_for deny\n\
        $rf network remove good.example; touch after.deny\n\
        wait_for connected; sleep 0.5; [ -e remove ] && echo too early\n\
        $rf network remove good.example:22; wait_for remove; touch after.remove";
    let told = beside(session, &session.place()?, &["--allow-net", "good.example:22"], (inside, outside))?;
    let text = told.ran.text();
    let good = text.matches("broken off").count() == 2 && text.contains("ended 0");
    told.judge(good && !text.contains("too early") && !text.contains("never") && !text.contains("missing"))
}

fn bounded(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let ceiling = place.outside.join("ceiling.toml");
    let text = "kind = \"ceiling\"\n[network]\nmode = \"rules\"\nallow = [\"good.example:80\", \"web.example:80\"]\n";
    fs::write(&ceiling, text).map_err(|error| format!("writing the ceiling: {error}"))?;
    let inside = "touch ready; until [ -e done ]; do sleep 0.02; done\n\
        curl -sS -m 5 http://web.example/within; curl -sS -m 5 http://evil.example/beyond";
    let outside = "wait_for ready; $rf network allow web.example && echo first done\n\
        $rf network allow evil.example:80; echo second $?; touch done";
    let flags = ["--allow-net", "good.example:80", "--layer", ceiling.to_str().unwrap_or_default()];
    let told = beside(session, &place, &flags, (inside, outside))?;
    let (log, text) = (&told.log, told.ran.text());
    let good = ["first done", "leaves of it web.example:80", "second 1", "ceiling.toml:4"];
    let good = good.iter().all(|word| text.contains(word));
    told.judge(good && log.contains("GET /within") && !log.contains("203.0.113.11"))
}

/// Asks whichever run it finds for evil.example, by every name that a socket may have.
const ASK: &str = r#"
import json, os, socket, sys
request = json.dumps({"change": "allow", "endpoints": ["evil.example:80"], "said": "an attacker"}).encode()
place = os.path.join(os.environ["HOSTHOME"], ".local/state/ringfence/run")
run = sys.argv[1]
names = [os.path.join(place, run), "./link/" + run, "./hard", "\0" + os.path.join(place, run), "\0" + run]
for make in (lambda: os.symlink(place, "link"), lambda: os.link(os.path.join(place, run), "hard")):
    try: make()
    except OSError: pass
try: names.append("/proc/self/fd/%d/%s" % (os.open(place, os.O_PATH), run))
except OSError: pass
try: names.append("/proc/%s/root%s/%s" % (run, place, run))
except OSError: pass
for name in names:
    try:
        asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asking.settimeout(2); asking.connect(name); asking.send(request)
        answer = json.loads(asking.recv(1 << 18) or b"null")
        if answer and answer["refused"] is None: print("changed by", name.replace("\0", "@"))
    except (OSError, ValueError): pass
print("asked")
"#;

/// The sandbox is granted what it can be: the directory itself, and a second sandbox has the host's network as well. Two
/// more find the socket, and are seen to be in another user namespace, or behind locks that the supervisor does not have.
fn not_for_the_sandboxed(session: &Session) -> Result<Outcome, String> {
    let state = "$HOME/.local/state/ringfence";
    let ask = "python3 ask.py $(cat id)";
    let inside = format!(
        "touch ready; until [ -e id ]; do sleep 0.02; done; {ask}; touch done; until [ -e end ]; do sleep 0.02; done"
    );
    let place = session.place()?;
    let flags = ["--network", "host", "--write", state].map(str::to_owned);
    let mut second = session.fence(&place, &flags);
    second.args(["sh", "-c", ask]);
    let outside = format!(
        "wait_for ready; echo $run > id; wait_for done; echo first; rm -f link hard\n{}; rm -f link hard\n\
         unshare -Ur {ask}; rm -f link hard; setpriv --no-new-privs {ask}; echo second; rm -f link hard\n\
         $rf network list --run $run | grep evil; {ask}; touch end",
        program::words(&second)
    );
    let flags = ["--allow-net", "good.example:80", "--write", state];
    let told = beside(session, &place, &flags, (&inside, &outside))?;
    let text = told.ran.text();
    let Some((sandboxed, owner)) = text.split_once("second") else { return told.judge(false) };
    if !owner.contains("changed by") {
        return Ok(told.proves(false));
    }
    told.judge(
        !sandboxed.contains("changed by")
            && sandboxed.matches("asked").count() == 4
            && !owner.contains("allow evil"),
    )
}
