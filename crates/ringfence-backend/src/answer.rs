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

/// Not held: `why` names what is missing.
pub(crate) fn unenforced(field: Field, why: impl Into<String>) -> FieldVerdict {
    FieldVerdict { field, verdict: Verdict::Unenforced { why: why.into() }, mechanism: "none".into() }
}
