//! Break-glass: whether a user may lift a part of a machine ceiling for one run, and which part.
//!
//! Only the judgement. Who is asking is told by the kernel, the record is written by whoever starts the run.
//!
//! A user namespace gives its maker uid 0 in it. Whoever makes one could as well lay an empty /etc over the ceiling, or
//! not call this program: a ceiling holds those who use ringfence, and the record tells on those who break it.

use ringfence_plan::Millis;

pub use super::people::Caller;
use crate::diagnostic::{Diagnostic, acts_on_terminals, quoted};

/// The longest reason, in characters: it goes into a record that people read.
const LONGEST: usize = 500;
/// What no exception lifts: the record of it, the right to it, and whose signature counts.
const KEPT: &[&str] = &["oversight", "break_glass", "signing"];
/// Lists of one bound: without `write`, what it names would not even be readable.
const TOGETHER: &[&str] =
    &["filesystem.read", "filesystem.write", "filesystem.private", "network.mode", "network.allow"];
const DOOR: &str = "--break-glass";

/// What the machine ceiling says of exceptions: its `[break_glass]`, and whether it names an audit destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Names, or `uid:1000`.
    pub users: Vec<String>,
    /// Groups (`network`) or fields (`network.mode`) that are lifted.
    pub fields: Vec<String>,
    /// The longest such a run may take.
    pub time: Option<Millis>,
    /// Whether every use leaves a record.
    pub audited: bool,
}

/// An exception that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    fields: Vec<String>,
    /// The time that the run has at most.
    pub time: Millis,
    /// Why, in the user's words, for the record.
    pub reason: String,
    /// Who, for the record.
    pub caller: Caller,
}

impl Lifted {
    /// Whether the ceiling's field `key` (`group.name`) does not count in this run.
    pub fn lifts(&self, key: &str) -> bool {
        self.fields.iter().any(|field| covers(field, key))
    }

    /// The groups and fields that do not count.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }
}

impl Allowance {
    /// What is wrong with it, whoever asks: to be told when the ceiling is read, not only once glass is broken.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.audited {
            faults.push(
                "`break_glass` needs `oversight.audit`: an exception that leaves no record is none".into(),
            );
        }
        if self.time.is_none() {
            faults.push("`break_glass` needs `break_glass.time`: an exception ends".into());
        }
        if self.fields.is_empty() {
            faults.push("`break_glass` needs `break_glass.fields`: an exception lifts something".into());
        }
        for field in &self.fields {
            if KEPT.iter().any(|kept| covers(field, kept) || covers(kept, field)) {
                faults.push(format!("{} cannot be lifted: it is what holds exceptions", quoted(field)));
            }
        }
        for field in self.fields.iter().filter(|field| TOGETHER.contains(&field.as_str())) {
            let group = field.split('.').next().unwrap_or(field);
            faults.push(format!(
                "{} cannot be lifted by itself: the lists of one bound stand and fall together; name the group {}",
                quoted(field),
                quoted(group)
            ));
        }
        for user in &self.users {
            if user.strip_prefix("uid:").is_some_and(|uid| uid.parse::<u32>().is_err()) {
                faults.push(format!("{} is no number of a user, as in `uid:1000`", quoted(user)));
            }
        }
        faults
    }

    /// Whether `caller` may have the exception for `reason`.
    ///
    /// # Errors
    /// The ceiling allows none, allows it to others, is wrong about it, or the reason is none.
    pub fn ask(this: Option<&Allowance>, caller: &Caller, reason: &str) -> Result<Lifted, Diagnostic> {
        let reason = good_reason(reason)?;
        let Some(allowance) = this else {
            return Err(Diagnostic::error("the machine ceiling allows no exception").help(format!(
                "its administrator allows for one in [break_glass]; run without {DOOR} until then"
            )));
        };
        let faults = allowance.faults();
        let (Some(time), true) = (allowance.time, faults.is_empty()) else {
            let title = format!("the machine ceiling's [break_glass] is wrong: {}", faults.join("; "));
            return Err(
                Diagnostic::error(title).help("its administrator mends it; until then there is no exception")
            );
        };
        if !allowance.users.iter().any(|user| names(user, caller)) {
            return Err(not_named(allowance, caller));
        }
        Ok(Lifted { fields: allowance.fields.clone(), time, reason, caller: caller.clone() })
    }
}

fn covers(field: &str, key: &str) -> bool {
    key == field || key.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'))
}

fn names(user: &str, caller: &Caller) -> bool {
    match user.strip_prefix("uid:") {
        Some(uid) => uid.parse() == Ok(caller.uid),
        None => caller.names.iter().any(|name| name == user),
    }
}

fn good_reason(reason: &str) -> Result<String, Diagnostic> {
    let trimmed = reason.trim();
    let bad = |why: &str| {
        Err(Diagnostic::error(format!("{DOOR} {} {why}", quoted(reason)))
            .help(format!("the reason is kept on record: {DOOR} \"ticket 123: the release is stuck\"")))
    };
    if trimmed.chars().all(|c| !c.is_alphanumeric()) {
        return bad("gives no reason");
    }
    if trimmed.chars().any(acts_on_terminals) {
        return bad("has characters that do not belong in one line of text");
    }
    if trimmed.chars().count() > LONGEST {
        return bad("is longer than 500 characters");
    }
    Ok(trimmed.to_owned())
}

