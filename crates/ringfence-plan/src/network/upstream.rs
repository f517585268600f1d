//! What stands between the gateway and the internet: a proxy of the company, a resolver.
//!
//! Not what may be reached through them: the rules decide first, by the same names and addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Source;
use crate::{HostPattern, RuleId, Target};

/// A proxy that every connection to the outside goes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentProxy {
    /// Which one.
    pub server: ProxyServer,
    /// Hosts that are dialled directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<HostPattern>,
    /// Where `user:password` comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Source>,
    /// The line that says so.
    pub rule: RuleId,
}

/// Where a proxy is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyServer {
    /// Where the caller's variables say: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. They may hold a password, so they are
    /// read by whoever dials and never stand in a plan.
    Environment,
    /// Here.
    Named {
        /// How it is spoken to.
        scheme: ProxyScheme,
        /// Its name or address.
        host: Target,
        /// Its port.
        port: u16,
    },
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyScheme {
    /// CONNECT (RFC 9110, section 9.3.6).
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS 5 (RFC 1928), with names, not addresses.
    Socks5,
}

/// A resolver that is asked in place of the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// How it is asked.
    pub scheme: UpstreamScheme,
    /// Its name or address.
    pub host: Target,
    /// Its port.
    pub port: u16,
    /// The line that says so.
    pub rule: RuleId,
}

/// How a resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamScheme {
    /// DNS over HTTPS (RFC 8484), at this path.
    Https(String),
    /// DNS over TLS (RFC 7858).
    Tls,
}

/// What happens to a TLS greeting that hides its server name (RFC 9849).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncryptedHello {
    /// The outer name is judged.
    #[default]
    Allow,
    /// It is refused.
    Refuse {
        /// The line that says so.
        rule: RuleId,
    },
}

impl EncryptedHello {
    /// Whether it is let through.
    pub fn is_allowed(&self) -> bool {
        *self == EncryptedHello::Allow
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyServer::Environment => f.write_str("environment"),
            ProxyServer::Named { scheme, host, port } => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl fmt::Display for ProxyScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            UpstreamScheme::Https(path) => write!(f, "https://{}:{}{path}", self.host, self.port),
            UpstreamScheme::Tls => write!(f, "tls://{}:{}", self.host, self.port),
        }
    }
}
