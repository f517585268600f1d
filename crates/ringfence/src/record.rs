//! What a run's records tell of it beside what the library sees for itself. Nothing here changes what is held.

use std::path::PathBuf;

/// Where a run comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The texts that made the plan, in their order.
    pub layers: Vec<Text>,
    /// Which agent it is for.
    pub agent: Option<String>,
    /// Which task.
    pub task: Option<String>,
    /// Which stage.
    pub stage: Option<String>,
    /// Why a ceiling was lifted for this run, in the words of whoever had it lifted.
    pub break_glass: Option<String>,
    /// The user's state directory, where the last refusals are kept; without one they are not.
    pub state: Option<PathBuf>,
}

/// One text that made the plan.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Text {
    /// Its path, or the name of a preset.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}
