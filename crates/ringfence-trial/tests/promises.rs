//! The table as tests, for `cargo test`: the current user on each backend. Not the whole trial: other users are tried
//! by the `ringfence-trial` program, which can make one.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::sync::{Arc, Mutex};

    use libtest_mimic::{Arguments, Completion, Failed, Trial};
    use ringfence_trial::{Outcome, parse, rows, sessions};

    let arguments = Arguments::from_args();
    let started =
        parse(&[]).and_then(|options| sessions(&options, env!("CARGO_BIN_EXE_ringfence-trial").as_ref()));
    let sessions = match started {
        Ok(sessions) => sessions,
        Err(why) => {
            eprintln!("the trial cannot start: {why}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let mut trials = Vec::new();
    for session in sessions {
        // One row at a time: rows look at the host's processes, mounts and temporary files.
        let session = Arc::new(Mutex::new(session));
        for row in rows() {
            let (name, session) = (row.name.clone(), session.clone());
            let backend = session.lock().map(|session| session.backend).unwrap_or_default();
            let trial = Trial::ignorable_test(format!("{backend}: {name}"), move || {
                let session = session.lock().map_err(|_| Failed::from("an earlier row panicked"))?;
                match row.run(&session) {
                    Outcome::Passed => Ok(Completion::Completed),
                    Outcome::Skipped(why) => Ok(Completion::ignored_with(why)),
                    Outcome::Failed(why) => Err(why.into()),
                    Outcome::NotProved(why) => Err(format!("not proved: {why}").into()),
                }
            });
            trials.push(trial);
        }
    }
    let arguments = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&arguments, trials).exit_code()
}
