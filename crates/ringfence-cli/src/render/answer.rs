//! The answer to `why`, with its colours.
//! Not its words: those are the policy crate's.

use ringfence_policy::explain::{Answer, Line, Tone};

use super::style::{Meaning, Style};

/// An answer.
pub(crate) fn as_text(answer: &Answer, style: Style) -> String {
    answer.lines().iter().map(|line| format!("{}\n", painted(line, style).trim_end())).collect()
}

/// The same below something else.
pub(crate) fn indented(answer: &Answer, style: Style) -> String {
    as_text(answer, style).lines().map(|line| format!("  {line}\n")).collect()
}

fn painted(Line(pieces): &Line, style: Style) -> String {
    let piece = |(tone, text): &(Tone, String)| match tone {
        Tone::Plain => text.clone(),
        Tone::Good => style.paint(Meaning::Good, text),
        Tone::Partly => style.paint(Meaning::Warning, text),
        Tone::Bad => style.paint(Meaning::Bad, text),
        Tone::Faint => style.paint(Meaning::Faint, text),
        Tone::Code => style.paint(Meaning::Title, text),
    };
    pieces.iter().map(piece).collect()
}
