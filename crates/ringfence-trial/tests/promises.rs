//! The table as tests, for `cargo test`: the current user on each backend. Not the whole trial: other users are tried
//! by the `ringfence-trial` program, which can make one.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::sync::{Arc, RwLock};

    use libtest_mimic::{Arguments, Completion, Trial};
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
    // Held by many rows at once, or by one that must be alone.
    let beside = Arc::new(RwLock::new(()));
    for session in sessions {
        let (backend, session) = (session.backend, Arc::new(session));
        for row in rows() {
            let (name, session, beside) = (row.name.clone(), session.clone(), beside.clone());
            let trial = Trial::ignorable_test(format!("{backend}: {name}"), move || {
                // Poisoned by a row that panicked: that row failed, and the lock guards nothing but time.
                let (_shared, _alone);
                if row.alone {
                    _alone = beside.write();
                } else {
                    _shared = beside.read();
                }
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
    let arguments = Arguments { test_threads: Some(2), ..arguments };
    libtest_mimic::run(&arguments, trials).exit_code()
}
