//! A parent proxy, as companies have them: which one, for whom, and with which credentials.
//!
//! Not how it is spoken to ([`crate::handshake`]), and no rule: what may be reached is decided before, by the same rules as
//! without one.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use ringfence_plan::{HostName, HostPattern, ProxyScheme, Target};

use crate::guard;
use crate::http::{self, Host};
use crate::scan::Needles;

/// A proxy that the gateway connects through. It is dialled where its owner says it is, a private address or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// How it is spoken to; by TLS through the inspector, since there is none here.
    pub scheme: ProxyScheme,
    /// Its name or address.
    pub host: Target,
    /// Its port.
    pub port: u16,
    /// Where it is, if that is known without asking name servers.
    pub addresses: Vec<IpAddr>,
    /// Hosts that are dialled directly.
    pub no_proxy: Vec<HostPattern>,
    /// What it is told of who asks.
    pub credentials: Option<Credentials>,
}

/// A user's name and password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// The variables that name a proxy, in the order in which they are believed, each in lower case first: every connection
/// takes the same one, and most are to https.
pub const VARIABLES: &[&str] =
    &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"];

impl Parent {
    /// The proxy that the caller's variables name; `None` where none does, or every host is an exception.
    ///
    /// # Errors
    /// Which variable cannot be followed, and why. Never with its value, which may hold a password.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Parent>, String> {
        let set =
            |name: &'static str| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
        let Some((name, value)) = VARIABLES.iter().copied().find_map(set) else { return Ok(None) };
        let list = ["no_proxy", "NO_PROXY"].into_iter().find_map(set).map(|(_, list)| list);
        let list = list.unwrap_or_default();
        if list.trim() == "*" {
            return Ok(None);
        }
        let mut parent = Parent::of_url(&value).map_err(|why| format!("{name} {why}"))?;
        parent.no_proxy = exceptions(&list);
        Ok(Some(parent))
    }

    /// The proxy at a URL: `[scheme://][user[:password]@]host[:port][/]`.
    ///
    /// # Errors
    /// What is wrong; reads after the URL's name.
    pub fn of_url(url: &str) -> Result<Parent, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (scheme, usual) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyScheme::Http, 80),
            "socks5" | "socks5h" => (ProxyScheme::Socks5, 1080),
            "https" => (ProxyScheme::Https, 443),
            _ => {
                return Err(
                    "names a proxy of a kind that is not spoken: http://, https://, socks5:// and socks5h:// are",
                );
            }
        };
        let (credentials, host) = match rest.strip_suffix('/').unwrap_or(rest).rsplit_once('@') {
            Some((user, host)) => (Some(Credentials::of_url(user)?), host),
            None => (None, rest.strip_suffix('/').unwrap_or(rest)),
        };
        let authority = http::authority(host).ok_or("names no host")?;
        let host = match authority.host {
            Host::Name(name) => Target::Name(name),
            Host::Address(address) => Target::Address(address),
        };
        let port = authority.port.unwrap_or(usual);
        Ok(Parent { scheme, host, port, addresses: Vec::new(), no_proxy: Vec::new(), credentials })
    }

    /// Learns where it is as far as its own words or the host's list of names (hosts(5)) say so.
    pub fn find(&mut self, hosts: &str) {
        self.addresses = match &self.host {
            Target::Address(address) => vec![*address],
            Target::Name(name) => crate::dns::hosts::addresses(hosts, name),
        };
    }

    /// Whether that is how it is called.
    pub fn is_named(&self, name: &HostName, port: u16) -> bool {
        self.port == port && matches!(&self.host, Target::Name(own) if own == name)
    }

    /// Whether it may be at an address, or behind one that a translator on the way would lead to it; `seen` are those that
    /// name servers have said. As long as nobody has said where it is, it may be anywhere.
    pub fn may_be_at(&self, address: IpAddr, seen: &HashSet<IpAddr>) -> bool {
        let known: Vec<IpAddr> =
            self.addresses.iter().chain(seen).map(|known| guard::canonical(*known)).collect();
        let carried = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(guard::carried(address).map(IpAddr::V4)),
        };
        let mut all = std::iter::once(address).chain(carried.into_iter().flatten());
        known.is_empty() || all.any(|address| known.contains(&address))
    }

    /// Whether connections to `target` go through it.
    pub fn serves(&self, target: &Target) -> bool {
        !self.no_proxy.iter().any(|host| host.covers(target))
    }
}

/// The hosts of NO_PROXY: a name stands for itself and all below, as most clients have it. What is no host is left out:
/// what it was to mean goes through the proxy.
fn exceptions(list: &str) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let name = entry.strip_prefix("*.").or(entry.strip_prefix('.')).unwrap_or(entry);
        match HostName::parse(name) {
            Ok(name) => hosts.extend([HostPattern::Name(name.clone()), HostPattern::Below(name)]),
            Err(_) => hosts.extend(HostPattern::parse(entry).ok()),
        }
    }
    hosts
}

