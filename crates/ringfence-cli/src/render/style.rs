//! Whether an output stream gets colours and how wide it is.
//! Not a theme: four meanings, each with one look.

#[cfg(unix)]
mod width;
#[cfg(not(unix))]
#[path = "style/width_elsewhere.rs"]
mod width;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, IsTerminal};

/// How text goes to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether escape sequences may be written.
    pub(crate) colours: Colours,
    /// Columns to stay within; `None` for a file or a pipe, whose lines are never broken.
    pub(crate) width: Option<usize>,
}

/// A stream of this process.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Whether escape sequences may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// They may.
    On,
    /// They may not.
    Off,
}

/// What a piece of text means.
#[derive(Clone, Copy)]
pub(crate) enum Meaning {
    /// A title.
    Title,
    /// As it should be.
    Good,
    /// Works, with a loss.
    Warning,
    /// Not as it should be.
    Bad,
    /// Beside the point.
    Faint,
}

impl Style {
    /// For a stream of this process.
    pub(crate) fn of(stream: Stream) -> Style {
        let terminal = match stream {
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        };
        let columns = if terminal { width::columns(stream) } else { None };
        Style {
            colours: colours(terminal, |name| std::env::var_os(name)),
            width: columns.filter(|columns| *columns >= 40),
        }
    }

    /// Without colours, without a width: what snapshots are taken of.
    #[cfg(test)]
    pub(crate) const PLAIN: Style = Style { colours: Colours::Off, width: None };

    /// `text` in the look of `meaning`.
    pub(crate) fn paint(self, meaning: Meaning, text: impl Display) -> String {
        // Select Graphic Rendition (ECMA-48, 8.3.117), of the 8 colours that every palette has.
        let code = match meaning {
            Meaning::Title => "1",
            Meaning::Good => "32",
            Meaning::Warning => "33",
            Meaning::Bad => "1;31",
            Meaning::Faint => "2",
        };
        match self.colours {
            Colours::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Colours::Off => text.to_string(),
        }
    }
}

/// NO_COLOR (no-color.org) wins over CLICOLOR_FORCE (bixense.com/clicolors), which wins over what the stream is.
fn colours<Value: AsRef<OsStr>>(terminal: bool, variable: impl Fn(&str) -> Option<Value>) -> Colours {
    let set = |name: &str| variable(name).is_some_and(|value| !value.as_ref().is_empty());
    let forced =
        variable("CLICOLOR_FORCE").is_some_and(|value| !value.as_ref().is_empty() && value.as_ref() != "0");
    let dumb = variable("TERM").is_some_and(|value| value.as_ref() == "dumb");
    match !set("NO_COLOR") && (forced || terminal && !dumb) {
        true => Colours::On,
        false => Colours::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_conventions() {
        let with = |terminal, set: &'static [(&str, &str)]| {
            colours(terminal, |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
        };
        assert_eq!(with(true, &[]), Colours::On);
        assert_eq!(with(false, &[]), Colours::Off);
        assert_eq!(with(true, &[("NO_COLOR", "1")]), Colours::Off);
        assert_eq!(with(true, &[("NO_COLOR", "")]), Colours::On);
        assert_eq!(with(false, &[("CLICOLOR_FORCE", "1")]), Colours::On);
        assert_eq!(with(false, &[("CLICOLOR_FORCE", "0")]), Colours::Off);
        assert_eq!(with(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), Colours::Off);
        assert_eq!(with(true, &[("TERM", "dumb")]), Colours::Off);
    }
}
