//! What only a ceiling does: what it does not speak of is unbounded, what it lists is all there can be.
//!
//! Statements are read as those of a policy are.

use ringfence_plan::{AbsPath, Access, ProxyServer};

use super::composer::Composer;
use crate::builtin::environment::PASS;
use crate::discover::Found;
use crate::field;
use crate::settle::{Claim, Hide};
use crate::source::Author;
use crate::statement::Value;

impl Composer<'_> {
    /// Refuses what could only grant.
    pub(super) fn refuse_what_grants(&mut self) {
        for key in ["filesystem.workspace", "environment.set", "network.credential"] {
            for id in self.written_for(key) {
                let help = match key {
                    "filesystem.workspace" => {
                        "to bound where a project may lie, list the directories in `write`"
                    }
                    "network.credential" => "say it in ~/.config/ringfence/policy.toml",
                    _ => "to keep a variable out, list it in `deny`",
                };
                self.problem(id, "is not for a ceiling", "a ceiling only narrows", Some(help.into()));
            }
        }
        for id in self.written_for("network.proxy") {
            if self.statements[id as usize].value == Value::Proxy(ProxyServer::Environment) {
                let help = "name the proxy, as in proxy = \"http://proxy.example.org:3128\"";
                let label = "the caller's variables would move it, or leave it out";
                self.problem(id, "is not for a ceiling", label, Some(help.into()));
            }
        }
    }

    /// The claims that bound files: what is listed and what every command reads; or everything, where nothing is listed.
    pub(super) fn bound_files(&mut self) {
        let lists = ["filesystem.read", "filesystem.write", "filesystem.private"];
        let bounds = lists.iter().any(|key| !self.written_for(key).is_empty());
        if !bounds {
            let field = field::known("filesystem.write");
            let why = "this ceiling bounds no files";
            let statement = self.built_in(field, "/", Value::Path { optional: Some(true) }, why);
            let (path, access) = (AbsPath::root(), Access::Write);
            let (author, hide) = (Author::BuiltIn, Hide::No);
            self.claims.push(Claim { path, access, optional: true, author, hide, statement });
            return;
        }
        let surroundings = self.surroundings;
        // Not what PATH names: the caller sets it, and would widen the ceiling by it.
        for Found { path, access, why } in &surroundings.system {
            self.base_claim(path.clone(), *access, why);
        }
    }

    /// The names that may pass at most, and those that never do.
    pub(super) fn bound_environment(&mut self) {
        let bounds = self.written_for("environment.pass");
        if !bounds.is_empty() {
            let spec = field::known("environment.pass");
            for (name, why) in PASS {
                let id = self.built_in(spec, *name, Value::Variable, why);
                self.pass.push(((*name).to_owned(), id));
            }
            for id in bounds {
                self.pass.push((self.statements[id as usize].words.to_string(), id));
            }
        }
        self.denied_variables();
    }
}
