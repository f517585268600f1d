//! Which presets a project's files call for.
//!
//! By names only: no file of a project is read to choose what its commands may do. So whoever may write in the project
//! chooses presets too; what a preset with `detect` grants must therefore be harmless to anybody (held by a test).

use std::fs;
use std::path::Path;

use crate::discover;
use crate::presets::{ALL, Chosen};

/// A directory with more names than this is no project's root; beyond it only whole names are looked for.
const MOST: usize = 4096;

/// The presets that the files in the project's `root`, or in `cwd`, call for, in the order of the table. Nothing below
/// is looked at: a tree may be large, and a package somewhere in it is not what this run is about.
pub(crate) fn presets(root: &Path, cwd: &Path) -> Vec<Chosen> {
    let mut listings = vec![Listing::of(root)];
    if root != cwd {
        listings.push(Listing::of(cwd));
    }
    let calls = |mark: &&str| listings.iter().any(|listing| listing.has(mark));
    ALL.iter()
        .filter_map(|preset| {
            let mark = marks(preset.text).find(calls)?;
            Some(Chosen { name: preset.name.to_owned(), why: format!("the project has {mark}") })
        })
        .collect()
}

/// The names that a preset lists behind `detect`. Not read as TOML: that would parse thirty texts at every start,
/// of which two or three are wanted. A test holds that both see the same.
pub(crate) fn marks(text: &str) -> impl Iterator<Item = &str> {
    let list = text.split_once("\ndetect = [").and_then(|(_, rest)| rest.split_once(']'));
    // Between quotes is every other piece.
    list.map_or("", |(list, _)| list).split('"').skip(1).step_by(2)
}

/// What a directory holds.
struct Listing<'a> {
    directory: &'a Path,
    /// Sorted. Names that are no UTF-8 match no mark.
    names: Vec<String>,
    whole: bool,
}

impl Listing<'_> {
    /// One list is cheaper than a hundred looks, and patterns need it.
    fn of(directory: &Path) -> Listing<'_> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
        let mut seen = 0;
        let mut names: Vec<String> =
            entries.inspect(|_| seen += 1).filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Listing { directory, names, whole: seen < MOST }
    }

    fn has(&self, mark: &str) -> bool {
        match mark.split_once('*') {
            Some((start, end)) => self
                .names
                .iter()
                .any(|name| name.len() >= mark.len() && name.starts_with(start) && name.ends_with(end)),
            None if self.whole => self.names.binary_search_by(|name| name.as_str().cmp(mark)).is_ok(),
            None => discover::exists(&self.directory.join(mark)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A directory of its own, removed when dropped.
    struct Directory(PathBuf);

    impl Directory {
        fn with(test: &str, names: &[&str]) -> Directory {
            let path = std::env::temp_dir().join(format!("ringfence-detect-{}-{test}", std::process::id()));
            for name in names {
                let file = path.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "").unwrap();
            }
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn chosen(root: &Path, cwd: &Path) -> Vec<String> {
        presets(root, cwd).into_iter().map(|chosen| chosen.name).collect()
    }

    #[test]
    fn every_tool_chain_is_called_for_by_its_files() {
        for (file, preset) in [
            ("Cargo.toml", "rust"),
            ("package.json", "node"),
            ("pnpm-lock.yaml", "node"),
            ("uv.lock", "python"),
            ("requirements.txt", "python"),
            ("go.mod", "go"),
            ("gradlew", "java"),
            ("build.gradle.kts", "java"),
            ("pom.xml", "java"),
            ("Gemfile", "ruby"),
            ("x.gemspec", "ruby"),
            ("composer.json", "php"),
            ("App.csproj", "dotnet"),
            ("App.sln", "dotnet"),
            ("main.tf", "terraform"),
            ("Makefile", "c"),
            ("CMakeLists.txt", "c"),
            ("meson.build", "c"),
            ("playwright.config.ts", "browser-testing"),
        ] {
            let directory = Directory::with(&format!("each-{file}"), &[file]);
            assert_eq!(chosen(&directory.0, &directory.0), [preset], "{file}");
        }
    }

    #[test]
    fn the_root_and_the_current_directory_count_and_nothing_below() {
        let project = Directory::with("places", &[".git", "site/package.json", "site/deep/Cargo.toml", "tf"]);
        assert_eq!(chosen(&project.0, &project.0), ["git"]);
        assert_eq!(chosen(&project.0, &project.0.join("site")), ["git", "node"]);
    }

    #[test]
    fn a_pattern_needs_more_than_its_ending_and_nothing_else_calls() {
        let project = Directory::with("near", &[".tf", "x.tfvars", "Cargo.toml.orig", "package.jsonc"]);
        assert_eq!(chosen(&project.0, &project.0), [""; 0]);
        assert_eq!(chosen(Path::new("/nowhere"), Path::new("/nowhere/below")), [""; 0]);
    }

    #[test]
    fn a_crowd_of_files_hides_no_whole_name() {
        let names: Vec<String> = (0..=MOST).map(|n| format!("{n}")).chain(["go.mod".into()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let project = Directory::with("crowd", &names);
        assert_eq!(chosen(&project.0, &project.0), ["go"]);
    }
}
