//! Standing files: the machine's ceilings, the user's ceiling and policy. Believed only if nobody else can write them.
//!
//! How that is judged is in `layers`.

use super::chain::{File, Start};
use super::{Layer, LayerKind, Loader, Part};
use crate::diagnostic::{Diagnostic, Report};
use crate::field;
use crate::layers::break_glass::{Allowance, Caller};
use crate::layers::guarded::{Directory, GuardedFile};
use crate::layers::places::{CEILING, CEILINGS, POLICY};
use crate::layers::signature::{self, Demand, PublicKey, SUFFIX};
use crate::read::Hears;
use crate::source::{Author, SourceId};
use crate::statement::{Place, Statement, Value};

impl Loader<'_> {
    /// `/etc/ringfence/ceiling.toml`, then `ceiling.d`.
    pub(super) fn machine_ceilings(&mut self) -> Result<(), Report> {
        let places = &self.places;
        let Some(machine) = places.machine.clone() else { return self.without_ceiling() };
        let Some(directory) = Directory::open(&places.machine_guard(), &machine)? else {
            return self.without_ceiling();
        };
        if let Some(file) = directory.read(CEILING)? {
            let signature = directory.read(&format!("{CEILING}{SUFFIX}"))?;
            self.first_ceiling = Some(SourceId(self.texts.len() as u32));
            self.machine_ceiling(file)?;
            self.keys = self.pinned_keys()?;
            self.check_last(signature, Demand::RightIfThere)?;
        }
        self.allowance = self.break_glass();
        let demand = if self.keys.is_empty() { Demand::RightIfThere } else { Demand::Signature };
        if let Some(further) = directory.below(CEILINGS)? {
            for name in further.names(".toml")? {
                let Some(file) = further.read(&name)? else { continue };
                let signature = further.read(&format!("{name}{SUFFIX}"))?;
                self.machine_ceiling(file)?;
                self.check_last(signature, demand)?;
            }
        }
        self.exception()
    }

    fn without_ceiling(&mut self) -> Result<(), Report> {
        match self.request.break_glass {
            Some(_) => self.exception(),
            None => Ok(()),
        }
    }

    fn machine_ceiling(&mut self, file: GuardedFile) -> Result<(), Report> {
        let name = file.path.display().to_string();
        let layer = format!("the machine's ceiling {name}");
        self.ceiling(file, (name, layer), Hears::Nothing)?;
        self.settle_account()
    }

    /// Refuses the file that was read last if its signature is wrong, or missing and demanded.
    fn check_last(&self, signature: Option<GuardedFile>, demand: Demand) -> Result<(), Report> {
        let Some(last) = self.texts.iter().rev().find(|source| source.author.is_ceiling()) else {
            return Ok(());
        };
        let signature = signature.as_ref().map(|file| file.text.as_str());
        signature::check(&last.name, &last.text, signature, (&self.keys, demand))?;
        Ok(())
    }

    /// The keys that the machine's first ceiling pins.
    fn pinned_keys(&self) -> Result<Vec<PublicKey>, Report> {
        let mut keys = Vec::new();
        for statement in self.ceiling_statements("signing.keys") {
            match (PublicKey::parse(&statement.words), &statement.place) {
                (Ok(key), _) => keys.push(key),
                (Err(why), Place::Written(span)) => {
                    let title = format!("`signing.keys` {why}");
                    return Err(Diagnostic::error(title).at(&self.texts, span, "no key").into());
                }
                (Err(why), Place::BuiltIn(_)) => return Err(Diagnostic::error(why).into()),
            }
        }
        Ok(keys)
    }

    fn ceiling_statements<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'b Statement> {
        let ceilings = self.layers.iter().filter(|layer| layer.kind == LayerKind::Ceiling);
        ceilings.flat_map(|layer| &layer.statements).filter(move |statement| statement.field.key == key)
    }

    /// What the machine's first ceiling says of exceptions.
    fn break_glass(&self) -> Option<Allowance> {
        let words = |key| self.ceiling_statements(key).map(|statement| statement.words.to_string()).collect();
        let users: Vec<String> = words("break_glass.users");
        let time =
            self.ceiling_statements("break_glass.time").last().map(|statement| match statement.value {
                Value::Duration(time) => time,
                _ => None,
            });
        (!users.is_empty()).then(|| Allowance {
            users,
            fields: words("break_glass.fields"),
            time: time.flatten(),
            audited: self.ceiling_statements("oversight.audit").next().is_some(),
        })
    }

    /// Takes what is lifted for this run out of the machine's first ceiling, if the caller asks for it and may.
    fn exception(&mut self) -> Result<(), Report> {
        let faults = self.allowance.as_ref().map(Allowance::faults).unwrap_or_default();
        if let Some(fault) = faults.first() {
            let span = self.ceiling_statements("break_glass.users").find_map(|first| match &first.place {
                Place::Written(span) => Some(span.clone()),
                Place::BuiltIn(_) => None,
            });
            let diagnostic = Diagnostic::error(fault.clone());
            return Err(match span {
                Some(span) => diagnostic.at(&self.texts, &span, "the exception is allowed for here").into(),
                None => diagnostic.into(),
            });
        }
        let Some(reason) = &self.request.break_glass else { return Ok(()) };
        let lifted = Allowance::ask(self.allowance.as_ref(), &Caller::current(), reason)?;
        let bound = self
            .ceiling_statements("break_glass.time")
            .last()
            .map(|time| Statement { field: field::known("limits.time"), ..time.clone() });
        // The layer of the machine's first ceiling, which allows for it: whoever wrote another one was not asked.
        if let (Some(_), Some(first)) = (self.first_ceiling, self.layers.first_mut()) {
            first.statements.retain(|statement| !lifted.lifts(statement.field.key));
        }
        let (kind, part, name) = (LayerKind::Ceiling, Part::Always, "the exception's time".to_owned());
        self.layers.push(Layer { kind, part, name, statements: bound.into_iter().collect() });
        self.lifted = Some(lifted);
        Ok(())
    }

    /// Refuses keys and exceptions that stand anywhere but in the machine's first ceiling: their author would believe in
    /// them, and nobody heed them.
    pub(super) fn refuse_what_is_the_machines(&self) -> Result<(), Report> {
        let ceilings = self.layers.iter().filter(|layer| layer.kind == LayerKind::Ceiling);
        let problems = ceilings.flat_map(|layer| &layer.statements).filter_map(|statement| {
            let Place::Written(span) = &statement.place else { return None };
            let (group, _) = field::group_and_name(statement.field.key);
            if !matches!(group, "signing" | "break_glass") || Some(span.source) == self.first_ceiling {
                return None;
            }
            let title = format!("`{}` does not count here", statement.field.key);
            let help = format!("it counts in the machine's first ceiling only, {CEILING} beside {CEILINGS}");
            Some(Diagnostic::error(title).at(&self.texts, span, "nobody would heed it").help(help))
        });
        match problems.collect::<Vec<_>>() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Report(problems)),
        }
    }

    /// `~/.config/ringfence/ceiling.toml`.
    pub(super) fn user_ceiling(&mut self) -> Result<(), Report> {
        let Some(file) = self.own_file(CEILING)? else { return Ok(()) };
        let name = self.name_of(&file.path);
        let layer = format!("your ceiling {name}");
        self.ceiling(file, (name, layer), Hears::NoVariables)
    }

    fn ceiling(
        &mut self,
        file: GuardedFile,
        (name, layer): (String, String),
        hears: Hears,
    ) -> Result<(), Report> {
        let start = Start {
            author: Author::Ceiling,
            part: Part::Always,
            layer,
            decides: false,
            hears,
            standing: true,
        };
        self.chain(File { name, path: file.path, text: file.text, asked: None }, start)?;
        Ok(())
    }

    /// `~/.config/ringfence/policy.toml`.
    pub(super) fn user_policy(&mut self) -> Result<(), Report> {
        let Some(file) = self.own_file(POLICY)? else { return Ok(()) };
        let name = self.name_of(&file.path);
        let layer = format!("your policy {name}");
        let hears = Hears::Caller;
        let start =
            Start { author: Author::User, part: Part::Always, layer, decides: false, hears, standing: true };
        self.chain(File { name, path: file.path, text: file.text, asked: None }, start)?;
        Ok(())
    }

    /// A file of `~/.config/ringfence`, if there is one.
    pub(super) fn own_file(&self, name: &str) -> Result<Option<GuardedFile>, Report> {
        let places = &self.places;
        let (Some(guard), Some(config)) = (places.user_guard(), places.user_config()) else {
            return Ok(None);
        };
        let (directory, name) = match name.rsplit_once('/') {
            Some((below, name)) => (config.join(below), name),
            None => (config, name),
        };
        match Directory::open(&guard, &directory)? {
            Some(directory) => Ok(directory.read(name)?),
            None => Ok(None),
        }
    }
}
