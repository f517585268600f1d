//! The presets of this program: policies as data, each grant with its reason.
//!
//! Not which of them a project calls for: that is `detect`.

/// The name that stands for the presets which a project calls for.
pub(crate) const DEFAULT: &str = "default";

/// One preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name, as in `extends`.
    pub name: &'static str,
    /// What it is for.
    pub group: Group,
    /// Its text, in the policy language.
    pub text: &'static str,
}

/// What a preset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What a language or a tool needs.
    ToolChain,
    /// A whole agent.
    Agent,
    /// How far along something is on its way to production.
    Stage,
    /// What a run is for.
    Role,
}

impl Preset {
    /// What it is for, in its own words.
    pub fn about(&self) -> String {
        let document: Option<toml::Table> = toml::from_str(self.text).ok();
        let about = document.and_then(|mut document| document.remove("about"));
        about.and_then(|about| about.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Group {
    /// The group in a word.
    pub fn name(self) -> &'static str {
        match self {
            Group::ToolChain => "tool-chains",
            Group::Agent => "agents",
            Group::Stage => "stages",
            Group::Role => "roles",
        }
    }
}

/// A preset that takes part, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Who asked for it, or which file calls for it.
    pub why: String,
}

macro_rules! presets {
    ($($group:ident: $($name:literal),+;)+) => {
        &[$($(Preset {
            name: $name,
            group: Group::$group,
            text: include_str!(concat!("../presets/", $name, ".toml")),
        },)+)+]
    };
}

/// Every preset.
pub const ALL: &[Preset] = presets! {
    ToolChain: "base", "git", "rust", "node", "python", "go", "java", "ruby", "php", "dotnet", "c", "terraform",
        "browser-testing";
    Agent: "claude-code", "codex", "copilot-cli", "gemini-cli", "opencode", "openclaw", "aider", "goose",
        "cursor-agent", "generic-agent";
    Stage: "dev", "staging", "production";
    Role: "read-only-review", "package-install", "data-analysis", "mcp-server";
};

/// The preset called `name`.
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}

/// Every name that `extends` may hold beside files.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(DEFAULT).chain(ALL.iter().map(|preset| preset.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::detect::marks;
    use crate::read::{self, Document, Facts};
    use crate::source::{Author, Source, SourceId};

    fn document(preset: &Preset) -> Document {
        let source = Source {
            name: preset.name.into(),
            text: preset.text.into(),
            directory: "/".into(),
            files: Vec::new(),
            author: Author::Preset,
        };
        let facts = Facts { preset: true, ..Facts::NOTHING };
        read::read(SourceId(0), &[source], &facts).unwrap_or_else(|report| panic!("{}", report.render(false)))
    }

    #[test]
    fn every_preset_is_read_says_what_it_is_and_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = names().collect();
        assert_eq!(names.len(), ALL.len() + 1);
        for preset in ALL {
            let about = document(preset).about.unwrap_or_default();
            assert!(!about.is_empty() && preset.text.starts_with("version = 1\n"), "{}", preset.name);
            assert_eq!(find(preset.name), Some(preset));
        }
    }

    #[test]
    fn every_grant_has_its_reason() {
        for preset in ALL {
            for statement in document(preset).statements {
                let single = !statement.field.repeatable || statement.field.key == "environment.set";
                let why = statement.why.as_deref().unwrap_or_default();
                assert!(single || !why.is_empty(), "{}: {}", preset.name, statement.words);
            }
        }
    }

    #[test]
    fn the_quick_look_at_detect_sees_what_the_parser_sees() {
        for preset in ALL {
            assert_eq!(marks(preset.text).collect::<Vec<_>>(), document(preset).detect, "{}", preset.name);
        }
    }

    /// Whoever may write in a project may put a file there that calls for a preset.
    #[test]
    fn what_a_file_can_call_for_only_reads_and_fills_copies() {
        const HARMLESS: &[&str] = &[
            "filesystem.read",
            "filesystem.private",
            "filesystem.deny",
            "environment.pass",
            "environment.set",
        ];
        for preset in ALL.iter().filter(|preset| marks(preset.text).next().is_some()) {
            assert_eq!(preset.group, Group::ToolChain, "{}", preset.name);
            for statement in document(preset).statements {
                let key = statement.field.key;
                assert!(HARMLESS.contains(&key), "{} says {key}", preset.name);
            }
        }
    }
}
