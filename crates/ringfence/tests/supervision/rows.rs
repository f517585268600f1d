//! The rows: a promise each.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::session::{OnTerminal, Result, Workspace, finish, run, signal, wait_for, wait_stopped};

/// A promise and what tries it.
pub(crate) type Row = (&'static str, fn());

pub(crate) const ROWS: &[Row] = &[
    ("exit_codes_are_the_commands_own", exit_codes),
    ("a_fatal_signal_is_128_and_its_number", fatal_signal),
    ("an_absent_program_is_127_and_a_directory_126", cannot_execute),
    ("signals_reach_the_command", forwarded_signals),
    ("the_time_limit_ends_with_124", time_limit),
    ("a_command_that_ignores_sigterm_is_killed_after_the_grace", grace),
    ("the_output_limit_cuts_exactly_and_ends_the_run", output_limit),
    ("below_the_output_limit_every_byte_arrives", output_whole),
    ("a_closed_reader_ends_a_counted_command", closed_reader),
    ("memory_is_held_by_a_control_group_where_there_is_one", memory_held),
    ("memory_is_held_by_measuring", memory_measured),
    ("processes_are_held", processes_held),
    ("processes_are_held_without_control_groups", processes_measured),
    ("no_control_group_is_left", no_group_left),
    ("nothing_is_left_when_the_supervisor_is_killed", supervisor_killed),
    ("nothing_is_left_when_the_command_ends", daemon_ends),
    ("both_backends_supervise", process_backend),
    ("a_terminal_is_the_sandboxs_own_and_has_the_size", terminal_size),
    ("resizing_reaches_the_command", terminal_resize),
    ("keys_reach_the_command_and_ctrl_c_interrupts_it", terminal_keys),
    ("ctrl_z_stops_and_continuing_resumes", job_control),
    ("the_terminal_comes_back_as_it_was", terminal_restored),
    ("the_last_output_of_a_terminal_is_not_lost", terminal_drained),
    ("the_commands_terminal_modes_stand_from_its_first_moment", terminal_modes),
    ("with_output_in_a_pipe_the_terminal_stays_in_line_mode", pipeline),
];

fn exit_codes() {
    for code in [0, 1, 42, 125, 127, 255] {
        assert_eq!(finish(&[], &format!("exit {code}")).code, code);
    }
}

fn fatal_signal() {
    assert_eq!(finish(&[], "kill -KILL $$").code, 137);
    assert_eq!(finish(&[], "kill -SEGV $$").code, 139);
}

fn cannot_execute() {
    assert_eq!(finish(&[], "exec /nowhere/program").code, 127);
    let workspace = Workspace::new();
    let mut direct = run(&workspace, &[], "");
    let status = |program: &str| {
        let mut run = std::process::Command::new(std::env::current_exe().unwrap());
        run.args(["--run", "--", program]).current_dir(&workspace.0).stderr(Stdio::null());
        run.status().unwrap().code()
    };
    assert_eq!((status("no-such-program"), status("/usr")), (Some(127), Some(126)));
    assert_eq!(direct.status().unwrap().code(), Some(0));
}

fn forwarded_signals() {
    for (sent, name) in
        [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")]
    {
        let workspace = Workspace::new();
        let command = format!("trap 'exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        let mut child = run(&workspace, &[], &command).stdout(Stdio::piped()).spawn().unwrap();
        wait_for(&mut child, "ready");
        signal(&child, sent);
        assert_eq!(child.wait().unwrap().code(), Some(7), "{name}");
    }
}

fn time_limit() {
    let result = finish(&["limits.time=300ms", "verbose"], "sleep 60");
    assert_eq!(result.code, 124, "{}", result.stderr);
    assert!(result.took < Duration::from_secs(2), "{:?}", result.took);
    assert!(result.stderr.contains("limit: Time, allowed: \"300 ms\""), "{}", result.stderr);
}

fn grace() {
    let result = finish(&["limits.time=1s"], "trap '' TERM; while :; do sleep 0.1; done");
    assert_eq!(result.code, 124);
    assert!(
        result.took > Duration::from_secs(3) && result.took < Duration::from_secs(6),
        "{:?}",
        result.took
    );
}

fn output_limit() {
    let result = finish(&["limits.output=100KiB"], "yes");
    assert_eq!((result.code, result.stdout.len()), (124, 100 * 1024));
}

fn output_whole() {
    let result = finish(&["limits.output=10MiB"], "head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2");
    assert_eq!((result.code, result.stdout.len(), result.stderr.as_str()), (0, 3_000_000, "end\n"));
}

fn closed_reader() {
    let workspace = Workspace::new();
    let mut child = run(&workspace, &["limits.output=1GiB"], "yes").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(&mut child, "y\n");
    drop(child.stdout.take());
    // SIGPIPE, as without us.
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

/// A shell that doubles a string until there is no more memory.
const HOG: &str = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done";

fn memory_held() {
    let result = finish(&["limits.memory=64MiB", "verbose"], HOG);
    assert_eq!(result.code, 124, "{}", result.stderr);
    assert!(result.stderr.contains("limit: Memory, allowed: \"64 MiB\""), "{}", result.stderr);
}

fn memory_measured() {
    let slow = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; sleep 0.02; done";
    let result = finish(&["no-cgroup", "limits.memory=64MiB", "verbose"], slow);
    assert_eq!(result.code, 124, "{}", result.stderr);
    assert!(result.stderr.contains("limit: Memory"), "{}", result.stderr);
}

/// Starts 40 sleepers, then counts all processes without starting one.
const FORKS: &str = "(for i in $(seq 40); do sleep 3 & done) 2>/dev/null; set -- /proc/[0-9]*; echo $#";

fn processes_held() {
    let free = finish(&["limits.processes=200"], FORKS);
    let held = finish(&["limits.processes=20", "verbose"], FORKS);
    let count =
        |result: &Result| result.stdout.trim().parse::<u32>().unwrap_or_else(|_| panic!("{}", result.stderr));
    assert!(count(&free) > 40, "{}", free.stdout);
    // 20 of the command's and init; the shell gives up at the first fork that is refused.
    assert!((10..=21).contains(&count(&held)), "{}", held.stdout);
    if !groups_are_writable() {
        return;
    }
    assert!(held.stderr.contains("limit: Processes"), "{}", held.stderr);
}

/// RLIMIT_NPROC refuses silently; a control group keeps count.
fn groups_are_writable() -> bool {
    !matches!(ringfence::probe().cgroup, ringfence::CgroupHost::None { .. })
}

fn processes_measured() {
    let result = finish(&["no-cgroup", "limits.processes=20", "verbose"], &format!("{FORKS}; sleep 5"));
    if ringfence::probe().root {
        // RLIMIT_NPROC does not hold for root, so the supervisor counts, and ends the run.
        assert_eq!(result.code, 124, "{}", result.stderr);
        assert!(result.stderr.contains("limit: Processes"), "{}", result.stderr);
    } else {
        let count: u32 = result.stdout.trim().parse().unwrap_or_else(|_| panic!("{}", result.stderr));
        assert!((10..=21).contains(&count), "{count}");
    }
}

fn no_group_left() {
    for (command, code) in [("exit 0", 0), (HOG, 124)] {
        let options = ["limits.memory=64MiB", "limits.processes=50"];
        let workspace = Workspace::new();
        let mut child = run(&workspace, &options, command).spawn().unwrap();
        let supervisor = child.id();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(groups_of(supervisor), Vec::<String>::new());
    }
}

/// Control groups that a supervisor has made. Others may be running at the same time.
fn groups_of(supervisor: u32) -> Vec<String> {
    let prefix = format!("ringfence-{supervisor}-");
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let mut found = Vec::new();
    for line in own.lines() {
        let parts: Vec<&str> = line.splitn(3, ':').collect();
        let mount = if parts[1].is_empty() {
            "/sys/fs/cgroup".into()
        } else {
            format!("/sys/fs/cgroup/{}", parts[1])
        };
        // The unified hierarchy makes them beside our own group, the first version below it.
        for directory in [format!("{mount}{}", parts[2]), format!("{mount}{}/..", parts[2])] {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            found.extend(names.filter(|name| name.starts_with(&prefix)));
        }
    }
    found
}

/// A name that no other process has.
fn marker() -> String {
    format!("{}.{:06}", 4_000, std::process::id())
}

fn is_running(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\0") && String::from_utf8_lossy(&line).contains(marker)
    })
}

fn is_gone(marker: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !is_running(marker)
    })
}

