//! What supervision promises, row by row, each against a real sandbox. Without the standard harness: a sandbox is cloned
//! from a process without threads, so each run has a process of its own.
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[cfg(target_os = "linux")]
mod records;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod session;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--run").is_some() {
        return runner::main(arguments);
    }
    // The rest of the standard harness's arguments do not concern us, but for a name to filter by.
    let filter = arguments.find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut failed = 0;
    for (name, row) in rows::ROWS.iter().chain(records::ROWS).filter(|(name, _)| name.contains(&filter)) {
        let result = std::panic::catch_unwind(row);
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        failed += usize::from(result.is_err());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
