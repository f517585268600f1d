//! The `ringfence` program: from words on a command line to a contained command and an exit code.
//! Not a place for logic that a program embedding the library would need too.
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

#[cfg(target_os = "linux")]
mod attempts;
mod commands;
mod exit;
mod failure;
mod flags;
mod inside;
#[cfg(test)]
mod reference;
mod render;
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
#[expect(unsafe_code, reason = "an entry point that C calls, instead of the standard library's")]
mod sys;

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    enter().into()
}

/// What any entry point does.
fn enter() -> u8 {
    let mut words = std::env::args_os();
    let program = words.next();
    if commands::mxc::is_called(program.as_deref()) {
        return commands::mxc::enter(commands::mxc::PROGRAM, words.collect());
    }
    commands::dispatch(words.collect())
}
