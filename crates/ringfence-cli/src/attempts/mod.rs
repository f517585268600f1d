//! The attempts of `ringfence doctor --attack`: one row a promise, tried inside a real sandbox and outside of it.
//! Not the trial suite: these are the attempts that are safe on anyone's machine, against things made for them.

mod change;
mod kernel;
mod network;
mod outside;
mod process;
mod protected;
mod referee;
mod scene;
mod secret;
#[expect(unsafe_code, reason = "attempts at calls that no safe library offers, on purpose")]
mod sys;

use std::io;

pub(crate) use process::linger;
pub(crate) use referee::{Conclusion, Finding, Options, referee};
pub(crate) use scene::Stage;

/// One attempt at breaking out, and the promise that it must not succeed.
pub(crate) struct Attempt {
    /// The name on the command line of the hidden verb, and in reports.
    pub(crate) name: &'static str,
    /// What is promised, as a sentence.
    pub(crate) promise: &'static str,
    /// The attempt itself. `Ok` means that it got through, `Err` what stopped it.
    pub(crate) act: fn(&Stage) -> io::Result<()>,
    /// Whether harm is to be seen from outside after the attempt; for attempts that leave any.
    pub(crate) harm: Option<fn(&scene::Scene) -> bool>,
    /// What decides.
    pub(crate) judge: Judge,
    /// What stands at standard input.
    pub(crate) input: Input,
    /// Flags of `ringfence run` that the promise is about; `$OUTSIDE` stands for the scene's outside directory.
    pub(crate) flags: &'static [&'static str],
    /// The weakest backend that makes this promise.
    pub(crate) from: From,
}

/// What decides whether the promise held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// The attempt must fail, and leave no harm.
    Refused,
    /// The same, or the whole run is ended by a limit.
    RefusedOrStopped,
    /// The attempt may seem to succeed; harm alone decides.
    Harm,
    /// Not an attack: it must work. A fence that stops everything would otherwise prove every other row.
    Works,
}

/// Standard input of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing.
    Null,
    /// A terminal of the scene's own.
    Terminal,
}

/// The weakest backend that promises a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Every backend.
    Process,
    /// Those with namespaces.
    Namespaces,
}

/// The usual row, for `..REFUSED`.
const REFUSED: Attempt = Attempt {
    name: "",
    promise: "",
    act: |_| Ok(()),
    harm: None,
    judge: Judge::Refused,
    input: Input::Null,
    flags: &[],
    from: From::Process,
};

/// Every attempt, by group.
pub(crate) const GROUPS: &[(&str, &[Attempt])] = &[
    ("Work goes on", outside::WORKS),
    ("Files outside the workspace", outside::ROWS),
    ("Secrets", secret::ROWS),
    ("Protected names inside the workspace", protected::ROWS),
    ("Network", network::ROWS),
    ("Processes", process::ROWS),
    ("Kernel interfaces", kernel::ROWS),
];

/// The attempt of that name.
pub(crate) fn find(name: &str) -> Option<&'static Attempt> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter()).find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_promises_are_said() {
        let rows: Vec<_> = GROUPS.iter().flat_map(|(_, rows)| rows.iter()).collect();
        assert!(rows.len() >= 20, "{} rows", rows.len());
        for (index, row) in rows.iter().enumerate() {
            assert!(!row.name.is_empty() && !row.promise.is_empty());
            assert!(rows[..index].iter().all(|other| other.name != row.name), "{} twice", row.name);
            if row.judge == Judge::Harm {
                assert!(row.harm.is_some(), "{}: nothing decides", row.name);
            }
        }
    }
}
