//! The mounts of our own sandbox, in the words of the others, so that all hold the same view.
//! Read from inside a real run, not from the plan: what counts is what the kernel was asked to do.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ReadOnly,
    Writable,
    Tmpfs,
}

/// The mounts that a default run in `workspace` makes, without the root, /proc, /dev and /tmp that everyone makes.
pub(crate) fn of_a_default_run(ringfence: &Path, workspace: &Path) -> Result<Vec<Seen>> {
    let output = Command::new(ringfence)
        .args(["run", "--", "cat", "/proc/self/mountinfo"])
        .current_dir(workspace)
        .output()
        .with_context(|| format!("failed to start {}", ringfence.display()))?;
    ensure!(output.status.success(), "the first run failed: {}", String::from_utf8_lossy(&output.stderr));
    let seen = parse(&String::from_utf8_lossy(&output.stdout));
    // A source that the host does not have was made by the sandbox: a bind of it could not be asked of the others.
    Ok(seen.into_iter().filter(|seen| seen.kind == Kind::Tmpfs || Path::new(&seen.path).exists()).collect())
}

pub(crate) fn as_bubblewrap(seen: &[Seen]) -> Vec<String> {
    words(seen, ["--ro-bind", "--bind", "--tmpfs"], true)
}

pub(crate) fn as_floor(seen: &[Seen]) -> Vec<String> {
    words(seen, ["--ro", "--rw", "--tmpfs"], false)
}

fn words(seen: &[Seen], [read_only, writable, tmpfs]: [&str; 3], twice: bool) -> Vec<String> {
    let mut words = Vec::new();
    for Seen { path, kind } in seen {
        let flag = match kind {
            Kind::ReadOnly => read_only,
            Kind::Writable => writable,
            Kind::Tmpfs => tmpfs,
        };
        words.push(flag.to_string());
        words.push(path.clone());
        if twice && *kind != Kind::Tmpfs {
            words.push(path.clone());
        }
    }
    words
}

/// See proc_pid_mountinfo(5) for the columns.
fn parse(text: &str) -> Vec<Seen> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Seen> {
    let (left, right) = line.split_once(" - ")?;
    let mut columns = left.split(' ').skip(4);
    let (path, options) = (columns.next()?, columns.next()?);
    let made_by_all =
        path == "/" || ["/proc", "/dev", "/tmp", "/sys"].iter().any(|top| Path::new(path).starts_with(top));
    if made_by_all {
        return None;
    }
    let read_only = options.split(',').any(|option| option == "ro");
    let kind = match right.split(' ').next()? {
        "tmpfs" => Kind::Tmpfs,
        // Nearest thing that all can do; cheaper than ours, so it is not in our favour.
        "overlay" => Kind::ReadOnly,
        _ if read_only => Kind::ReadOnly,
        _ => Kind::Writable,
    };
    Some(Seen { path: path.replace("\\040", " "), kind })
}

#[cfg(test)]
mod tests {
    use super::{Kind, Seen, as_bubblewrap, parse};

    #[test]
    fn the_view_is_read_off_mountinfo() {
        let text = "30 1 0:40 / / ro - tmpfs tmpfs rw\n31 30 0:41 / /proc ro - proc proc rw\n\
                    32 30 254:0 /usr /usr ro,nosuid - ext4 /dev/vda rw\n33 30 254:0 /w /w rw,nosuid - ext4 /dev/vda rw\n\
                    34 30 0:42 / /home/a rw - tmpfs tmpfs rw\n";
        let seen = parse(text);
        let expected = [("/usr", Kind::ReadOnly), ("/w", Kind::Writable), ("/home/a", Kind::Tmpfs)];
        assert_eq!(seen, expected.map(|(path, kind)| Seen { path: path.into(), kind }));
        assert_eq!(as_bubblewrap(&seen).join(" "), "--ro-bind /usr /usr --bind /w /w --tmpfs /home/a");
    }
}
