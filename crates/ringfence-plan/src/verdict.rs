//! What a backend answers to each field of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a field is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// As asked.
    Enforced,
    /// Held more strictly than asked; `why` says what the workload loses by it.
    Narrowed {
        /// Completes "narrowed: …".
        why: String,
    },
    /// Not held. A run with such a field is refused unless the caller named that field.
    Unenforced {
        /// Which feature is missing.
        why: String,
    },
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A field of a plan that a backend answers for, named as in the policy file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Field {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Field {
            /// Every field, in the order of the policy file.
            pub const ALL: &'static [Field] = &[$(Field::$variant),*];

            /// The name in the policy file.
            pub fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),* }
            }
        }
    };
}

fields! {
    /// Readable paths, and that everything else is not.
    FilesRead = "filesystem.read",
    /// Writable paths, and that everything else is not.
    FilesWrite = "filesystem.write",
    /// Denied paths.
    FilesDeny = "filesystem.deny",
    /// Protected names.
    FilesProtect = "filesystem.protect",
    /// Private copy-on-write layers over tool-chain caches.
    FilesPrivate = "filesystem.private",
    /// Environment variables.
    Environment = "environment",
    /// Network.
    Network = "network.mode",
    /// Rules over requests.
    NetworkHttp = "network.http",
    /// Credentials that the gateway puts in.
    NetworkCredential = "network.credential",
    /// Budgets.
    NetworkBudget = "network.budget",
    /// Ports of the host's loopback that lead inside.
    NetworkPublish = "network.publish",
    /// Ports of the host's loopback that are reached from inside.
    NetworkHost = "network.host",
    /// The proxy that connections go through.
    NetworkProxy = "network.proxy",
    /// The resolver that is asked.
    NetworkResolver = "network.resolver",
    /// Greetings that hide their server name.
    NetworkEncryptedHello = "network.encrypted_hello",
    /// Memory limit.
    Memory = "limits.memory",
    /// Swap limit.
    Swap = "limits.swap",
    /// Process limit.
    Processes = "limits.processes",
    /// Processor limit.
    Cpu = "limits.cpu",
    /// Time limit.
    Time = "limits.time",
    /// Descriptor limit.
    OpenFiles = "limits.open_files",
    /// File size limit.
    FileSize = "limits.file_size",
    /// Size of the private /tmp.
    Tmp = "limits.tmp",
    /// Output limit.
    Output = "limits.output",
    /// Namespace creation and kernel interface.
    NestedNamespaces = "processes.nested_namespaces",
    /// The level asked for.
    Containment = "containment.level",
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Field {
    type Err = String;
    fn from_str(name: &str) -> Result<Field, String> {
        Field::ALL.iter().copied().find(|field| field.name() == name).ok_or_else(|| {
            let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
            format!("no such field; the fields are {}", names.join(", "))
        })
    }
}

/// One field's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldVerdict {
    /// The field.
    pub field: Field,
    /// How it is held.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// By what: the mechanism in the field's standard terms, for people.
    pub mechanism: String,
}

/// A backend's whole answer: one entry a field that the plan uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts(pub Vec<FieldVerdict>);

impl Verdicts {
    /// The fields that are not held.
    pub fn unenforced(&self) -> impl Iterator<Item = &FieldVerdict> {
        self.0.iter().filter(|entry| matches!(entry.verdict, Verdict::Unenforced { .. }))
    }

    /// The answer for one field.
    pub fn of(&self, field: Field) -> Option<&FieldVerdict> {
        self.0.iter().find(|entry| entry.field == field)
    }
}
