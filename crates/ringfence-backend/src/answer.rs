//! The three answers that a backend gives, in one word each.

use ringfence_plan::{Field, FieldVerdict, Verdict};

/// Held as asked, by `mechanism`.
pub(crate) fn enforced(field: Field, mechanism: impl Into<String>) -> FieldVerdict {
    FieldVerdict { field, verdict: Verdict::Enforced, mechanism: mechanism.into() }
}

/// Held more strictly than asked: `why` says what is lost.
pub(crate) fn narrowed(field: Field, why: impl Into<String>, mechanism: impl Into<String>) -> FieldVerdict {
    FieldVerdict { field, verdict: Verdict::Narrowed { why: why.into() }, mechanism: mechanism.into() }
}

/// Why rules by name are not held; the run has no network where its caller does without.
pub(crate) const NO_GATEWAY: &str =
    "connections are captured in a network namespace of their own, and there is none";

/// Not held: `why` names what is missing.
pub(crate) fn unenforced(field: Field, why: impl Into<String>) -> FieldVerdict {
    FieldVerdict { field, verdict: Verdict::Unenforced { why: why.into() }, mechanism: "none".into() }
}
