//! The presets of stages and roles: what each holds of something that is allowed without it, by the same flags.
//!
//! What they leave as it is, `presets/tests` of the policy has.

use crate::attack::prepare;
use crate::program::Ran;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

/// Something that a preset holds.
struct Held {
    preset: &'static str,
    what: &'static str,
    /// The flags that allow it without the preset.
    flags: &'static [&'static str],
    /// What is in the workspace before, in shell.
    before: &'static str,
    /// Ends with 0 where it was allowed.
    line: &'static str,
    scope: Scope,
}

const MOUNTS: Scope = Scope::Namespaces("the preset narrows a part of a tree, which takes mounts");

const HELD: &[Held] = &[
    Held {
        preset: "staging",
        what: "writing elsewhere than in the workspace",
        flags: &["--write", "$OUTSIDE"],
        before: "",
        // What stands outside is a copy there at most: it is looked at from outside afterwards.
        line: "echo changed > \"$OUTSIDE/secret\"",
        scope: MOUNTS,
    },
    Held {
        preset: "production",
        what: "reading what no administrator put there",
        flags: &["--read", "$OUTSIDE"],
        before: "",
        line: "cat \"$OUTSIDE/secret\"",
        scope: MOUNTS,
    },
    Held {
        preset: "production",
        what: "namespaces of one's own",
        flags: &["--nested-namespaces=true"],
        before: "",
        line: "unshare --user true",
        scope: MOUNTS,
    },
    Held {
        preset: "production",
        what: "the host's network",
        flags: &["--network", "host"],
        before: "",
        line: "test \"$(ls /sys/class/net /proc/sys/net/ipv4/conf 2>/dev/null | wc -l)\" != 0 && \
               test \"$(readlink /proc/self/ns/net)\" = \"$HOST_NETWORK\"",
        scope: MOUNTS,
    },
    Held {
        preset: "production",
        what: "an account of a cloud",
        flags: &["--env", "AWS_PROFILE=somebody"],
        before: "",
        line: "test -n \"$AWS_PROFILE\"",
        scope: MOUNTS,
    },
    Held {
        preset: "read-only-review",
        what: "changing what is reviewed",
        flags: &[],
        before: "echo reviewed > source.c",
        line: "echo changed > source.c",
        scope: MOUNTS,
    },
    Held {
        preset: "read-only-review",
        what: "making a file beside it",
        flags: &[],
        before: "",
        line: "echo new > new.c",
        scope: MOUNTS,
    },
    Held {
        preset: "package-install",
        what: "changing the project's own code",
        flags: &[],
        before: "mkdir node_modules; echo '{}' > package.json",
        line: "echo changed > package.json",
        scope: MOUNTS,
    },
    Held {
        preset: "package-install",
        what: "a token for install scripts",
        flags: &["--env", "SOME_TOKEN=secret"],
        before: "mkdir node_modules",
        line: "test -n \"$SOME_TOKEN\"",
        scope: MOUNTS,
    },
    Held {
        preset: "mcp-server",
        what: "looking at the project",
        flags: &["--cwd", "/tmp"],
        before: "echo source > source.c",
        line: "cat \"$WORK/source.c\"",
        scope: Scope::Everywhere,
    },
];

/// Something that works under a preset.
const WORKS: &[(&str, &str, &str)] = &[
    ("staging", "", "echo built > out && cat out"),
    ("production", "", "echo built > out && cat out"),
    (
        "read-only-review",
        "echo reviewed > source.c",
        "cat source.c && echo note > /tmp/note && echo x > ~/note && cat /tmp/note",
    ),
    (
        "package-install",
        "mkdir node_modules",
        "echo 'module.exports = 1' > node_modules/x.js && cat node_modules/x.js",
    ),
    (
        "data-analysis",
        "echo 1,2 > table.csv",
        "cut -d, -f2 table.csv > result && cat result && test \"$MPLBACKEND\" = Agg",
    ),
    ("mcp-server", "", "echo x > ~/state && cat ~/state"),
    ("dev", "", "echo built > out && cat out"),
];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let held = HELD.iter().map(|held| {
        let name = format!("preset {}: {}", held.preset, held.what);
        Row::new(name, &[], move |session| held.judge(session).unwrap_or_else(Outcome::Failed))
            .only(held.scope)
    });
    let works = WORKS.iter().map(|(preset, before, line)| {
        let name = format!("works: preset {preset}");
        Row::new(name, &[], move |session| {
            works(session, preset, before, line).unwrap_or_else(Outcome::Failed)
        })
        .only(MOUNTS)
    });
    let bypass = Row::new("preset production: a run with less than was asked", &[], |session| {
        no_way_around(session).unwrap_or_else(Outcome::Failed)
    });
    held.chain(works).chain([bypass]).collect()
}