fn supervisor_killed() {
    for backend in ["namespaces", "process"] {
        let marker = marker();
        let workspace = Workspace::new();
        let command = format!("setsid sleep {marker} & echo ready; sleep {marker}");
        let level = format!("containment.level={backend}");
        let options: &[&str] = if backend == "process" { &[&level, "lenient"] } else { &[&level] };
        let mut child = run(&workspace, options, &command).stdout(Stdio::piped()).spawn().unwrap();
        wait_for(&mut child, "ready");
        while !is_running(&marker) {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        assert!(is_gone(&marker), "{backend}");
    }
}

fn daemon_ends() {
    let marker = marker();
    assert_eq!(finish(&[], &format!("setsid sleep {marker} & exit 3")).code, 3);
    assert!(is_gone(&marker));
}

fn process_backend() {
    let level = "containment.level=process";
    assert_eq!(finish(&[level, "lenient"], "exit 9").code, 9);
    let marker = marker();
    let result =
        finish(&[level, "lenient", "limits.time=300ms"], &format!("setsid sleep {marker} & sleep 60"));
    assert_eq!(result.code, 124, "{}", result.stderr);
    assert!(is_gone(&marker));
}

fn terminal_size() {
    let mut run = OnTerminal::start("tty; stty size; exit 5");
    run.expect("/dev/pts/");
    run.expect("33 77");
    assert_eq!(run.code(), 5);
}

fn terminal_resize() {
    let mut run =
        OnTerminal::start("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done");
    run.expect("ready");
    tcsetwinsize(&run.master, Winsize { ws_row: 11, ws_col: 22, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    run.expect("11 22");
    assert_eq!(run.code(), 0);
}

fn terminal_keys() {
    let mut run = OnTerminal::start(
        "read line; echo got:$line; trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.05; done",
    );
    run.type_keys("hello\r");
    run.expect("got:hello");
    run.expect("ready");
    run.type_keys("\x03");
    run.expect("caught");
    assert_eq!(run.code(), 4);
}

fn job_control() {
    let mut run = OnTerminal::start("echo ready; read line; echo got:$line");
    run.expect("ready");
    run.type_keys("\x1a");
    wait_stopped(&run.child);
    // Ours again while it is stopped.
    assert!(tcgetattr(&run.master).unwrap().local_modes.contains(LocalModes::ICANON));
    signal(&run.child, Signal::CONT);
    run.type_keys("again\r");
    run.expect("got:again");
    assert_eq!(run.code(), 0);
}

fn terminal_restored() {
    for (command, options) in
        [("exit 0", &[][..]), ("kill -KILL $$", &[]), ("sleep 60", &["limits.time=200ms"])]
    {
        let mut run = OnTerminal::start_with(options, command, true);
        let before = tcgetattr(&run.master).unwrap();
        run.code();
        let after = tcgetattr(&run.master).unwrap();
        assert_eq!(
            (before.local_modes, before.input_modes),
            (after.local_modes, after.input_modes),
            "{command}"
        );
    }
}

fn terminal_drained() {
    let mut run = OnTerminal::start("seq 20000; echo the-very-end");
    run.expect("19999");
    run.expect("the-very-end");
    assert_eq!(run.code(), 0);
}

fn terminal_modes() {
    for _ in 0..10 {
        let mut run =
            OnTerminal::start("stty -echo; sleep 0.05; stty -a | tr ';' '\\n' | grep -ow -e -echo; echo end");
        run.expect("-echo");
        run.expect("end");
        assert_eq!(run.code(), 0);
    }
}

fn pipeline() {
    let mut run = OnTerminal::start_with(&[], "read line; echo got:$line; echo ready >&2", false);
    std::thread::sleep(Duration::from_millis(200));
    assert!(tcgetattr(&run.master).unwrap().local_modes.contains(LocalModes::ICANON));
    run.type_keys("hello\r");
    run.expect("ready");
    wait_for(&mut run.child, "got:hello");
    assert_eq!(run.code(), 0);
}
