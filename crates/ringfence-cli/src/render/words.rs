//! Words that the summary of a run, its log and answers share: for what stood in the way, for changes and for limits.
//! Not their lines.

use ringfence_plan::{Barrier, Limit, Operation};

/// Things of a kind that a line for people names.
pub(super) const NAMED: usize = 3;

/// What stands for the others.
pub(super) const AND_MORE: &str = "and more, which --json lists";

/// The first of `parts`, each once.
pub(super) fn first(parts: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for part in parts {
        if !shown.contains(&part) {
            shown.push(part);
        }
    }
    if shown.len() > NAMED {
        shown.truncate(NAMED);
        shown.push(AND_MORE.into());
    }
    shown.join(", ")
}

/// What stood in the way, in words.
pub(super) fn barrier_name(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::NothingAllows => "no rule allows it",
        Barrier::Denied => "denied",
        Barrier::SpecialAddress => "leads to a private or special address",
        Barrier::OtherName => "the request named another host",
        Barrier::Malformed => "the request could be read in two ways",
        Barrier::HiddenName => "the client hid the server's name",
        Barrier::OnlyTcp => "only TCP is carried there",
        Barrier::OverBudget => "over the budget",
        Barrier::HttpRules => "the host's HTTP rules let other requests through",
        Barrier::TooLarge => "larger than the host's HTTP rules let it be",
        Barrier::Unnamed => "the client named no host, where HTTP rules speak of one",
        Barrier::Placeholder => "a credential's placeholder stood where it does not belong",
        Barrier::NoInspector => "the inspector is gone, which alone may carry it",
    }
}

/// A refused change in a word or two.
pub(crate) fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Write => "write",
        Operation::Rename => "rename",
        Operation::Remove => "remove",
        Operation::Attributes => "change attributes",
        Operation::Link => "link",
    }
}

pub(super) fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Memory => "memory",
        Limit::Processes => "process",
        Limit::Time => "time",
        Limit::Output => "output",
        Limit::Tmp => "temporary files",
    }
}
