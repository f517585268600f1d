//! Budgets: how much a run may send, connect and ask.
//!
//! Not bandwidth: what is within its budget is carried as fast as it comes.

use serde::{Deserialize, Serialize};

use crate::{HostPattern, RuleId};

/// One budget. All that speak of a host hold, each of the limits that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Of which hosts, taken together; `None`: of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,
    /// Bytes from the workload, over the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Connections, over the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// The line that says so.
    pub rule: RuleId,
}
