//! docs/policy.md, step by step: every file it shows is written, every command it shows is run, and what it says they
//! print must be printed.
//!
//! In a user and a mount namespace of its own, where /etc is a copy: so the guide's machine ceiling is one of root's, and
//! nothing of the machine is touched.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// One thing that the reader does.
#[derive(Debug, PartialEq)]
enum Step {
    /// Writes this text into this file.
    File { name: String, text: String },
    /// Types this, and sees that. A line `…` stands for any lines, `…` in a line for any characters.
    Command { line: usize, typed: String, seen: Vec<String> },
}

#[test]
fn every_step_of_the_guide_does_what_it_says() {
    let guide =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md")).unwrap();
    let steps = steps(&guide);
    let commands = steps.iter().filter(|step| matches!(step, Step::Command { .. })).count();
    assert!(commands > 20, "the guide has {commands} commands: its blocks are no longer found");
    if let Err(why) = namespaces() {
        eprintln!("skipped: {why}");
        // Never in CI, where nobody would read that line.
        assert!(
            std::env::var_os("CI").is_none() && std::env::var_os("RINGFENCE_CI_SIGNALS").is_none(),
            "{why}"
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let said = run(&script(&steps), place.path());
    let mut parts = said.split(MARK).skip(1);
    for step in &steps {
        let Step::Command { line, typed, seen } = step else { continue };
        let printed =
            parts.next().unwrap_or_else(|| panic!("line {line}: `{typed}` was not reached\n{said}"));
        let printed: Vec<&str> = printed.trim_matches('\n').lines().collect();
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        assert!(
            lines_match(&seen, &printed),
            "docs/policy.md:{line}: `{typed}` should print\n{}\nand prints\n{}",
            seen.join("\n"),
            printed.join("\n")
        );
    }
}

const MARK: &str = "\u{1}step\u{1}";

/// The steps of `guide`: blocks ```` ```console ```` and ```` ```toml file=NAME ````.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = guide.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> =
            lines.by_ref().take_while(|(_, line)| !line.starts_with("```")).collect();
        if fence == "console" {
            console(&block, &mut steps);
        } else if let Some((_, name)) = fence.split_once(" file=") {
            let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            steps.push(Step::File { name: name.to_owned(), text });
        }
    }
    steps
}

fn console(block: &[(usize, &str)], steps: &mut Vec<Step>) {
    for (at, line) in block {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
            (Some(typed), _, _) => {
                steps.push(Step::Command { line: at + 1, typed: typed.to_owned(), seen: Vec::new() });
            }
            // The shell's own prompt for a line that goes on.
            (None, Some(more), Some(Step::Command { typed, seen, .. })) if seen.is_empty() => {
                typed.push('\n');
                typed.push_str(more);
            }
            (None, _, Some(Step::Command { seen, .. })) => seen.push((*line).to_owned()),
            _ => panic!("a console block begins with a command"),
        }
    }
}

/// A shell script that does the steps, with a mark before what each command prints.
fn script(steps: &[Step]) -> String {
    let mut script = String::from(SETTING);
    for step in steps {
        match step {
            Step::File { name, text } => {
                let name = name.replace('~', "$HOME");
                writeln!(script, "mkdir -p \"$(dirname \"{name}\")\"\ncat > \"{name}\" <<'END'\n{text}END")
                    .unwrap();
            }
            Step::Command { typed, .. } => {
                writeln!(script, "printf '%s\\n' '{MARK}'\n{typed}").unwrap();
            }
        }
    }
    script
}

/// The reader's machine: his HOME, a project, and root's /etc, of which he can see what everybody can.
const SETTING: &str = r#"
set -e
mount -t tmpfs none "$PLACE"
mkdir -p "$PLACE/etc" "$PLACE/log" "$PLACE/home/reader/src" "$PLACE/home/reader/.local/bin"
cp -a /etc/. "$PLACE/etc" 2>/dev/null || true
chown 0:0 "$PLACE/etc"; chmod 755 "$PLACE/etc"
rm -rf "$PLACE/etc/ringfence"
# A machine's ceiling speaks of the HOME that passwd tells: it is the reader's, who is number 0 in here.
printf '%s\n' 'reader:x:0:0::/home/reader:/bin/sh' > "$PLACE/passwd"
grep -v '^[^:]*:[^:]*:0:' /etc/passwd >> "$PLACE/passwd"
chmod 644 "$PLACE/passwd"; mv "$PLACE/passwd" "$PLACE/etc/passwd"
mount --bind "$PLACE/etc" /etc
cp "$RINGFENCE" "$PLACE/home/reader/.local/bin/ringfence"
mount --bind "$PLACE/log" /var/log
mount --bind "$PLACE/home" /home
export HOME=/home/reader PATH="/home/reader/.local/bin:$PATH" LC_ALL=C.UTF-8 NO_COLOR=1 USER=reader
sudo() { "$@"; }
umask 022
cd "$HOME/src"
exec 2>&1 </dev/null
set +e
"#;

fn run(script: &str, place: &Path) -> String {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "bash", "-c", script])
        // A reader's variables, and none of those that cargo sets for a test.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("PLACE", place)
        .env("RINGFENCE", env!("CARGO_BIN_EXE_ringfence"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // The place of the test's is not in the guide.
    String::from_utf8_lossy(&output.stdout).replace(place.to_str().unwrap(), "")
        + &String::from_utf8_lossy(&output.stderr)
}

/// Why this host cannot make the reader's machine, if it cannot.
fn namespaces() -> Result<(), String> {
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    match tried {
        Err(error) => Err(format!("unshare(1) cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            Err(format!("no user namespace: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(_) => Ok(()),
    }
}

/// Whether the lines of the guide speak of the lines that were printed.
fn lines_match(seen: &[&str], printed: &[&str]) -> bool {
    match seen.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

fn line_matches(seen: &str, printed: &str) -> bool {
    let mut parts = seen.split('…');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn the_guide_is_read_as_people_read_it() {
    let guide = "text\n```console\n$ one\nsays\n$ two \\\n> more\n```\n```toml file=a.toml\nx = 1\n```\n```toml\nshown\n```\n";
    let command = |line, typed: &str, seen: &[&str]| Step::Command {
        line,
        typed: typed.into(),
        seen: seen.iter().map(|line| (*line).to_owned()).collect(),
    };
    let file = Step::File { name: "a.toml".into(), text: "x = 1\n".into() };
    assert_eq!(steps(guide), [command(3, "one", &["says"]), command(5, "two \\\nmore", &[]), file]);
}

#[test]
fn an_output_that_differs_does_not_pass() {
    assert!(lines_match(&["a", "…", "b … d"], &["a", "x", "y", "b c d"]));
    for (seen, printed) in [
        (&["a"][..], &[][..]),
        (&[], &["a"]),
        (&["a"], &["b"]),
        (&["a", "…", "c"], &["a", "b"]),
        (&["a … c"], &["a b"]),
        (&["a…"], &["ba"]),
    ] {
        assert!(!lines_match(seen, printed), "{seen:?} {printed:?}");
    }
}
