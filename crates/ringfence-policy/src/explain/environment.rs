//! What a plan says of a variable, with every rule that speaks of it.
//!
//! No value is told: it may be a secret.

use ringfence_plan::{EnvPattern, Environment, Passage, Plan, RuleId};

use super::{Because, Decision, Lost, Verdict};
use crate::builtin::environment::DANGEROUS;

/// Whether the variable `name` is there.
pub(super) fn decide(plan: &Plan, name: &str) -> Decision {
    let environment = &plan.environment;
    let (passage, rule) = environment.decide(name.as_ref());
    let (verdict, because) = match passage {
        Passage::Passes => (Verdict::Allowed, Because::Granted),
        Passage::Set => (Verdict::Allowed, Because::Set),
        Passage::Denied => (Verdict::Refused, Because::Denied),
        Passage::OutOfBounds => (Verdict::Refused, Because::Bound),
        _ if is_dangerous(name) => (Verdict::Refused, Because::Dangerous),
        Passage::Refused => (Verdict::Refused, Because::Kept),
        Passage::NotNamed | Passage::NoName => (Verdict::Refused, Because::NotPassed),
    };
    let mut decision = Decision::new(verdict, because, rule.or_else(|| refusal(environment, name, because)));
    decision.lost = lost(environment, name, &decision);
    decision
}

/// Whether `name` never passes, whoever asks for it.
pub(super) fn is_dangerous(name: &str) -> bool {
    let matches =
        |pattern: &&str| EnvPattern { name: (*pattern).to_owned(), rule: RuleId(0) }.matches(name.as_ref());
    DANGEROUS.iter().any(matches)
}

/// The line that keeps a dangerous variable away, where nothing asked for it.
fn refusal(environment: &Environment, name: &str, because: Because) -> Option<RuleId> {
    let refuses = |pattern: &&EnvPattern| pattern.matches(name.as_ref());
    (because == Because::Dangerous)
        .then(|| environment.refuse.iter().find(refuses).map(|pattern| pattern.rule))?
}

fn lost(environment: &Environment, name: &str, decision: &Decision) -> Vec<(RuleId, Lost)> {
    let of = |list: &[EnvPattern], why: Lost| -> Vec<(RuleId, Lost)> {
        let speaks = list.iter().filter(|pattern| pattern.matches(name.as_ref()));
        speaks.map(|pattern| (pattern.rule, why)).filter(|(rule, _)| Some(*rule) != decision.rule).collect()
    };
    let set = || environment.set.get(name).map(|(_, rule)| (*rule, Lost::DenyWins));
    match decision.because {
        Because::Denied => [of(&environment.deny, Lost::Same), of(&environment.pass, Lost::DenyWins)]
            .concat()
            .into_iter()
            .chain(set())
            .collect(),
        Because::Kept | Because::Dangerous => of(&environment.pass, Lost::Pattern),
        Because::Bound => of(&environment.pass, Lost::Ceiling),
        Because::Set => of(&environment.pass, Lost::Set),
        Because::Granted => of(&environment.pass, Lost::Same),
        _ => Vec::new(),
    }
}
