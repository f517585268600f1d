//! The smallest change that would turn an answer round, as the very line and the very flags.
//!
//! Nothing is written. A test puts each suggestion to use and sees that it does what it says and no more.

use ringfence_plan::{Origin, Plan};

use super::{Because, Cited, Decision, Question, Verdict};
use crate::field;
use crate::{Stage, StageKind, Void};

mod environment;
mod files;
mod network;
mod text;

/// A change of the policy.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    /// What the answer would be then.
    pub to: Outcome,
    /// Who can make it.
    #[serde(flatten)]
    pub by: By,
    /// What has to be done, all of it. Where a rule is taken out or a hidden place lifted, another
    /// rule that stood in its shadow may speak up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The flags that do the same for one run, fit for a shell; absent where flags cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// What one should know before, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What an answer turns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes.
    Allow,
    /// No.
    Refuse,
}

/// Who can make a change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum By {
    /// Whoever runs the command, in a policy or by flags.
    You,
    /// Whoever started the sandbox around this one.
    Starter,
    /// Whoever owns the ceiling.
    Owner {
        /// The ceiling.
        ceiling: String,
    },
    /// Nobody.
    Nobody {
        /// Completes "nothing changes that: …".
        why: String,
    },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Adding a line to a policy. Where the file has that list already, its entries join it.
    Add {
        /// The table, without brackets.
        table: &'static str,
        /// The line, in TOML.
        line: String,
    },
    /// Taking a rule out.
    Remove {
        /// The rule.
        rule: Cited,
    },
    /// `ringfence policy trust`: the project's policy asks for it.
    Trust,
}

/// What would turn the answer round.
pub(super) fn change(decided: &[(&Stage, Decision)], question: &Question, void: &[Void]) -> Option<Change> {
    let verdict = decided.iter().map(|(_, decision)| decision.verdict).min()?;
    let of = |kind: StageKind| decided.iter().find(|(stage, _)| stage.kind == kind);
    if verdict == Verdict::Allowed {
        let (stage, _) = of(StageKind::Grants).or_else(|| of(StageKind::Parent)).or(decided.first())?;
        return to_refuse(stage, question);
    }
    if let Some(why) = never(decided, question) {
        return Some(Change::new(Outcome::Allow, By::Nobody { why }));
    }
    // Less than the whole verdict is to be lifted: a private copy is no refusal, but it is no `yes` either.
    let refusing: Vec<&(&Stage, Decision)> =
        decided.iter().filter(|(_, decision)| decision.verdict < Verdict::Allowed).collect();
    if let Some((stage, _)) = refusing.iter().find(|(stage, _)| stage.kind == StageKind::Ceiling) {
        return Some(Change::new(Outcome::Allow, By::Owner { ceiling: stage.name.clone() }));
    }
    let suggestions: Vec<(StageKind, Suggestion)> =
        refusing.iter().map(|(stage, _)| (stage.kind, to_allow(stage, question, void))).collect();
    if let Some(why) = suggestions.iter().find_map(|(_, suggestion)| suggestion.never.clone()) {
        return Some(Change::new(Outcome::Allow, By::Nobody { why }));
    }
    let trusted_is_enough =
        of(StageKind::Untrusted).is_some_and(|(_, decision)| decision.verdict == Verdict::Allowed);
    let own_word = refusing.iter().all(|(stage, _)| stage.kind == StageKind::Grants);
    let starter = suggestions.iter().any(|(kind, _)| *kind == StageKind::Parent);
    let mut change = Change::new(Outcome::Allow, if starter { By::Starter } else { By::You });
    if starter && suggestions.len() > 1 {
        change.notes.push("what is refused here by your own policy as well is yours to change".into());
    }
    let mut flags = Some(String::new());
    for (_, Suggestion { steps, flags: own, notes, never: _ }) in suggestions {
        let new: Vec<Step> = steps.into_iter().filter(|step| !change.steps.contains(step)).collect();
        change.steps.extend(new);
        flags =
            flags.zip(own).map(|(known, own)| if known.contains(&own) { known } else { join(&known, &own) });
        change
            .notes
            .extend(notes.into_iter().filter(|note| !change.notes.contains(note)).collect::<Vec<_>>());
    }
    if trusted_is_enough && own_word {
        change.steps = vec![Step::Trust];
    }
    change.flags = flags.filter(|flags| !flags.is_empty());
    Some(change)
}

