//! One weakness as a row: how it is tried, and on which program it is there.
//! Not the trying.

use super::subject::{Generation, Place};
use super::tun;
use crate::person::Person;
use anyhow::Result;
use std::fs;

#[derive(Clone)]
pub(super) struct Row {
    /// As in docs/mxc.md.
    pub(super) name: &'static str,
    pub(super) who: Who,
    /// The programs that have it; the others have to hold.
    pub(super) exposed: &'static [Generation],
    /// Programs that the attempt needs on this host.
    needs: &'static [&'static str],
    /// Whether /dev/net/tun has to be there for MXC.
    pub(super) tunnel: bool,
    /// The setting of the kernel without which nobody has the weakness.
    while_on: Option<&'static str>,
    pub(super) attempt: fn(&Place) -> Result<Seen>,
}

/// Whose weakness it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Root,
}

/// What an attempt saw.
#[derive(Debug)]
pub(super) enum Seen {
    Exposed(String),
    Held(String),
}

impl Seen {
    /// `yes` says that the weakness was there.
    pub(super) fn of(yes: bool, exposed: impl Into<String>, held: impl Into<String>) -> Seen {
        if yes { Seen::Exposed(exposed.into()) } else { Seen::Held(held.into()) }
    }
}

pub(super) const BOTH: &[Generation] = &[Generation::V08, Generation::V10];
pub(super) const OLD: &[Generation] = &[Generation::V08];

impl Row {
    pub(super) fn new(
        name: &'static str,
        exposed: &'static [Generation],
        attempt: fn(&Place) -> Result<Seen>,
    ) -> Row {
        Row { name, who: Who::Anyone, exposed, needs: &[], tunnel: false, while_on: None, attempt }
    }

    pub(super) fn by_root(self) -> Row {
        Row { who: Who::Root, ..self }
    }

    pub(super) fn needs(self, needs: &'static [&'static str]) -> Row {
        Row { needs, ..self }
    }

    pub(super) fn while_on(self, setting: &'static str) -> Row {
        Row { while_on: Some(setting), ..self }
    }

    /// MXC's rules of the network.
    pub(super) fn with_rules(self) -> Row {
        Row { needs: &["slirp4netns", "iptables"], tunnel: true, ..self }
    }

    /// Why this host cannot show it, whatever is installed.
    pub(super) fn is_moot(&self) -> Option<&'static str> {
        let file = self.while_on?;
        let on = fs::read_to_string(file).is_ok_and(|text| text.trim() != "0");
        (!on).then_some("this kernel refuses it to everybody")
    }

    /// Why it is not tried, if so.
    pub(super) fn cannot_be_tried(&self, person: &Person) -> Option<String> {
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if self.who == Who::Root && !is_root {
            return Some("only root can try it".into());
        }
        if self.who == Who::Anyone && person.uid == 0 {
            return Some("it is about an ordinary user: --user NAME".into());
        }
        if self.tunnel && !is_root && !tun::is_open_to_all() {
            return Some("/dev/net/tun is root's here".into());
        }
        let missing = self.needs.iter().find(|program| !super::programs::has(program))?;
        Some(format!("it needs {missing}"))
    }
}
