//! The exit codes of `ringfence`, as a table that the manual prints.
//! Not the command's own codes: those pass through unchanged.

use ringfence_plan::{Ending, Limit};

/// A verb did its work, and the answer is yes.
pub(crate) const DONE: u8 = 0;
/// The time limit ended the run.
pub(crate) const TIME_LIMIT: u8 = 124;
/// Ringfence refused, or could not set up; the command did not start.
pub(crate) const FAILED: u8 = 125;
/// Added to the number of the signal that ended the command.
pub(crate) const SIGNALED: u8 = 128;
/// Verbs that answer a question: the answer is no.
pub(crate) const NO: u8 = 1;

/// The number of SIGKILL, by which a limit ends a run (signal(7)).
const SIGKILL: u8 = 9;

/// Every code with the verbs that use it and its meaning, for help, manual and reference.
pub(crate) const TABLE: &[(&str, &str, &str)] = &[
    ("0–255", "run", "the command's own code"),
    ("0", "why", "allowed; also in a private copy"),
    ("1", "why", "refused, or the last run was refused something"),
    ("1", "plan, doctor", "the policy cannot be held here, or a promise did not hold"),
    ("1", "network", "nothing was changed, and why not is said"),
    ("1", "policy check", "an error was found; with --strict also a warning"),
    ("1", "policy diff", "B lets something that A does not"),
    ("1", "policy test", "an assertion does not hold"),
    ("1", "policy fmt", "with --check: a file is in another form"),
    ("1", "policy export", "the other program lets more than the policy"),
    ("1", "policy trust", "the answer was no"),
    ("1", "policy verify", "the signature does not count"),
    ("124", "run", "the time limit ended the command"),
    ("1, 2, 255", "mxc", "no request; unreadable words; refused, not set up or out of time"),
    ("125", "every verb but mxc", "ringfence refused or could not set up; the command did not start"),
    ("126", "run", "the command was found and could not be executed"),
    ("127", "run", "the command was not found"),
    ("128+N", "run", "signal N ended the command; 137 also for the limits of memory and output"),
];

/// The code for the way a run ended.
pub(crate) fn of(ending: Ending) -> u8 {
    match ending {
        Ending::Exited(code) => code,
        // Signals end at 64 (signal(7)), so the sum fits.
        Ending::Signaled(number) => SIGNALED.saturating_add(u8::try_from(number).unwrap_or(u8::MAX)),
        Ending::Stopped(Limit::Time) => TIME_LIMIT,
        Ending::Stopped(Limit::Memory | Limit::Processes | Limit::Output | Limit::Tmp) => SIGNALED + SIGKILL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_own_code_passes_and_signals_are_added() {
        for code in 0..=255 {
            assert_eq!(of(Ending::Exited(code)), code);
        }
        assert_eq!(of(Ending::Signaled(15)), 143);
        assert_eq!(of(Ending::Stopped(Limit::Time)), 124);
        assert_eq!(of(Ending::Stopped(Limit::Memory)), 137);
    }
}
