//! Which variables pass.
//!
//! The caller's values are not looked at: a plan holds names.

use std::ffi::OsStr;

use ringfence_plan::{EnvPattern, RuleId};

use super::composer::Composer;
use super::fields::StatementId;
use crate::builtin::environment::{DANGEROUS, PASS, SECRET, SESSION, SET};
use crate::field;
use crate::statement::Value;

impl Composer<'_> {
    /// Composes `pass`, `set` and what never passes.
    pub(super) fn environment(&mut self) {
        self.base_environment();
        for id in self.written_for("environment.pass") {
            self.pass_written(id);
        }
        for id in self.written_for("environment.set") {
            if let Value::Set { name, value } = &self.statements[id as usize].value {
                self.set.insert(name.clone(), (value.clone(), id));
            }
        }
        self.denied_variables();
        // A refusal by name yields to whoever names that very variable; one by pattern does so in the plan.
        let named: Vec<&str> = self.pass.iter().map(|(name, _)| name.as_str()).collect();
        self.refuse.retain(|(pattern, _)| !named.contains(pattern));
    }

    /// Names that neither pass nor are set.
    pub(super) fn denied_variables(&mut self) {
        for id in self.written_for("environment.deny") {
            self.deny.push((self.statements[id as usize].words.to_string(), id));
        }
    }

    fn base_environment(&mut self) {
        let pass = field::known("environment.pass");
        for (name, why) in PASS {
            let id = self.built_in(pass, *name, Value::Variable, why);
            self.pass.push(((*name).to_owned(), id));
        }
        for variable in &self.surroundings.variables {
            let why = "it points at a tool-chain that is granted";
            let id = self.built_in(pass, variable.clone(), Value::Variable, why);
            self.pass.push((variable.clone(), id));
        }
        let classes = [
            (
                DANGEROUS,
                "variables that tell a program what to load or run",
                "never passed, not even by name",
            ),
            (SESSION, "sockets and displays of the caller's session", "passed only by their full name"),
            (SECRET, "credentials, by their usual names", "passed only by their full name"),
        ];
        for (names, words, why) in classes {
            let id = self.built_in(pass, words, Value::Refuse, why);
            self.refuse.extend(names.iter().map(|name| (*name, id)));
        }
        let set = field::known("environment.set");
        for (name, value, why) in SET {
            let (name, value) = ((*name).to_owned(), (*value).to_owned());
            let id = self.built_in(set, "", Value::Set { name: name.clone(), value: value.clone() }, why);
            self.set.insert(name, (value, id));
        }
        let (name, value) = ("HOME".to_owned(), self.context.home.to_string());
        let told = Value::Set { name: name.clone(), value: value.clone() };
        let id = self.built_in(set, "", told, "the private one, at its usual place");
        self.set.insert(name, (value, id));
    }

    fn pass_written(&mut self, id: StatementId) {
        let statement = &self.statements[id as usize];
        let name = statement.words.to_string();
        let in_full = !name.contains('*');
        if in_full && matches_any(DANGEROUS, &name) {
            let help = format!(
                "if the command needs it, write its value out: [environment] set = {{ {name} = \"…\" }}"
            );
            return self.problem(id, "never passes", "it tells a program what to load or run", Some(help));
        }
        self.pass.push((name, id));
    }
}

fn matches_any(patterns: &[&str], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| EnvPattern { name: (*pattern).to_owned(), rule: RuleId(0) }.matches(OsStr::new(name)))
}
