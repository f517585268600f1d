//! The `ringfence` program: from words on a command line to a contained command and an exit code.
//! Not a place for logic that a program embedding the library would need too.

#[cfg(target_os = "linux")]
mod attempts;
mod commands;
mod exit;
mod failure;
mod flags;
#[cfg(test)]
mod reference;
mod render;

fn main() -> std::process::ExitCode {
    commands::dispatch(std::env::args_os().skip(1).collect())
}