impl Change {
    fn new(to: Outcome, by: By) -> Change {
        Change { to, by, steps: Vec::new(), flags: None, notes: Vec::new() }
    }
}

/// What one stage says, and what it says in vain.
struct Said<'a> {
    plan: &'a Plan,
    void: &'a [Void],
}

/// What one stage would need.
#[derive(Debug, Default)]
struct Suggestion {
    steps: Vec<Step>,
    /// `None` where a flag cannot do it.
    flags: Option<String>,
    notes: Vec<String>,
    never: Option<String>,
}

impl Suggestion {
    fn never(why: impl Into<String>) -> Suggestion {
        Suggestion { never: Some(why.into()), ..Suggestion::default() }
    }

    /// Whether this rule is taken out.
    fn removes(&self, text: &str, origin: &Origin) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::Remove { rule } if rule.text == text && rule.origin == *origin))
    }

    /// With a rule taken out, which no flag does.
    fn remove(&mut self, rule: Option<Cited>) {
        self.flags = None;
        let step = rule.map(|rule| Step::Remove { rule });
        self.steps.extend(step.filter(|step| !self.steps.contains(step)));
    }

    /// With a line of the field `key`: its value in TOML, and as the value of a flag.
    fn add(&mut self, key: &'static str, value: &str, flag_value: &str) {
        let spec = field::known(key);
        let (table, name) = field::group_and_name(spec.key);
        self.steps.push(Step::Add { table, line: format!("{name} = {value}") });
        let flag = spec.flag.map(|flag| format!("{flag} {}", text::for_shell(flag_value)));
        let known = self.flags.take();
        self.flags = known.zip(flag).map(|(known, flag)| join(&known, &flag));
    }

    /// Nothing to do yet, and flags would do.
    fn begin() -> Suggestion {
        Suggestion { flags: Some(String::new()), ..Suggestion::default() }
    }
}

fn join(one: &str, other: &str) -> String {
    if one.is_empty() || other.is_empty() { format!("{one}{other}") } else { format!("{one} {other}") }
}

fn to_allow(stage: &Stage, question: &Question, void: &[Void]) -> Suggestion {
    let said = Said { plan: &stage.plan, void: if stage.kind == StageKind::Grants { void } else { &[] } };
    match question {
        Question::Read(path) => files::to_read(&said, path),
        Question::Write(path) => files::to_write(&said, path),
        Question::Connect { .. } => network::to_allow(&stage.plan, question),
        Question::Request { .. } => network::to_let_through(&stage.plan, question),
        Question::Env(name) => environment::to_allow(&stage.plan, name),
    }
}

fn to_refuse(stage: &Stage, question: &Question) -> Option<Change> {
    let suggestion = match question {
        Question::Read(path) => files::to_refuse_reading(&stage.plan, path),
        Question::Write(path) => files::to_refuse_writing(&stage.plan, path),
        Question::Connect { .. } => network::to_refuse(question),
        // That takes naming what else may be asked.
        Question::Request { .. } => None,
        Question::Env(name) => environment::to_refuse(name),
    };
    let Suggestion { steps, flags, notes, never: _ } = suggestion?;
    let by = if stage.kind == StageKind::Parent { By::Starter } else { By::You };
    let flags = flags.filter(|flags| !flags.is_empty());
    Some(Change { to: Outcome::Refuse, by, steps, flags, notes })
}

/// Why nothing in any policy changes a refusal.
fn never(decided: &[(&Stage, Decision)], question: &Question) -> Option<String> {
    let floor = decided.iter().any(|(_, decision)| decision.because == Because::Floor);
    match question {
        Question::Read(path) | Question::Write(path) if floor => {
            let own = super::files::own_place(path, &decided.first()?.0.plan.files.home)?;
            Some(format!("it holds {}, and whoever could change them could change the fence", own.why))
        }
        Question::Connect { .. } | Question::Request { .. } if floor => {
            Some("it is no address of the internet, nor one that a rule can name".into())
        }
        _ => None,
    }
}