impl Credentials {
    /// From `user:password`.
    ///
    /// # Errors
    /// What is wrong; reads after the name of where it comes from.
    pub fn of_text(text: &[u8]) -> Result<Credentials, &'static str> {
        let colon = text.iter().position(|byte| *byte == b':').ok_or("is not user:password")?;
        Credentials::new(text[..colon].to_vec(), text[colon + 1..].to_vec())
    }

    /// From the part of a URL before the `@`, in which characters may be spelled out.
    fn of_url(text: &str) -> Result<Credentials, &'static str> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let spelled = "has a percent sign in its user or password that spells nothing";
        Credentials::new(spelled_out(user).ok_or(spelled)?, spelled_out(password).ok_or(spelled)?)
    }

    fn new(user: Vec<u8>, password: Vec<u8>) -> Result<Credentials, &'static str> {
        match () {
            () if user.is_empty() => Err("has no user"),
            // RFC 1929 counts them by a byte; RFC 7617 has no colon in a user.
            () if user.len() > 255 || password.len() > 255 => {
                Err("has a user or password of more than 255 bytes")
            }
            () if user.contains(&b':') => Err("has a user with a colon"),
            () if user.iter().chain(&password).any(u8::is_ascii_control) => Err("has a control character"),
            () => Ok(Credentials { user, password }),
        }
    }

    /// What an answer must not have in it: these, as they were sent, as they were given, and as URLs have them. What is
    /// short stands in all sorts of texts.
    pub(crate) fn needles(&self) -> Needles {
        const SHORTEST: usize = 8;
        let both = [&self.user[..], b":", &self.password].concat();
        let sent = base64(&both);
        let in_url = |[plus, slash, equals]: [&str; 3]| {
            sent.replace('+', plus).replace('/', slash).replace('=', equals).into_bytes()
        };
        let in_url = [in_url(["%2B", "%2F", "%3D"]), in_url(["%2b", "%2f", "%3d"])];
        let texts = [sent.clone().into_bytes(), both, self.password.clone()].into_iter().chain(in_url);
        Needles::new(texts.filter(|text| text.len() >= SHORTEST))
    }

    /// `Basic …` (RFC 7617).
    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", base64(&[&self.user[..], b":", &self.password].concat()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

fn spelled_out(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= three.len() { letter.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Parent>, String> {
        Parent::of_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn the_callers_variables_name_a_proxy_and_its_exceptions() {
        assert_eq!(of(&[("HTTPS_PROXY", "")]), Ok(None));
        assert_eq!(of(&[("HTTPS_PROXY", "http://proxy:1"), ("no_proxy", "*")]), Ok(None));
        let variables = [
            ("HTTP_PROXY", "http://other:1"),
            ("https_proxy", "http://us%65r:p%40ss@proxy.corp:3128/"),
            ("NO_PROXY", "localhost, .corp,10.0.0.0/8, ???"),
        ];
        let parent = of(&variables).unwrap().unwrap();
        assert_eq!((parent.host.clone(), parent.port), (target("proxy.corp"), 3128));
        assert_eq!(parent.credentials.as_ref().unwrap().basic(), "Basic dXNlcjpwQHNz");
        assert!(!format!("{parent:?}").contains("ss@"));
        for direct in ["localhost", "corp", "a.corp", "10.1.2.3"] {
            assert!(!parent.serves(&target(direct)), "{direct}");
        }
        for through in ["a.example", "notcorp", "11.1.2.3"] {
            assert!(parent.serves(&target(through)), "{through}");
        }
    }

    #[test]
    fn it_is_known_by_every_address_and_by_what_carries_one() {
        let mut parent = Parent::of_url("http://proxy:3128").unwrap();
        let at = |parent: &Parent, text: &str, seen: &[&str]| {
            let seen = seen.iter().map(|text| text.parse().unwrap()).collect();
            parent.may_be_at(text.parse().unwrap(), &seen)
        };
        assert!(at(&parent, "192.0.2.9", &[]), "nobody has said where it is");
        parent.find("192.0.2.1 proxy\n");
        for own in ["192.0.2.1", "192.0.2.2", "64:ff9b::192.0.2.1", "2002:c000:202::1"] {
            assert!(at(&parent, own, &["::ffff:192.0.2.2"]), "{own}");
        }
        for other in ["192.0.2.3", "64:ff9b::192.0.2.3", "2001:db8::1"] {
            assert!(!at(&parent, other, &["::ffff:192.0.2.2"]), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named_without_its_value() {
        for bad in ["ftp://u:secret@p", "http://u:secret@", "http://u:%zz@p", "http://:secret@p"] {
            let why = of(&[("ALL_PROXY", bad)]).unwrap_err();
            assert!(why.starts_with("ALL_PROXY ") && !why.contains("secret"), "{why}");
        }
        assert_eq!(Parent::of_url("proxy").map(|parent| parent.port), Ok(80));
        assert_eq!(Parent::of_url("socks5h://[::1]").map(|parent| parent.port), Ok(1080));
    }

    #[test]
    fn credentials_are_what_two_protocols_can_carry() {
        assert_eq!(
            Credentials::of_text(b"Aladdin:open sesame").unwrap().basic(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        for bad in [&b"nocolon"[..], b":p", b"u:\r\nX: y", &[b'u'; 300]] {
            assert!(Credentials::of_text(bad).is_err());
        }
        assert_eq!((base64(b"a"), base64(b"ab"), base64(b"")), ("YQ==".into(), "YWI=".into(), String::new()));
    }
}
