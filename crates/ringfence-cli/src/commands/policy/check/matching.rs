//! Whether anything on this machine matches a pattern.
//! Not an expansion: the first match ends the search, and a large tree is not searched to its end.

use std::fs;

use ringfence_plan::{AbsPath, PathPattern};
use ringfence_policy::check::Matches;

/// Entries that are looked at before giving up: a second's worth.
const MOST: usize = 200_000;

/// Looks below the pattern's base, where a match may be. Symlinks are not followed: what they lead to has other names.
pub(super) fn matches(pattern: &PathPattern) -> Matches {
    let mut directories = vec![pattern.base().clone()];
    let mut seen = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory.as_path()).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST {
                return Matches::Unknown;
            }
            let Ok(path) = AbsPath::new(entry.path()) else { continue };
            if pattern.matches(&path) {
                return Matches::Some;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && pattern.may_match_below(&path) {
                directories.push(path);
            }
        }
    }
    Matches::None
}

#[cfg(test)]
mod tests {
    use ringfence_plan::Match;

    use super::*;

    #[test]
    fn what_is_there_is_found_at_any_depth() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        fs::write(place.path().join("a/b/.env"), "").unwrap();
        let base = AbsPath::new(place.path()).unwrap();
        let found = |text| matches(&PathPattern::new(base.clone(), text, Match::Exact).unwrap());
        assert_eq!(found("**/.env"), Matches::Some);
        assert_eq!(found("a/*/.env"), Matches::Some);
        assert_eq!(found("*/.env"), Matches::None);
        assert_eq!(found("**/*.pem"), Matches::None);
    }
}