fn not_named(allowance: &Allowance, caller: &Caller) -> Diagnostic {
    let uid = caller.uid;
    let who = match caller.names.first() {
        Some(name) => format!("{} (uid {uid})", quoted(name)),
        None => format!("user {uid}, whom /etc/passwd does not name,"),
    };
    let diagnostic = Diagnostic::error(format!("the machine ceiling allows {who} no exception"));
    let allowed: Vec<_> = allowance.users.iter().map(quoted).collect();
    let diagnostic = match allowed.is_empty() {
        true => diagnostic.help("its [break_glass] names no users"),
        false => diagnostic.help(format!("it allows one to {}", allowed.join(", "))),
    };
    diagnostic.help(format!("its administrator can add `uid:{uid}` to break_glass.users"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance() -> Allowance {
        Allowance {
            users: vec!["ann".into(), "uid:1002".into()],
            fields: vec!["network".into(), "limits.time".into()],
            time: Some(Millis(600_000)),
            audited: true,
        }
    }

    fn ann() -> Caller {
        Caller { uid: 1000, names: vec!["ann".into()] }
    }

    fn refusal(allowance: Option<&Allowance>, caller: &Caller, reason: &str) -> String {
        Allowance::ask(allowance, caller, reason).unwrap_err().title
    }

    #[test]
    fn it_lifts_what_it_names_and_nothing_else() {
        let lifted = Allowance::ask(Some(&allowance()), &ann(), "  ticket 7: stuck ").unwrap();
        assert_eq!((lifted.time, lifted.reason.as_str()), (Millis(600_000), "ticket 7: stuck"));
        for (key, is_lifted) in [
            ("network.mode", true),
            ("network.allow", true),
            ("limits.time", true),
            ("limits.memory", false),
            ("networks.mode", false),
            ("filesystem.deny", false),
            ("oversight.audit", false),
            ("signing.keys", false),
        ] {
            assert_eq!(lifted.lifts(key), is_lifted, "{key}");
        }
    }

    #[test]
    fn only_named_users_have_it() {
        let by_number = Caller { uid: 1002, names: vec![] };
        assert!(Allowance::ask(Some(&allowance()), &by_number, "x").is_ok());
        for (caller, part) in [
            (Caller { uid: 1001, names: vec!["bob".into()] }, "`bob` (uid 1001)"),
            (Caller { uid: 1001, names: vec![] }, "user 1001"),
            // Whoever can add a line to /etc/passwd is root, but a name that reads like a number is none.
            (Caller { uid: 1001, names: vec!["uid:1002".into(), "1000".into()] }, "uid 1001"),
        ] {
            let title = refusal(Some(&allowance()), &caller, "x");
            assert!(title.contains(part), "{title}");
        }
        let nobody = Allowance { users: vec![], ..allowance() };
        assert!(refusal(Some(&nobody), &ann(), "x").contains("no exception"));
        assert!(refusal(None, &ann(), "x").contains("no exception"));
    }

    #[test]
    fn a_reason_is_one_line_of_words() {
        for reason in ["", "   ", "-", "...", "a\nb", "a\x1b[2J", "a\u{202e}b", "a\0", &"x".repeat(501)] {
            let title = refusal(Some(&allowance()), &ann(), reason);
            assert!(title.starts_with("--break-glass"), "{title}");
            assert!(!title.contains(acts_on_terminals), "{title:?}");
        }
        assert!(Allowance::ask(Some(&allowance()), &ann(), "störung #7").is_ok());
    }

    #[test]
    fn an_exception_that_is_not_recorded_or_does_not_end_is_none() {
        for (wrong, part) in [
            (Allowance { audited: false, ..allowance() }, "oversight.audit"),
            (Allowance { time: None, ..allowance() }, "break_glass.time"),
            (Allowance { fields: vec![], ..allowance() }, "break_glass.fields"),
            (Allowance { fields: vec!["oversight".into()], ..allowance() }, "`oversight` cannot"),
            (Allowance { fields: vec!["oversight.audit".into()], ..allowance() }, "`oversight.audit` cannot"),
            (Allowance { fields: vec!["signing.keys".into()], ..allowance() }, "`signing.keys` cannot"),
            (
                Allowance { fields: vec!["filesystem.read".into()], ..allowance() },
                "name the group `filesystem`",
            ),
            (Allowance { fields: vec!["network.allow".into()], ..allowance() }, "name the group `network`"),
            (Allowance { fields: vec!["break_glass".into()], ..allowance() }, "`break_glass` cannot"),
            (Allowance { users: vec!["ann".into(), "uid:x".into()], ..allowance() }, "`uid:x`"),
        ] {
            let title = refusal(Some(&wrong), &ann(), "x");
            assert!(title.contains(part), "{title}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_caller_is_whom_the_kernel_says() {
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(Caller::current().uid, uid);
        if uid == 0 {
            assert!(Caller::current().names.contains(&"root".to_owned()));
        }
    }
}
