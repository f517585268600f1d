//! Which variables pass.
//!
//! The caller's values are not looked at: a plan holds names.

use std::ffi::OsStr;

use ringfence_plan::{EnvPattern, RuleId};

use super::{Composer, StatementId};
use crate::builtin::environment::{DANGEROUS, PASS, SECRET, SESSION, SET};
use crate::diagnostic::{Diagnostic, quoted};
use crate::field;
use crate::source::Author;
use crate::statement::Value;

impl Composer {
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
        // A refusal by name yields to whoever names that very variable; one by pattern does so in the plan.
        let named: Vec<&str> = self.pass.iter().map(|(name, _)| name.as_str()).collect();
        self.refuse.retain(|(pattern, _)| !named.contains(pattern));
    }

    fn base_environment(&mut self) {
        let pass = field::known("environment.pass");
        for (name, why) in PASS {
            let id = self.built_in(pass, *name, Value::Variable, why);
            self.pass.push(((*name).to_owned(), id));
        }
        for variable in std::mem::take(&mut self.variables) {
            let id =
                self.built_in(pass, variable, Value::Variable, "it points at a tool-chain that is granted");
            self.pass.push((variable.to_owned(), id));
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
        let author = self.author(statement);
        let in_full = !name.contains('*');
        if in_full && matches_any(DANGEROUS, &name) {
            let help = format!(
                "if the command needs it, write its value out: [environment] set = {{ {name} = \"…\" }}"
            );
            return self.problem(id, "never passes", "it tells a program what to load or run", Some(help));
        }
        if in_full && author == Author::Project && (matches_any(SECRET, &name) || matches_any(SESSION, &name))
        {
            let title = format!("`environment.pass` {} has no effect", quoted(&name));
            let warning = self.point(
                Diagnostic::warning(title),
                id,
                "not passed: it looks like a credential or a socket",
            );
            let help = format!("a policy found in a project cannot ask for it; you can, with --env {name}");
            return self.warnings.push(warning.help(help));
        }
        self.pass.push((name, id));
    }
}

fn matches_any(patterns: &[&str], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| EnvPattern { name: (*pattern).to_owned(), rule: RuleId(0) }.matches(OsStr::new(name)))
}
