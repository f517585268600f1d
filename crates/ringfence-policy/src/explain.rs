//! Why something is allowed or refused: the verdict, the rule that decides, what lost to it, and the smallest change.
//!
//! Not a second opinion: what counts is what the plans say. Nothing is looked up, symlinks are not followed.
//!
//! # As data
//!
//! An [`Answer`] serializes with these names, which stay: `question` (`ask` and `path`, `endpoint`, `request` or `name`),
//! `verdict`, `because`, `words`, `rule`, `stage`, `shadowed` (each with `rule`, `stage`, `lost`), `notes`, `change`
//! (`to`, `by`, `steps`, `flags`, `notes`). A rule is `text`, `origin` and perhaps `reason`.

use ringfence_plan::{AbsPath, Origin, Plan, Protocol, RequestPath, Rule, RuleId, Target};

use crate::{Stage, StageKind, Void};

mod change;
mod environment;
mod files;
mod network;
mod question;
mod render;
#[cfg(test)]
mod tests;
mod words;

pub use change::{By, Change, Outcome, Step};
pub use render::{Line, Tone};

/// At most this many rules that lost are told.
const MOST: usize = 12;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Reading this file, or listing this directory.
    Read(AbsPath),
    /// Creating, changing, renaming or removing this.
    Write(AbsPath),
    /// Connecting there.
    Connect {
        /// The host.
        host: Target,
        /// The port.
        port: u16,
        /// Over which protocol.
        protocol: Protocol,
    },
    /// Making this request there.
    Request {
        /// The host.
        host: Target,
        /// The port.
        port: u16,
        /// The method.
        method: String,
        /// The path.
        path: RequestPath,
    },
    /// Having the caller's variable of this name.
    Env(String),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Answer {
    /// To what.
    pub question: Question,
    /// Yes or no.
    pub verdict: Verdict,
    /// Why, as a word for programs.
    pub because: Because,
    /// The same for people; completes "because …".
    pub words: String,
    /// The rule that decides, where there is one: what nobody grants no rule refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cited>,
    /// Whose word it is.
    pub stage: String,
    /// Rules that speak of it too, and did not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadowed: Vec<Shadowed>,
    /// What one should know beside it, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What would turn the answer round, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No.
    Refused,
    /// Yes, but in a copy that goes when the run ends.
    Private,
    /// Yes.
    Allowed,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A rule grants it.
    Granted,
    /// It is granted for reading only.
    ReadOnly,
    /// Nothing grants it.
    NotGranted,
    /// A rule denies it.
    Denied,
    /// Its name is protected.
    Protected,
    /// The base hides it.
    Hidden,
    /// No policy can grant it.
    Floor,
    /// There is no network.
    NoNetwork,
    /// The network's rules do not name it.
    NotInRules,
    /// No rule over requests lets it through to that host.
    RequestRefused,
    /// Nothing names the variable.
    NotPassed,
    /// The variable tells programs what to run, so it never passes.
    Dangerous,
    /// The variable looks like a credential or a socket, so no pattern lets it through.
    Kept,
    /// The policy gives the variable a value of its own.
    Set,
    /// A ceiling does not include it.
    Bound,
}

/// A rule, with where it stands and why it is there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cited {
    /// The rule in the words of the policy language.
    pub text: String,
    /// Who said so.
    pub origin: Origin,
    /// The reason that stands beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A rule that speaks of the same and did not count.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Shadowed {
    /// The rule.
    pub rule: Cited,
    /// Whose word it is.
    pub stage: String,
    /// Why it did not count.
    pub lost: Lost,
}

/// Why a rule did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// A deny wins over everything at and below its path.
    DenyWins,
    /// The rule of a deeper path counts.
    Deeper,
    /// Of two on one path the stricter counts.
    Stricter,
    /// Protected names hold in every writable tree.
    Protected,
    /// What another author allows a ceiling can refuse.
    Ceiling,
    /// The project's policy allows it, and is not trusted.
    Untrusted,
    /// The project's policy is not trusted, so it can only refuse, which it does.
    Narrowed,
    /// It speaks of the internet at large, and not of what is near this machine.
    Far,
    /// It speaks of other requests to the same host.
    OtherRequests,
    /// A pattern does not reach what is kept back from patterns.
    Pattern,
    /// The value that the policy sets comes first.
    Set,
    /// It says the same; one is enough.
    Same,
}

/// Answers `question` from the plans of `stages`, which all have to agree, and the grants that were `void` already
/// when they were made. One stage and nothing void will do.
///
/// # Panics
/// If there is no stage.
pub fn why(stages: &[Stage], void: &[Void], question: &Question) -> Answer {
    let mut ordered: Vec<&Stage> = stages.iter().collect();
    ordered.sort_by_key(|stage| authority(stage.kind));
    let mut decided: Vec<(&Stage, Decision)> =
        ordered.into_iter().map(|stage| (stage, decide(stage, question))).collect();
    what_is_set_needs_no_passing(&mut decided);
    network::keep_back(&mut decided, question);
    // The strictest counts; of several as strict the one with most authority, or the first grant that says yes.
    let least = decided.iter().map(|(_, decision)| decision.verdict).min().unwrap_or(Verdict::Refused);
    let counts = |(stage, decision): &&(&Stage, Decision)| {
        let speaks = stage.kind == StageKind::Grants || decision.because == Because::Set;
        decision.verdict == least && (least != Verdict::Allowed || speaks)
    };
    let (stage, decision) = decided.iter().find(counts).unwrap_or(&decided[0]);
    let (plan, because) = (&stage.plan, decision.because);
    let mut notes = decision.notes.clone();
    notes.extend(words::place(question, plan, (least, because)));
    Answer {
        question: question.clone(),
        verdict: least,
        because,
        words: words::because(because, question).to_owned(),
        rule: decision.rule.and_then(|id| cite(plan, id)),
        stage: stage.name.clone(),
        shadowed: shadowed(&decided, stage, void, question),
        notes,
        change: change::change(&decided, question, void),
    }
}

