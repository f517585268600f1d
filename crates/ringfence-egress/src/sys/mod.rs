//! System calls that no library gives us.
#![allow(unsafe_code, reason = "this folder is where unsafe has its address")]

pub(crate) mod counts;
pub(crate) mod datagram;
