//! Why something that the rules of the network allow did not come about: not a refusal, and nothing that a policy mends.
//!
//! Not why a server behind a connection failed: its own words say so.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What failed on the way, outside of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No name server of the host can be sent to.
    NamesUnreachable,
    /// The name servers did not answer in time.
    NamesSilent,
    /// A name server answered that it could not (SERVFAIL), or in no understandable way.
    NamesFailed,
    /// A name server answered that it would not (REFUSED).
    NamesRefused,
    /// The resolver of the plan takes no connection, or its own name has no address.
    ResolverUnreachable,
    /// The resolver's certificate is not trusted, or not for it.
    ResolverUntrusted,
    /// No keys are agreed upon with the resolver for another cause, or nothing carries TLS to it any more.
    ResolverTls,
    /// The resolver did not answer in time.
    ResolverSilent,
    /// The resolver answered that it could not (SERVFAIL), or in no understandable way, or hung up instead.
    ResolverFailed,
    /// The resolver answered that it would not (REFUSED).
    ResolverRefused,
    /// The parent proxy does not take connections, or its own name has no address.
    ParentUnreachable,
    /// The parent proxy is not to be spoken to by TLS: its certificate is not trusted, or it hung up.
    ParentTls,
    /// The parent proxy did not answer in time.
    ParentSilent,
    /// The parent proxy wants credentials, or others.
    ParentCredentials,
    /// The parent proxy answered no, or that it could not.
    ParentRefused,
    /// The parent proxy's answer was none that its protocol knows.
    ParentMalformed,
    /// The run's connections had too many bytes on their way at once.
    HeldTooMuch,
}

impl Failure {
    /// Every one.
    pub const ALL: &'static [Failure] = &[
        Failure::NamesUnreachable,
        Failure::NamesSilent,
        Failure::NamesFailed,
        Failure::NamesRefused,
        Failure::ResolverUnreachable,
        Failure::ResolverUntrusted,
        Failure::ResolverTls,
        Failure::ResolverSilent,
        Failure::ResolverFailed,
        Failure::ResolverRefused,
        Failure::ParentUnreachable,
        Failure::ParentTls,
        Failure::ParentSilent,
        Failure::ParentCredentials,
        Failure::ParentRefused,
        Failure::ParentMalformed,
        Failure::HeldTooMuch,
    ];

    /// Whether it is that nobody answered in time.
    pub fn is_silence(self) -> bool {
        matches!(self, Failure::NamesSilent | Failure::ResolverSilent | Failure::ParentSilent)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NamesUnreachable => "the host's name servers cannot be reached",
            Failure::NamesSilent => "the host's name servers did not answer in time",
            Failure::NamesFailed => "the host's name servers failed to answer (SERVFAIL)",
            Failure::NamesRefused => "the host's name servers refused to answer (REFUSED)",
            Failure::ResolverUnreachable => "the resolver takes no connection, or its own name has no address",
            Failure::ResolverUntrusted => "the resolver's certificate is not trusted, or not for this resolver",
            Failure::ResolverTls => "the resolver does not speak TLS as it should, or hung up",
            Failure::ResolverSilent => "the resolver did not answer in time",
            Failure::ResolverFailed => {
                "the resolver failed to answer (SERVFAIL), hung up, or said what is no answer"
            }
            Failure::ResolverRefused => "the resolver refused to answer (REFUSED)",
            Failure::ParentUnreachable => "the parent proxy takes no connection",
            Failure::ParentTls => {
                "the parent proxy is not to be spoken to by TLS: its certificate is not trusted, or it hung up"
            }
            Failure::ParentSilent => "the parent proxy did not answer in time",
            Failure::ParentCredentials => "the parent proxy does not take these credentials, or wants some",
            Failure::ParentRefused => "the parent proxy refused it, or could not reach it",
            Failure::ParentMalformed => "the parent proxy's answer cannot be read",
            Failure::HeldTooMuch => "the run's connections together had too much on its way",
        })
    }
}
