//! Tests of precedence.
