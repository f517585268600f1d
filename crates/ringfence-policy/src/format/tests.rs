use std::fs;
use std::path::Path;

use super::*;

fn formatted(text: &str) -> String {
    let once = format("a.toml", text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(format("a.toml", &once).unwrap(), once, "formatting twice changes it");
    once
}

#[test]
fn groups_and_fields_are_put_in_order_and_comments_go_with_them() {
    let text = r##"# Whose it is.

# Ends early.
[limits]   # of a build
time = "10m" # ten
# Enough for the linker.
memory="2GiB"
[environment.set]
B='x#y'
# The hooks look at it.
CI = "1"
[filesystem]

read = [ # what it needs
  # the compiler
  "/usr", # and its headers

  { optional=true, path = "~/.gitconfig" }, "~/x" # last
  # nothing more
]
deny=["~/.ssh","**/.env"]
# The end.
"##;
    insta::assert_snapshot!(formatted(text), @r##"
    # Whose it is.

    [filesystem]
    read = [  # what it needs
        # the compiler
        "/usr",  # and its headers

        { path = "~/.gitconfig", optional = true },
        "~/x",  # last
        # nothing more
    ]
    deny = ["~/.ssh", "**/.env"]

    [environment.set]
    B = 'x#y'
    # The hooks look at it.
    CI = "1"

    # Ends early.
    [limits]  # of a build
    # Enough for the linker.
    memory = "2GiB"
    time = "10m"  # ten
    # The end.
    "##);
}

#[test]
fn every_way_to_write_a_table_becomes_one() {
    let text = "network.mode = \"none\" # dotted\nenvironment = { pass = [\"A\"], set = { X = \"1\" } }\nversion = 1\n\
        [[conditional]]\nlimits.time = 60\nwhen = { stage = [\"dev\",\"x\"] }\n[conditional.filesystem]\nread = []\n";
    insta::assert_snapshot!(formatted(text), @r#"
    version = 1

    [environment]
    pass = ["A"]
    set = { X = "1" }

    [network]
    mode = "none"  # dotted

    [[conditional]]
    when = { stage = ["dev", "x"] }

    [conditional.filesystem]
    read = []

    [conditional.limits]
    time = 60
    "#);
}

#[test]
fn lists_of_tables_keep_their_order_and_their_comments() {
    let text = "[[network.http]] # reads\npaths = [\"/a\"]\nhost=\"b.example\"\n# The other one.\n[[network.http]]\nhost = \"a.example\"\n\
        why=\"x\"\nmethods = [\"GET\"] # only\n[network]\nlisten=[3000]\n[[conditional]]\nwhen.os=\"linux\"\n\
        [[conditional.network.budget]]\nsent=1\nhost=\"a.example\"\n";
    insta::assert_snapshot!(formatted(text));
}

#[test]
fn what_is_too_long_for_a_line_gets_one_for_each_entry() {
    let names: Vec<String> = (0..12).map(|n| format!("\"NUMBER_{n}\"")).collect();
    let long = formatted(&format!("[environment]\npass = [{}]\n", names.join(",")));
    assert_eq!(long.lines().count(), 15, "{long}");
    let set = formatted(&format!("[environment]\nset = {{ LONG = \"{}\", B = \"\" }}\n", "x".repeat(90)));
    assert!(set.starts_with("[environment.set]\nLONG = "), "{set}");
}

#[test]
fn a_text_that_is_no_policy_is_refused() {
    assert!(format("a.toml", "[filesystem]\nreed = []\n").is_err());
    assert!(format("a.toml", "a = [\n").is_err());
}

#[test]
fn samples_and_presets_say_the_same_afterwards() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/policy/valid");
    let samples = fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<String> =
        samples.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect();
    texts.extend(crate::presets::ALL.iter().map(|preset| preset.text.to_owned()));
    assert!(texts.len() > 20);
    // That the data is the same `format` sees to itself: it refuses otherwise.
    texts.iter().for_each(|text| drop(formatted(text)));
}
