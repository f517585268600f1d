//! The published JSON Schema: it is the one that the program makes, and an independent implementation agrees with the
//! parser about the form of every sample.
//!
//! Not about meaning: what only the parser knows is listed, and must pass the schema.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use ringfence_policy::{presets, schema};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn samples(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("samples/policy").join(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let read = |path: PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

fn data(text: &str) -> Option<Value> {
    toml::from_str::<toml::Table>(text).ok().map(|table| serde_json::to_value(table).unwrap())
}

#[test]
fn the_published_schema_is_the_one_that_the_program_makes() {
    let path = root().join("schemas/ringfence.schema.json");
    let text = format!("{:#}\n", schema());
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == text, "RINGFENCE_BLESS=1 cargo test -p ringfence-policy --test schema");
}

#[test]
fn it_is_a_schema_and_every_preset_and_valid_sample_has_its_form() {
    assert!(jsonschema::meta::is_valid(&schema()));
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let presets = presets::ALL.iter().map(|preset| (preset.name.to_owned(), preset.text.to_owned()));
    for (name, text) in samples("valid").into_iter().chain(presets) {
        let errors: Vec<_> = validator
            .iter_errors(&data(&text).expect("TOML"))
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

/// Samples that are wrong in a way that a schema cannot say: what a path means, which file is there, what a number
/// comes to.
const BEYOND: &[&str] = &[
    "bad_pattern",
    "budget_of_a_port",
    "credential_file_of_another_user",
    "credential_in_a_ceiling",
    "credential_in_the_host_field",
    "credentials_of_one_placeholder",
    "dangerous_variable",
    "empty_http_in_a_ceiling",
    "empty_lists_in_a_ceiling",
    "endless_number",
    "extends_in_a_circle",
    "extends_missing_file",
    "extends_wrong_file",
    "home_of_another_user",
    "host_with_a_path",
    "http_host_with_a_path",
    "http_method_in_lower_case",
    "http_over_udp",
    "misspelt_preset",
    "no_agent_named",
    "octal_address",
    "parent_behind_a_name",
    "protect_the_workspace",
    "proxy_of_the_caller_in_a_ceiling",
    "read_proc",
    "registry_in_a_ceiling",
    "share_tmp",
    "too_few_open_files",
    "too_little_memory",
    "unbounded_tmp",
    "unknown_group_of_hosts",
    "unknown_preset",
    "unknown_variable",
    "variable_of_presets",
    "workspace_in_a_ceiling",
    "workspace_is_denied",
    "workspace_is_home",
    "workspace_is_the_root",
    "workspace_needs_itself",
    "write_everything",
];

#[test]
fn samples_of_a_wrong_form_fail_and_only_those() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let (mut passed, mut failed) = (Vec::new(), 0);
    for (name, text) in samples("invalid") {
        match data(&text) {
            Some(document) if validator.is_valid(&document) => passed.push(name),
            _ => failed += 1,
        }
    }
    passed.sort();
    assert_eq!(passed, BEYOND);
    assert!(failed > 30, "{failed}");
}
