//! The policy that counts, for `ringfence policy show`.
//! Not what holds it: that is `plan`.

use ringfence_plan::{Plan, Rule};
use ringfence_policy::Composed;
use serde_json::json;

use super::difference;
use super::escape::escape;
use super::plan;
use super::style::{Meaning, Style};
use super::table::{Cell, table};
use crate::commands::policy::{Taken, stages};

/// For people.
pub(crate) fn as_text(composed: &Composed, plan: &Plan, taken: &[Taken], style: Style) -> String {
    let mut text = String::new();
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            let separator = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{separator}{}\n{body}", style.paint(Meaning::Title, title)));
        }
    };
    section("Presets", presets(composed, style));
    section("Policy files", composed.files().map(|file| format!("  {}\n", escape(file))).collect());
    section("Files", plan::files(plan, &[], style));
    section("Protected: readable, never created, changed, renamed or removed", plan::protected(plan, style));
    section("Environment", plan::environment(plan, style));
    section("Single values", singles(plan, style));
    section("Network, beside its hosts", plan::beside_hosts(plan, style));
    for Taken { stage, changes } in taken.iter().filter(|taken| !taken.changes.is_empty()) {
        section(&format!("Taken away by {}", escape(stage)), difference::rows(changes, style));
    }
    text
}

/// The presets that take part, and why.
pub(crate) fn presets(composed: &Composed, style: Style) -> String {
    let rows = composed
        .presets()
        .iter()
        .map(|chosen| vec![Cell::plain(escape(&chosen.name)), Cell::of(Meaning::Faint, escape(&chosen.why))]);
    table(&rows.collect::<Vec<_>>(), style)
}

/// The same for programs.
pub(crate) fn presets_as_json(composed: &Composed) -> serde_json::Value {
    composed.presets().iter().map(|chosen| json!({ "name": chosen.name, "why": chosen.why })).collect()
}

/// The same on one line; nothing where there are none.
pub(crate) fn line(composed: &Composed) -> String {
    let presets = composed.presets().iter().map(|chosen| format!("{} ({})", chosen.name, chosen.why));
    match presets.collect::<Vec<_>>().join(", ") {
        presets if presets.is_empty() => presets,
        presets => format!("Presets: {}\n", escape(&presets)),
    }
}

/// Changes that the line about an untrusted policy names.
const NAMED: usize = 3;

/// One line about a project's policy that is not trusted; nothing where there is none, or where it asks for nothing.
pub(crate) fn untrusted(composed: &Composed, style: Style) -> String {
    let Some(unsettled) = composed.unsettled() else { return String::new() };
    let wanted = stages::withheld(composed);
    if wanted.is_empty() {
        return String::new();
    }
    let mut asks: Vec<_> =
        wanted.iter().take(NAMED).map(|change| format!("{} ({})", change.subject, change.after)).collect();
    if wanted.len() > NAMED {
        asks.push(format!("{} more", wanted.len() - NAMED));
    }
    let again =
        if unsettled.before.is_some() { "has changed since you trusted it" } else { "is not trusted" };
    format!(
        "{} {} {again}, so it only narrows; it asks for {}: ringfence policy trust\n",
        style.paint(Meaning::Warning, "ringfence:"),
        escape(&unsettled.name),
        escape(&asks.join(", ")),
    )
}

/// Network, limits and what else has one value: the rules that say so.
fn singles(plan: &Plan, style: Style) -> String {
    let Plan { files: _, environment: _, network, limits, processes, containment, oversight, rules: _ } =
        plan;
    let mut ids = vec![network.rule];
    ids.extend(network.allow.iter().chain(&network.deny).map(|rule| rule.rule));
    ids.extend(limits.rules.values().copied());
    ids.extend([processes.rule, containment.rule, oversight.rule]);
    ids.extend(oversight.audit.iter().map(|audit| audit.rule));
    ids.dedup();
    let rows = ids.into_iter().map(|id| row(plan.rule(id)));
    table(&rows.collect::<Vec<_>>(), style)
}

fn row(rule: &Rule) -> Vec<Cell> {
    vec![Cell::plain(escape(&rule.text)), Cell::of(Meaning::Faint, escape(&rule.origin.to_string()))]
}
