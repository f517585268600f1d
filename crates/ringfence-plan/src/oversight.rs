//! Who is told of a run, and whether its caller may do without a part of the fence.

use serde::{Deserialize, Serialize};

use crate::{AbsPath, RuleId};

/// What whoever answers for the machine wants held about runs themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Oversight {
    /// Where records of the run go. One that cannot be written stops the run.
    pub audit: Vec<Audit>,
    /// Whether the caller may accept fields that this host cannot hold.
    pub bypass: bool,
    /// The line that says whether.
    pub rule: RuleId,
}

/// One destination of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Where.
    pub destination: AuditDestination,
    /// The line that says so.
    pub rule: RuleId,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditDestination {
    /// Appended to this file, one JSON object a line.
    File(AbsPath),
    /// Sent to this unix datagram socket in the form of syslog (RFC 5424), one record a message.
    Socket(AbsPath),
}