impl Held {
    fn judge(&self, session: &Session) -> Result<Outcome, String> {
        let without = self.attempt(session, false)?;
        if !without.reached {
            return Ok(Outcome::NotProved(format!(
                "it is refused without the preset too: {}",
                without.ran.describe()
            )));
        }
        let with = self.attempt(session, true)?;
        match with.reached {
            true => Err(format!("the preset does not hold it: {}", with.ran.describe())),
            false => Ok(Outcome::Passed),
        }
    }

    fn attempt(&self, session: &Session, preset: bool) -> Result<Attempted, String> {
        let place = session.place()?;
        prepare(session, &place, &format!("{}\n{}", self.before, policy(&["default", self.preset])))?;
        let mut flags: Vec<String> = self.flags.iter().map(|flag| (*flag).to_owned()).collect();
        if preset {
            flags.extend(["--policy".to_owned(), "$OUTSIDE/policy.toml".to_owned()]);
        }
        let network = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
        flags.extend(["--env".to_owned(), format!("HOST_NETWORK={}", network.display())]);
        let (host, work) = (place.host_side(), place.workspace());
        let ran = session.fenced(&place, &flags, self.line)?;
        let changes = host.changes(&place.host_side()).len() + work.changes(&place.workspace()).len();
        // What writes reaches its goal on the host, not in a copy; what only looks must say so itself.
        let writes = self.line.contains("> ");
        Ok(Attempted { reached: ran.code == 0 && (changes > 0 || !writes), ran })
    }
}

struct Attempted {
    reached: bool,
    ran: Ran,
}

fn works(session: &Session, preset: &str, before: &str, line: &str) -> Result<Outcome, String> {
    let place = session.place()?;
    prepare(session, &place, &format!("{before}\n{}", policy(&["default", preset])))?;
    let flags = ["--policy", "$OUTSIDE/policy.toml", "--network", "none"];
    // A server of tools has no project to start in.
    let cwd = if preset == "mcp-server" { &["--cwd", "/tmp"][..] } else { &[] };
    let flags: Vec<String> = flags.iter().chain(cwd).map(|flag| (*flag).to_owned()).collect();
    let ran = session.fenced(&place, &flags, line)?;
    match ran.code == 0 && !ran.stdout.is_empty() {
        true => Ok(Outcome::Passed),
        false => Err(format!("it does not work: {}", ran.describe())),
    }
}

/// `--allow-unenforced` for something that the backend does not hold is refused under production, and taken without it.
fn no_way_around(session: &Session) -> Result<Outcome, String> {
    let run = |presets: &[&str]| -> Result<Ran, String> {
        let place = session.place()?;
        prepare(session, &place, &policy(presets))?;
        let flags =
            ["--policy", "$OUTSIDE/policy.toml", "--allow-unenforced", "network.mode"].map(str::to_owned);
        let mut command = session.fence(&place, &flags);
        command.args(["sh", "-c", "echo begun"]);
        crate::program::run(command, &[], crate::session::PATIENCE)
    };
    let (without, with) = (run(&["default"])?, run(&["default", "production"])?);
    if without.code != 0 {
        return Ok(Outcome::NotProved(format!(
            "it is refused without the preset too: {}",
            without.describe()
        )));
    }
    match with.code == 125 && !with.out().contains("begun") {
        true => Ok(Outcome::Passed),
        false => Err(format!("it ran all the same: {}", with.describe())),
    }
}

/// The shell line that writes a policy of the user's own, which extends these.
fn policy(presets: &[&str]) -> String {
    let names: Vec<_> = presets.iter().map(|name| format!("\"{name}\"")).collect();
    format!("printf '%s\\n' 'version = 1' 'extends = [{}]' > \"$OUTSIDE/policy.toml\"", names.join(", "))
}
