//! A sandbox started inside a sandbox: it works, it never has more than the one around it, and what it is denied itself it
//! is really denied. The control of each attempt is made in the outer sandbox, where it must succeed.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::attack::prepare;
use crate::place::{CANARY, Place};
use crate::program::{self, Ran};
use crate::row::{Outcome, Row, outcome};
use crate::session::{BEGUN, PATIENCE, Session, strip_begun};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        CHANGES.iter().map(|(name, line)| Attempt::change(name, LENT, line).row()).collect();
    rows.extend([
        Attempt::read("inner_read_of_what_was_not_lent", LENT, "cat $WORK/secret").row(),
        Attempt::read("inner_read_by_way_of_the_broker", LENT, CREATING).row(),
        Attempt::change("inner_asks_for_more", LENT, ASKING).row(),
        Attempt::read("inner_deny", &["--deny", "$WORK/secret"], "cat $WORK/secret").or_refused().row(),
        Attempt::read("inner_read_of_what_is_hidden", &["--read", "$OUTSIDE"], "cat $OUTSIDE/secret")
            .or_refused()
            .unless(&["--read", "$OUTSIDE"])
            .row(),
        Attempt::change("inner_write_outside", &["--write", "$OUTSIDE"], "echo x > $OUTSIDE/new")
            .or_refused()
            .unless(&["--write", "$OUTSIDE"])
            .row(),
        Attempt::change("inner_protect", &["--protect", "deploy"], "mkdir deploy").row(),
        Attempt::change("inner_protect_by_rename", &["--protect", "deploy/key"], "mv kept-tree deploy").row(),
        Row::new("inner_network", &[], |session| network(session).unwrap_or_else(Outcome::Failed))
            .held_by("network.mode"),
        Row::new("inner_orphan_of_a_killed_init", &[], |session| outcome(killed_init(session))),
        Row::new("works: a sandbox in a sandbox", &[], |session| outcome(works(session))),
        Row::new("works: git in a sandbox in a sandbox", &[], |session| match Session::has("git") {
            true => outcome(git(session)),
            false => Outcome::Skipped("this host has no git".into()),
        }),
        Row::new("works: a sandbox three deep", &[], |session| outcome(three_deep(session))),
    ]);
    rows
}

/// A part of the outer sandbox's workspace, and nothing else of it.
const LENT: &[&str] = &["--workspace", "$WORK/part", "--cwd", "$WORK/part"];

/// Attempts to change the workspace outside of the part that was lent.
const CHANGES: &[(&str, &str)] = &[
    ("inner_write", "echo x >> $WORK/kept"),
    ("inner_create", "echo x > $WORK/new"),
    ("inner_make_directory", "mkdir $WORK/new"),
    ("inner_rename_out", "echo x > f; mv f $WORK/new"),
    ("inner_rename_in", "mv $WORK/kept here"),
    ("inner_rename_of_its_own_root", "mv $WORK/part $WORK/other"),
    ("inner_remove", "rm -f $WORK/kept"),
    ("inner_hard_link", "ln $WORK/kept l && echo x >> l"),
    ("inner_symlink", "ln -s $WORK/kept s && echo x >> s"),
    ("inner_make_symlink", "ln -s x $WORK/new"),
    ("inner_chmod", "chmod 0777 $WORK/kept"),
    ("inner_times", "touch -d 2001-01-01 $WORK/kept"),
    ("inner_truncate", "python3 -c 'import os; os.truncate(os.environ[\"WORK\"] + \"/kept\", 0)'"),
    ("inner_by_parent_directories", "echo x >> ../kept"),
    ("inner_by_descriptor", "exec 5< .; echo x >> /proc/self/fd/5/../kept"),
    ("inner_orphan", "(setsid sh -c 'sleep 0.3; echo x >> $WORK/kept' > /dev/null 2>&1 &); sleep 1"),
];

/// Opens for reading with O_CREAT, which is the broker's call to make.
const CREATING: &str = "python3 -c 'import os\n\
    print(os.read(os.open(os.environ[\"WORK\"] + \"/secret\", os.O_RDONLY | os.O_CREAT), 99))'";

/// Speaks to the outer broker as an inner sandbox's init does, with the whole filesystem as bounds.
const ASKING: &str = "python3 -c 'import ctypes\n\
    bounds = b\"1\\0w/\\0\"\n\
    assert ctypes.CDLL(None).fsetxattr(-0x52464e, b\"ringfence.narrow\", bounds, len(bounds), 0) == 0' && \
    echo x >> $WORK/kept; \
    python3 -c 'import ctypes, os\n\
    bounds = b\"1\\0w/\\0\"\n\
    ctypes.CDLL(None).fsetxattr(-0x52464e, b\"ringfence.narrow\", bounds, len(bounds), 0)\n\
    open(os.environ[\"WORK\"] + \"/kept\", \"a\").write(\"x\")'";

