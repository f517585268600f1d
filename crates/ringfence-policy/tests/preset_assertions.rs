//! The assertions of every preset hold: `presets/tests/<name>.test`.
//!
//! `ringfence policy test` asks the same files.
#![cfg(unix)]
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ringfence_policy::assertions;
use ringfence_policy::presets::ALL;

#[test]
fn every_preset_has_assertions_and_they_hold() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets/tests");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut missing: BTreeSet<&str> = ALL.iter().map(|preset| preset.name).collect();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let test = assertions::parse(&name, &fs::read_to_string(file).unwrap())
            .unwrap_or_else(|report| panic!("{report}"));
        missing.remove(name.trim_end_matches(".test"));
        let outcome = assertions::run(&test, &directory).unwrap_or_else(|report| panic!("{name}: {report}"));
        assert!(outcome.passed + outcome.failed.len() >= 8, "{name} asserts little");
        wrong.extend(outcome.failed.into_iter().map(|failed| {
            format!(
                "{name}:{}: {} is wrong: {:?}",
                failed.assertion.line, failed.assertion.text, failed.answer
            )
        }));
    }
    assert!(missing.is_empty(), "no assertions for {missing:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
