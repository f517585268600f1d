//! Reads a process tree from /proc: who is in it, and what it uses. Decides nothing.

use std::fs::File;
use std::io::Read;

/// What a process tree uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processes and threads.
    pub(super) tasks: u32,
    /// Resident memory, bytes, shared pages counted once for each process that maps them.
    pub(super) resident: u64,
}

/// Reads one tree again and again, without allocating each time.
#[derive(Default)]
pub(super) struct ProcessTree {
    text: String,
    /// All processes below the root, by the last reading.
    pub(super) pids: Vec<u32>,
}

impl ProcessTree {
    /// Counts what lies below `root`, itself left out.
    pub(super) fn measure(&mut self, root: u32) -> Usage {
        let mut usage = Usage::default();
        self.pids.clear();
        self.read_children(root, &mut Usage::default());
        let mut next = 0;
        while let Some(pid) = self.pids.get(next).copied() {
            next += 1;
            self.read_children(pid, &mut usage);
            usage.resident += self.resident(pid);
        }
        usage
    }

    /// Proportional resident memory, bytes: shared pages are counted once. Slower than [`ProcessTree::measure`] by far,
    /// so it is asked only when that one says too much.
    pub(super) fn proportional(&mut self) -> u64 {
        let pids = std::mem::take(&mut self.pids);
        let sum = pids.iter().map(|pid| self.proportional_of(*pid)).sum();
        self.pids = pids;
        sum
    }

    /// Swapped-out memory, bytes.
    pub(super) fn swapped(&mut self) -> u64 {
        let pids = std::mem::take(&mut self.pids);
        let sum = pids.iter().map(|pid| self.field(&format!("/proc/{pid}/status"), "VmSwap:")).sum();
        self.pids = pids;
        sum
    }

    fn proportional_of(&mut self, pid: u32) -> u64 {
        match self.field(&format!("/proc/{pid}/smaps_rollup"), "Pss:") {
            0 => {
                let status = format!("/proc/{pid}/status");
                // Not readable (a process that is not dumpable): what is surely its own.
                self.field(&status, "RssAnon:") + self.field(&status, "RssShmem:")
            }
            bytes => bytes,
        }
    }

    /// A field in kB of a file of `Name: value` lines, in bytes.
    fn field(&mut self, file: &str, name: &str) -> u64 {
        self.read(file);
        let value = self.text.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024)
    }

    /// Adds the children of every thread of `pid`: a child belongs to the thread that forked it.
    fn read_children(&mut self, pid: u32, usage: &mut Usage) {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for thread in threads.flatten() {
            usage.tasks += 1;
            let name = thread.file_name();
            self.read(&format!("/proc/{pid}/task/{}/children", name.display()));
            self.pids.extend(self.text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }

    fn resident(&mut self, pid: u32) -> u64 {
        self.read(&format!("/proc/{pid}/statm"));
        let pages: u64 = self.text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        pages * rustix::param::page_size() as u64
    }

    /// Empty where the process is gone.
    fn read(&mut self, file: &str) {
        self.text.clear();
        if let Ok(mut file) = File::open(file) {
            let _ = file.read_to_string(&mut self.text);
        }
    }
}

/// When the process started, in milliseconds since the machine did (proc_pid_stat(5), field 22); `None` if it is gone.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself contain some.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_tree_is_counted_with_its_grandchildren() {
        let mut child =
            Command::new("sh").args(["-c", "sleep 60 & read x"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut tree = ProcessTree::default();
        let mut usage = Usage::default();
        for _ in 0..200 {
            usage = tree.measure(child.id());
            if usage.tasks == 1 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(usage.tasks, 1);
        assert!(usage.resident > 0 && tree.proportional() > 0 && tree.proportional() <= usage.resident);
        let sleeper = tree.pids[0];
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(sleeper as i32).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(tree.measure(child.id()), Usage::default());
    }

    #[test]
    fn a_start_is_known_while_the_process_lives() {
        assert!(start_of(std::process::id()).is_some_and(|start| start > 0));
        assert_eq!(start_of(u32::MAX), None);
    }
}
