//! Every suggestion, put to use: the verdict turns, and nothing is granted but what it names.

use proptest::prelude::*;
use ringfence_plan::Plan;

use super::plans::{decides, policy, questions, stages};
use super::*;

/// The text with the steps done: lines joined to their lists, rules taken out of them.
fn applied(text: &str, steps: &[Step]) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for step in steps {
        match step {
            Step::Remove { rule } => remove(&mut lines, rule)?,
            Step::Add { table, line } => add(&mut lines, table, line),
            Step::Trust => return None,
        }
    }
    Some(lines.join("\n"))
}

fn remove(lines: &mut [String], rule: &Cited) -> Option<()> {
    let Origin::File { line, .. } = &rule.origin else { return None };
    let line = &mut lines[*line as usize - 1];
    let (key, value) = rule.text.split_once(" = ").unwrap();
    if key == "network.mode" {
        *line = String::new();
        return Some(());
    }
    let (name, list) = line.split_once(" = ").unwrap();
    let entries: Vec<&str> =
        list.trim_matches(['[', ']']).split(", ").filter(|entry| *entry != value).collect();
    assert!(entries.join(", ").len() + 2 < list.len(), "{value} stands in {line}");
    *line = format!("{name} = [{}]", entries.join(", "));
    Some(())
}

fn add(lines: &mut Vec<String>, table: &str, line: &str) {
    let (name, value) = line.split_once(" = ").unwrap();
    let start = lines.iter().position(|line| *line == format!("[{table}]")).unwrap();
    let known = lines[start + 1..].iter().position(|line| line.starts_with(&format!("{name} = ")));
    match known.map(|at| start + 1 + at) {
        Some(at) if value.starts_with('[') => {
            let list = lines[at].trim_end_matches(']').to_owned();
            let comma = if list.ends_with('[') { "" } else { ", " };
            lines[at] = format!("{list}{comma}{}", &value[1..]);
        }
        Some(at) => lines[at] = line.to_owned(),
        None => lines.insert(start + 1, line.to_owned()),
    }
}

/// The plan with the change made. Where a rule goes, another one that stood in its shadow may speak up; then the next
/// answer is followed too. A line that is added is enough at once.
fn followed(text: &str, question: &Question, change: &Change) -> Option<Plan> {
    // A grant that repeats the one above it is in no plan, nor is a deny below a hidden place.
    let lifts = change.notes.iter().any(|note| note.starts_with("this opens all of"));
    let repeats = lifts || matches!(question, Question::Write(path) if text.contains(&format!("\"{path}\"")));
    let (mut text, mut steps, to) = (text.to_owned(), change.steps.clone(), change.to);
    for _ in 0..4 {
        text = applied(&text, &steps)?;
        let (stages, void) =
            stages(&text).unwrap_or_else(|| panic!("{question}: {steps:?} makes no policy:\n{text}"));
        let answer = why(&stages, &void, question);
        let uncovers = repeats || steps.iter().any(|step| matches!(step, Step::Remove { .. }));
        steps = answer.change.map_or(Vec::new(), |change| change.steps);
        if answer.verdict == Verdict::Allowed || !uncovers || to == Outcome::Refuse {
            return stages.into_iter().next().map(|stage| stage.plan);
        }
    }
    panic!("{question}: no end of changes to\n{text}");
}

/// What a suggestion to allow may grant: what it names.
fn names(steps: &[Step], path: &AbsPath) -> bool {
    steps.iter().any(|step| {
        let Step::Add { table: "filesystem", line } = step else { return false };
        let (_, list) = line.split_once(" = ").unwrap();
        let text = list.trim_matches(['[', ']', '"']).replace('~', "/home/u");
        path.is_within(&abs(&text))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_suggested_line_turns_the_verdict_and_grants_nothing_else(
        text in policy(""),
        questions in questions(),
    ) {
        let Some((before, void)) = stages(&text) else { return Ok(()) };
        for question in &questions {
            let answer = why(&before, &void, question);
            let Some(change) = answer.change.filter(|change| change.by == By::You) else { continue };
            let wanted = match change.to {
                Outcome::Allow => Verdict::Allowed,
                Outcome::Refuse => Verdict::Refused,
            };
            let Some(after) = followed(&text, question, &change) else { continue };
            let verdict = decides(&after, question);
            prop_assert_eq!(verdict, wanted, "{}: {:?}\n{}", question, change, text);
            let only_adds = change.steps.iter().all(|step| matches!(step, Step::Add { .. }));
            for other in questions.iter().filter(|_| only_adds && change.to == Outcome::Allow) {
                let (was, is) = (decides(&before[0].plan, other), decides(&after, other));
                let meant = match (question, other) {
                    (_, Question::Read(path) | Question::Write(path)) => names(&change.steps, path),
                    (Question::Connect { .. }, Question::Connect { .. }) => true,
                    (one, other) => one == other,
                };
                prop_assert!(is <= was || meant, "{question}: {change:?} also lets {other}\n{text}");
            }
        }
    }
}
