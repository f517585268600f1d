//! What conditions and presets' moved roots are judged by, told by whoever reads the file.
//!
//! No look at the machine: `load` looks, and a test tells what it likes.

/// What of a text the caller has a say in: the less, the more it is meant to hold against him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// What its conditions ask for, and where the roots of presets are.
    Caller,
    /// No root: a user's ceiling.
    NoVariables,
    /// Neither: a ceiling of the machine's.
    Nothing,
}

/// The facts of one reading.
pub(crate) struct Facts<'a> {
    /// `linux`, `macos` or `windows`.
    pub(crate) os: &'a str,
    /// The stage that the caller named.
    pub(crate) stage: Option<&'a str>,
    /// Whether the host has a program of this name on PATH, or something at this path.
    pub(crate) host_has: &'a dyn Fn(&str) -> bool,
    /// The value of the caller's variable, where it may be the root of a tool-chain.
    pub(crate) root: &'a dyn Fn(&str) -> Option<String>,
    /// What the caller has a say in.
    pub(crate) hears: Hears,
    /// Whether the text is a preset of this program, which may use what only presets may.
    pub(crate) preset: bool,
}

impl Facts<'_> {
    /// Of a text that is read by itself: no stage, a host that has nothing, no variables.
    pub(crate) const NOTHING: Facts<'static> = Facts {
        os: std::env::consts::OS,
        stage: None,
        host_has: &|_| false,
        root: &|_| None,
        hears: Hears::Caller,
        preset: false,
    };
}