/// What lies in the workspace before.
const BEFORE: &str =
    "mkdir -p part a kept-tree; echo kept > kept; echo key > kept-tree/key; cp $OUTSIDE/secret secret";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// The canary's text in the output.
    Secret,
    /// Something in the place but outside `part` of the workspace that is not as it was.
    Change,
}

/// An attempt in an inner sandbox.
struct Attempt {
    name: &'static str,
    flags: &'static [&'static str],
    line: &'static str,
    goal: Goal,
    /// Whether the inner run may be refused as a whole: what cannot be held is not run.
    may_be_refused: bool,
    /// Flags of the outer sandbox with which the inner attempt must succeed. Without them the control is made in the outer
    /// one itself.
    unless: Option<&'static [&'static str]>,
}

impl Attempt {
    fn change(name: &'static str, flags: &'static [&'static str], line: &'static str) -> Attempt {
        Attempt { name, flags, line, goal: Goal::Change, may_be_refused: false, unless: None }
    }

    fn read(name: &'static str, flags: &'static [&'static str], line: &'static str) -> Attempt {
        Attempt { goal: Goal::Secret, ..Attempt::change(name, flags, line) }
    }

    fn or_refused(self) -> Attempt {
        Attempt { may_be_refused: true, ..self }
    }

    fn unless(self, outer: &'static [&'static str]) -> Attempt {
        Attempt { unless: Some(outer), ..self }
    }

    fn row(self) -> Row {
        Row::new(self.name, &[], move |session| self.judge(session).unwrap_or_else(Outcome::Failed))
    }

    fn judge(&self, session: &Session) -> Result<Outcome, String> {
        let (reached, mut ran) = self.make(session, &[], Where::Inner)?;
        if reached {
            return Err(format!("the inner attempt reached its goal: {}", ran.describe()));
        }
        if let Err(why) = strip_begun(&mut ran)
            && !(self.may_be_refused && ran.code == 125)
        {
            return Err(why);
        }
        let (reached, ran) = match self.unless {
            Some(outer) => self.make(session, outer, Where::Inner)?,
            None => self.make(session, &[], Where::Outer)?,
        };
        Ok(match reached {
            true => Outcome::Passed,
            false => Outcome::NotProved(format!("the control fails: {}", ran.describe())),
        })
    }

    fn make(&self, session: &Session, outer: &[&str], place: Where) -> Result<(bool, Ran), String> {
        let scene = session.place()?;
        prepare(session, &scene, BEFORE)?;
        let (host, work) = (scene.host_side(), outside_of_part(&scene));
        let ran = run(session, &scene, (outer, self.flags, place), self.line)?;
        if ran.timed_out {
            return Err(format!("it did not end: {}", ran.describe()));
        }
        let mut changes = host.changes(&scene.host_side());
        changes.extend(work.changes(&outside_of_part(&scene)));
        let reached = match self.goal {
            Goal::Secret => ran.text().contains(CANARY),
            Goal::Change => !changes.is_empty(),
        };
        Ok((reached, ran))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Inner,
    Outer,
}

fn outside_of_part(place: &Place) -> crate::tree::Tree {
    place.workspace().without(|path| path.starts_with("part") || path == Path::new(""))
}

/// Runs a shell line in an inner sandbox, or in the outer one in the directory that the inner one would have.
fn run(
    session: &Session,
    place: &Place,
    (outer, inner, at): (&[&str], &[&str], Where),
    line: &str,
) -> Result<Ran, String> {
    let outer: Vec<String> = outer.iter().map(|flag| (*flag).to_owned()).collect();
    let mut command = session.fence(place, &outer);
    let begun = format!("echo {BEGUN}\n{line}");
    match at {
        Where::Inner => command.args(session.inner(place, inner)).args(["sh", "-c", &begun]),
        Where::Outer if inner == LENT => command.args(["sh", "-c", &format!("cd part\n{begun}")]),
        Where::Outer => command.args(["sh", "-c", &begun]),
    };
    program::run(command, &[], PATIENCE)
}

/// Asking for the host's network inside brings none where there is none around.
fn network(session: &Session) -> Result<Outcome, String> {
    if let Some(why) = session.unenforced("network.mode") {
        return Ok(Outcome::Skipped(why.into()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
    listener.set_nonblocking(true).map_err(text)?;
    let port = listener.local_addr().map_err(text)?.port();
    let line = format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)'");
    let heard = |outer: &[&str]| -> Result<bool, String> {
        let place = session.place()?;
        run(session, &place, (outer, &["--network", "host"], Where::Inner), &line)?;
        Ok(program::eventually(Duration::from_millis(200), || listener.accept().is_ok()))
    };
    Ok(match (heard(&[])?, heard(&["--network", "host"])?) {
        (true, _) => Outcome::Failed("the listener of the host was reached".into()),
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::NotProved("not reached with the host's network around either".into()),
    })
}

/// What the inner sandbox's init leaves behind when somebody of the outer one kills it has no more than before.
fn killed_init(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, BEFORE)?;
    let words: Vec<String> = session.inner(&place, LENT).iter().map(|word| format!("'{word}'")).collect();
    let inner = words.join(" ");
    let line = format!(
        "{inner} sh -c 'setsid sh -c \"touch loop; while sleep 0.05; do echo x >> $WORK/kept; echo x >> mine; done\" 2>/dev/null & sleep 60' &\n\
         supervisor=$!\n\
         for i in $(seq 100); do test -s part/mine && break; sleep 0.1; done\n\
         init=$(cat /proc/$supervisor/task/$supervisor/children)\n\
         kill -STOP $supervisor; kill -KILL $init || exit 9\n\
         sleep 1; kill -KILL $supervisor; echo killed $init"
    );
    let mut command = session.fence(&place, &[]);
    command.args(["sh", "-c", &line]);
    let ran = program::run(command, &[], PATIENCE)?;
    let kept = std::fs::read_to_string(place.work.join("kept")).map_err(text)?;
    let mine = std::fs::read_to_string(place.work.join("part/mine")).unwrap_or_default();
    match (ran.out().contains("killed "), mine.is_empty(), kept.as_str()) {
        (true, false, "kept\n") => Ok(()),
        (true, false, _) => Err(format!("an orphan wrote: {kept:?} {}", ran.describe())),
        _ => Err(format!("the inner sandbox was not there to be killed: {}", ran.describe())),
    }
}

fn works(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, BEFORE)?;
    let line = "read line; echo \"$line\" | tr a-z A-Z; echo x > part/new; : > $TMPDIR/t && mkdir deep && mv deep part/; \
                test -s \"$RINGFENCE_PLAN\" || exit 8; ls part; exit 7";
    let mut command = session.fence(&place, &[]);
    command.args(session.inner(&place, &[])).args(["sh", "-c", line]);
    let ran = program::run(command, b"words\n", PATIENCE)?;
    match (ran.code, ran.out().as_str()) {
        (7, "WORDS\ndeep\nnew\n") => Ok(()),
        _ => Err(ran.describe()),
    }
}

/// The broker writes the pointers of a working tree itself; for an inner sandbox too.
fn git(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, "git init -q . && git commit -q --allow-empty -m begun")?;
    let line = "export GIT_CONFIG_GLOBAL=/dev/null; echo a > file && git add file && git commit -q -m more && \
                git worktree add -q tree && git -C tree log --oneline | wc -l && git -C tree status --short; \
                mkdir .git/hooks/x || mkdir tree/.git 2>/dev/null || echo kept";
    let mut command = session.fence(&place, &[]);
    command.args(session.inner(&place, &[])).args(["sh", "-c", line]);
    let ran = program::run(command, &[], PATIENCE)?;
    match (ran.code, ran.out().as_str()) {
        (0, "2\nkept\n") => Ok(()),
        _ => Err(ran.describe()),
    }
}

fn three_deep(session: &Session) -> Result<(), String> {
    let place = session.place()?;
    prepare(session, &place, BEFORE)?;
    let part = ["--workspace", "$WORK/part", "--cwd", "$WORK/part"];
    let line = "echo x > mine; echo x >> $WORK/kept; echo x > ../new; cat mine; exit 5";
    let mut command = session.fence(&place, &[]);
    command.args(session.inner(&place, &[])).args(session.inner(&place, &part)).args(["sh", "-c", line]);
    let ran = program::run(command, &[], PATIENCE)?;
    let kept = std::fs::read_to_string(place.work.join("kept")).map_err(text)?;
    match (ran.code, ran.out().as_str(), kept.as_str(), place.work.join("new").exists()) {
        (5, "x\n", "kept\n", false) => Ok(()),
        _ => Err(ran.describe()),
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
