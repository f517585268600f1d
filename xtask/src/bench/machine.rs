//! The machine that the figures belong to.
//! Never its name, users or paths: a report is published.

use std::fs;
use std::process::Command;

const BUSY: &str = "\n\n**The machine was busy with other work. Ratios hold roughly, absolute times and rates do not, and a \
    target met or missed by little says nothing. Measure again on a quiet machine.**";

/// One paragraph of Markdown, and a second where the figures are not to be relied on.
pub(crate) fn describe() -> String {
    let processor = after("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unnamed processor".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = kilobytes("MemTotal").unwrap_or(0.0) / 1024.0 / 1024.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    let system = after("/etc/os-release", "PRETTY_NAME").unwrap_or_else(|| "Linux".into());
    let mounts = read("/proc/self/mountinfo").lines().count();
    let virtual_machine =
        if read("/proc/cpuinfo").contains(" hypervisor") { ", a virtual machine" } else { "" };
    let load = read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let busy = load
        .split(' ')
        .next()
        .and_then(|one| one.parse::<f64>().ok())
        .is_some_and(|one| one > cores as f64 / 2.0);
    let caution = if busy { BUSY } else { "" };
    format!(
        "Machine: {cores} cores of {processor}{virtual_machine}, {memory:.0} GiB, {}, Linux {}, {mounts} mounts on the \
         host, {}, load at the start {load}. Measured by {}.{caution}",
        system.trim_matches('"'),
        kernel.trim(),
        first_line("bwrap"),
        if is_root() { "root" } else { "an unprivileged user" },
    )
}

/// A line of /proc/meminfo in KiB.
pub(crate) fn kilobytes(name: &str) -> Option<f64> {
    after("/proc/meminfo", name)?.split_whitespace().next()?.parse().ok()
}

fn is_root() -> bool {
    after("/proc/self/status", "Uid").is_some_and(|ids| ids.split_whitespace().next() == Some("0"))
}

fn first_line(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map_or_else(
        |_| format!("no {program}"),
        |output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_string(),
    )
}

/// What follows `key` and its `:` or `=` on the first line that starts with it.
fn after(file: &str, key: &str) -> Option<String> {
    read(file).lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.trim_start();
        Some(rest.strip_prefix([':', '='])?.trim().to_string())
    })
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
