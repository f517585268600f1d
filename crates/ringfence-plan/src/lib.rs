//! The waist of the hourglass: what to hold ([`Plan`]), what this host can hold ([`Host`]), what was held
//! ([`Verdicts`]) and what happened ([`Event`]).
//!
//! Types and pure decisions on them only: nothing here reads a file, parses policy text or calls the system.
#![forbid(unsafe_code)]

mod endpoint;
mod environment;
mod event;
mod failure;
mod files;
pub mod guard;
mod host;
mod inside;
mod limits;
mod meet;
mod network;
mod oversight;
mod path;
mod pattern;
mod plan;
mod rule;
mod verdict;

pub use endpoint::{BadEndpoint, Endpoint, HostName, HostPattern, Ports, Protocol, Target};
pub use environment::{EnvPattern, Environment, Passage};
pub use event::{Barrier, Change, Ending, Event, Limit, Operation, Place};
pub use failure::Failure;
pub use files::{Access, DenyGlob, Files, Grant, Protect};
pub use host::{Capture, CgroupHost, Enclosure, Host, Support};
pub use limits::{Bytes, Limits, Millicpus, Millis};
pub use network::{
    BadUrlPath, Budget, Credential, EncryptedHello, Granted, HostPort, HttpRule, Leave, Network, NetworkMode,
    NetworkRule, ParentProxy, Placeholder, ProxyScheme, ProxyServer, Publish, Request, RequestPath,
    RequestRefused, Source, Unfit, Upstream, UpstreamScheme, UrlPattern,
};
pub use oversight::{Audit, AuditDestination, Oversight};
pub use path::{AbsPath, BadPath};
pub use pattern::{BadPattern, Match, PathPattern, Segment, fold};
pub use plan::{Containment, Level, Plan, Processes};
pub use rule::{Origin, Rule, RuleId};
pub use verdict::{Field, FieldVerdict, Verdict, Verdicts};
