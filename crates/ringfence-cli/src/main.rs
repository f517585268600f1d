//! Skeleton.
mod attempts;
mod commands;
mod exit;
mod render;

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.split_first() {
        Some((verb, rest)) if verb == commands::attempt::VERB => commands::attempt::attempt(rest),
        _ => std::process::ExitCode::from(exit::FAILED),
    }
}
