//! What `~`, `$HOME` and `$USER` stand for in a machine's ceiling: what /etc/passwd says of the real uid.
//!
//! Not what the caller says: with a HOME of his choice he would move what binds him.

use super::Loader;
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::layers::people::Account;
use crate::path_text::{Unsaid, with_account};
use crate::statement::{Place, Value};

impl Loader<'_> {
    /// Puts the machine's words into the paths of the layer that was read last, in the place of the caller's.
    pub(super) fn settle_account(&mut self) -> Result<(), Report> {
        let account = self.account.get_or_insert_with(|| Account::current(&self.places.passwd));
        let (texts, mut problems) = (&self.texts, Vec::new());
        for statement in self.layers.last_mut().into_iter().flat_map(|layer| &mut layer.statements) {
            let (Value::Path { .. }, Place::Written(span)) = (&statement.value, &statement.place) else {
                continue;
            };
            match with_account(&statement.words, account.known()) {
                Ok(None) => {}
                Ok(Some(words)) => statement.words = words.into(),
                Err(why) => {
                    let (key, words) = (quoted(statement.field.key), quoted(&statement.words));
                    let title = format!("{key} {words} says nothing sure");
                    let (label, help) = reasons(why, account);
                    problems.push(Diagnostic::error(title).at(texts, span, label).help(help));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Report(problems)) }
    }
}

fn reasons(why: Unsaid, account: &Account) -> (String, String) {
    match why {
        Unsaid::Callers(name) => (
            format!("{name} is the caller's to say, and a ceiling of the machine's does not rest on that"),
            "name the directory that holds all of them".into(),
        ),
        Unsaid::Nobody(name) => (
            format!("nobody says what {name} is: /etc/passwd has no HOME and name for user {}", account.uid),
            "nothing runs; write the path in full, or give this user a line in /etc/passwd".into(),
        ),
    }
}
