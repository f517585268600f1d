//! What a host offers, as data, so that lowering is pure and other hosts are rows of a test table.

use serde::{Deserialize, Serialize};

use crate::Plan;

/// The facts of one host that decide what can be held on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
    /// Landlock ABI (Documentation/userspace-api/landlock.rst); 0 where it is missing or off.
    pub landlock: u32,
    /// Whether this user may create user namespaces and use them.
    pub user_namespaces: Support,
    /// Whether seccomp user notification with descriptor injection works (kernel 5.14; seccomp_unotify(2)).
    pub notification: Support,
    /// Where the control groups are and which of them this user may write.
    pub cgroup: CgroupHost,
    /// Whether overlayfs may be mounted in a user namespace (kernel 5.11).
    pub overlay: Support,
    /// How connections of a sandbox can be brought to its gateway.
    #[serde(default)]
    pub capture: Capture,
    /// Whether the caller is root, who on the host could do more than the sandbox lets him.
    pub root: bool,
    /// The sandbox of this program's that this process is in already, and whose broker holds fences within its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclosure: Option<Enclosure>,
}

/// A sandbox around this process. Whatever is done inside, it goes on holding what it holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Enclosure {
    /// Whether it has namespaces of its own.
    pub namespaces: bool,
    /// Its plan, where it is known.
    pub plan: Option<Box<Plan>>,
}

/// Whether something is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// It is.
    Yes,
    /// It is not.
    No {
        /// What is missing.
        why: String,
        /// What would bring it.
        mend: String,
    },
}

impl Support {
    /// Whether it is there.
    pub fn is_yes(&self) -> bool {
        matches!(self, Support::Yes)
    }
}

/// How a host can bring what is sent inside a sandbox to its gateway, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// By nf_tables with TPROXY: every port. Believed until a set-up finds otherwise.
    #[default]
    Tables,
    /// Without: by a listener on each port that rules name.
    Listeners {
        /// What is missing.
        why: String,
        /// What would bring it.
        mend: String,
    },
    /// Not at all.
    None {
        /// What is missing.
        why: String,
    },
}

/// The control groups of a host, as far as this user can use them (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupHost {
    /// The unified hierarchy, with a directory below which groups may be made.
    V2 {
        /// That directory.
        parent: String,
        /// The controllers that reach it.
        controllers: Vec<String>,
    },
    /// The first version, with a directory for each usable controller.
    V1 {
        /// Controller and directory.
        controllers: Vec<(String, String)>,
    },
    /// None that this user may write.
    None {
        /// Why not.
        why: String,
    },
}
