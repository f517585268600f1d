//! The nearest right name to a wrong one.
//!
//! Not a search: it proposes only what differs by a slip of the finger.

/// The candidate that is the fewest edits away from `wrong`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase().replace('-', "_");
    // A third of the letters may be wrong; more is another word.
    let most = (wrong.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (edits(&wrong, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The Damerau–Levenshtein distance (optimal string alignment): insertions, removals, replacements, swaps of neighbours.
fn edits(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let names = ["read", "write", "deny", "open_files"];
        let near = |wrong| nearest(wrong, names.into_iter());
        assert_eq!(near("raed"), Some("read"));
        assert_eq!(near("wirte"), Some("write"));
        assert_eq!(near("open-files"), Some("open_files"));
        assert_eq!(near("DENY"), Some("deny"));
        assert_eq!(near("exec"), None);
        assert_eq!(near(""), None);
    }
}