/// What one stage says.
#[derive(Debug)]
struct Decision {
    verdict: Verdict,
    because: Because,
    rule: Option<RuleId>,
    lost: Vec<(RuleId, Lost)>,
    notes: Vec<String>,
}

impl Decision {
    fn new(verdict: Verdict, because: Because, rule: Option<RuleId>) -> Decision {
        Decision { verdict, because, rule, lost: Vec::new(), notes: Vec::new() }
    }
}

/// Who can lift whose word, most authority first.
fn authority(kind: StageKind) -> u8 {
    match kind {
        StageKind::Ceiling => 0,
        StageKind::Parent => 1,
        StageKind::Grants => 2,
        StageKind::Untrusted => 3,
    }
}

fn decide(stage: &Stage, question: &Question) -> Decision {
    let Stage { plan, kind, .. } = stage;
    let mut decision = match question {
        Question::Read(path) => files::read(plan, path),
        Question::Write(path) => files::write(plan, path),
        Question::Connect { host, port, protocol } => network::decide(plan, host, *port, *protocol),
        Question::Request { host, port, method, path } => {
            network::request(plan, (host, *port), (method, path))
        }
        Question::Env(name) => environment::decide(plan, name),
    };
    let absent = matches!(decision.because, Because::NotGranted | Because::NotPassed | Because::NotInRules);
    if *kind == StageKind::Ceiling && absent {
        decision.because = Because::Bound;
    }
    decision
}

/// A value of some author's own is nothing of the caller's: only a deny keeps it away.
fn what_is_set_needs_no_passing(decided: &mut [(&Stage, Decision)]) {
    if decided.iter().any(|(_, decision)| decision.because == Because::Set) {
        for (_, decision) in decided.iter_mut().filter(|(_, decision)| decision.because != Because::Denied) {
            decision.verdict = Verdict::Allowed;
        }
    }
}

fn shadowed(
    decided: &[(&Stage, Decision)],
    deciding: &Stage,
    void: &[Void],
    question: &Question,
) -> Vec<Shadowed> {
    let mut found: Vec<Shadowed> = Vec::new();
    let verdict =
        |stage: &Stage| decided.iter().find(|(one, _)| std::ptr::eq(*one, stage)).map(|(_, d)| d.verdict);
    let own = verdict(deciding);
    for (stage, decision) in decided {
        let Stage { name, plan, kind } = stage;
        let mut say = |id: RuleId, lost: Lost| {
            if let Some(rule) = cite(plan, id) {
                found.push(Shadowed { rule, stage: name.clone(), lost });
            }
        };
        let overruled = match (kind, deciding.kind) {
            (StageKind::Untrusted, StageKind::Grants) => Some(Lost::Untrusted),
            (StageKind::Grants, StageKind::Untrusted) => Some(Lost::Narrowed),
            (StageKind::Grants | StageKind::Untrusted, _) => Some(Lost::Ceiling),
            (StageKind::Ceiling | StageKind::Parent, _) => None,
        };
        if let (Some(id), Some(lost), true) = (decision.rule, overruled, Some(decision.verdict) > own) {
            say(id, lost);
        }
        if std::ptr::eq(*stage, deciding) {
            // That a ceiling does not bound what it does not speak of goes without saying.
            let silent = |id: &RuleId| *kind == StageKind::Ceiling && is_built_in(plan, *id);
            decision.lost.iter().filter(|(id, _)| !silent(id)).for_each(|(id, lost)| say(*id, *lost));
        }
    }
    if let Question::Read(path) | Question::Write(path) = question {
        let speaks = void.iter().filter(|void| path.is_within(&void.path));
        found.extend(speaks.map(|Void { path: _, text, origin, by, by_origin: _ }| {
            let lost = if by.starts_with("filesystem.deny") { Lost::DenyWins } else { Lost::Stricter };
            let rule = cited(&Rule { text: text.clone(), origin: origin.clone() });
            Shadowed { rule, stage: deciding.name.clone(), lost }
        }));
    }
    let mut seen = Vec::new();
    found.retain(|one| {
        let new = !seen.contains(&one.rule);
        seen.push(one.rule.clone());
        new
    });
    found.truncate(MOST);
    found
}

/// The rule behind `id`; a plan that was read from outside may lack it.
fn cite(plan: &Plan, id: RuleId) -> Option<Cited> {
    plan.rules.get(id.0 as usize).map(cited)
}

fn is_built_in(plan: &Plan, id: RuleId) -> bool {
    plan.rules.get(id.0 as usize).is_some_and(|rule| matches!(rule.origin, Origin::BuiltIn(_)))
}

fn cited(Rule { text, origin }: &Rule) -> Cited {
    let reason = match origin {
        Origin::BuiltIn(why) | Origin::Preset { why, .. } => Some(why.clone()),
        Origin::File { why, .. } => why.clone(),
        Origin::Flag(_) => None,
    };
    Cited { text: text.clone(), origin: origin.clone(), reason: reason.filter(|why| !why.is_empty()) }
}
