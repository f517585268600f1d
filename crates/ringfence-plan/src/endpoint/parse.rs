//! From text to endpoints. One meaning a text: what two programs could read differently is refused, with what to write.
//!
//! Not a URL parser: a rule speaks of hosts and ports, not of users and pages.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Endpoint, HostName, HostPattern, Ports, Protocol, Target, first_of_block};

/// Why a text names no endpoint. Reads on after "it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadEndpoint {
    /// Nothing is there.
    Empty,
    /// A character that no host has; the text is not repeated, since it may be anything.
    Character(char),
    /// A label is empty: two dots, or one at the start.
    EmptyLabel,
    /// It ends with a dot.
    TrailingDot,
    /// A label has more than 63 characters.
    LongLabel,
    /// The name has more than 253 characters.
    LongName,
    /// A label starts or ends with a hyphen.
    Hyphen,
    /// Characters outside ASCII.
    International,
    /// A `*` anywhere but as the first label.
    Wildcard,
    /// An IPv4 address in another form than four decimal numbers.
    OddIpv4,
    /// An IPv6 address without brackets.
    NoBrackets,
    /// What stands in brackets is no IPv6 address.
    BadIpv6,
    /// An IPv4 address written as an IPv6 one.
    Ipv4InIpv6(Option<Ipv4Addr>),
    /// A zone behind an address.
    Zone,
    /// A prefix that is no number, or longer than the address.
    BadPrefix,
    /// A prefix behind a name.
    PrefixOfName,
    /// Bits behind the prefix; the block that is meant.
    HostBits(IpAddr, u8),
    /// A port that is none.
    BadPort,
    /// A range of ports that ends before it starts.
    PortsReversed,
    /// No port where one is needed.
    NoPort,
    /// A port where only hosts are spoken of.
    Port,
    /// An unknown scheme.
    Scheme,
    /// A user before the host.
    User,
    /// A path, query or fragment behind it.
    Path,
}

impl fmt::Display for BadEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadEndpoint::Empty => "names no host",
            BadEndpoint::Character('\0') => "contains a NUL byte",
            BadEndpoint::Character('%') => "contains a percent sign: hosts are not encoded",
            BadEndpoint::Character(c) => {
                return write!(f, "contains `{}`, which no host name has", c.escape_debug());
            }
            BadEndpoint::EmptyLabel => "has an empty label",
            BadEndpoint::TrailingDot => "ends with a dot",
            BadEndpoint::LongLabel => "has a label of more than 63 characters",
            BadEndpoint::LongName => "is longer than 253 characters",
            BadEndpoint::Hyphen => "has a label that starts or ends with a hyphen",
            BadEndpoint::International => "has characters outside ASCII",
            BadEndpoint::Wildcard => "has a `*` that is not the whole first label",
            BadEndpoint::OddIpv4 => "looks like an IPv4 address, but is not written as four decimal numbers",
            BadEndpoint::NoBrackets => "is an IPv6 address without brackets",
            BadEndpoint::BadIpv6 => "has something else than an IPv6 address in its brackets",
            BadEndpoint::Ipv4InIpv6(_) => "is an IPv4 address written as an IPv6 one",
            BadEndpoint::Zone => "has a zone, which only one machine knows",
            BadEndpoint::BadPrefix => "has a prefix that is no length of such an address",
            BadEndpoint::PrefixOfName => "has a prefix behind a name",
            BadEndpoint::HostBits(..) => "has bits behind its prefix",
            BadEndpoint::BadPort => "has a port that is no number from 1 to 65535",
            BadEndpoint::PortsReversed => "has ports that end before they start",
            BadEndpoint::NoPort => "names no port",
            BadEndpoint::Port => "names a port, where only hosts are spoken of",
            BadEndpoint::Scheme => "has a scheme that is not known",
            BadEndpoint::User => "names a user",
            BadEndpoint::Path => "names a path: rules speak of hosts and ports",
        })
    }
}

impl std::error::Error for BadEndpoint {}

impl BadEndpoint {
    /// What to write instead, where that can be said.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            BadEndpoint::International => "write the name in its `xn--` form".into(),
            BadEndpoint::Wildcard => "write `*.example.org` for every name below example.org".into(),
            BadEndpoint::TrailingDot => "leave the last dot out; every name is meant from the root".into(),
            BadEndpoint::NoBrackets => "write `[2001:db8::1]:443`".into(),
            BadEndpoint::OddIpv4 => "write it like `192.0.2.1`, without leading zeros".into(),
            BadEndpoint::Ipv4InIpv6(Some(address)) => format!("write `{address}`"),
            BadEndpoint::Ipv4InIpv6(None) => "write the block of IPv4 addresses".into(),
            BadEndpoint::HostBits(address, prefix) => {
                let host = HostPattern::Block { address: *address, prefix: *prefix };
                format!("write `{host}` for the block, or leave the prefix out for the one address")
            }
            BadEndpoint::BadPort => "write one port, like `:443`, or a range, like `:8000-8099`".into(),
            BadEndpoint::NoPort => "write it behind the host, like `:53`".into(),
            BadEndpoint::Scheme => "the schemes are tcp, udp, http, https and ssh".into(),
            BadEndpoint::PrefixOfName => "write `*.example.org` for every name below example.org".into(),
            _ => return None,
        })
    }
}

pub(super) fn endpoints(text: &str) -> Result<Vec<Endpoint>, BadEndpoint> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let (protocol, defaults): (Protocol, &[u16]) = match scheme {
        None | Some("tcp") => (Protocol::Tcp, &[80, 443]),
        Some("http") => (Protocol::Tcp, &[80]),
        Some("https") => (Protocol::Tcp, &[443]),
        Some("ssh") => (Protocol::Tcp, &[22]),
        Some("udp") => (Protocol::Udp, &[]),
        Some(_) => return Err(BadEndpoint::Scheme),
    };
    check_characters(rest)?;
    let (host, ports) = split_ports(rest)?;
    let host = host_pattern(host)?;
    let endpoint = |ports| Endpoint { host: host.clone(), ports, protocol };
    match ports {
        Some(ports) => Ok(vec![endpoint(read_ports(ports)?)]),
        None if defaults.is_empty() => Err(BadEndpoint::NoPort),
        None => Ok(defaults.iter().map(|port| endpoint(Ports::one(*port))).collect()),
    }
}

pub(super) fn hosts(text: &str) -> Result<HostPattern, BadEndpoint> {
    check_characters(text)?;
    match split_ports(text)? {
        (host, None) => host_pattern(host),
        (_, Some(_)) => Err(BadEndpoint::Port),
    }
}

pub(super) fn target(text: &str) -> Result<Target, BadEndpoint> {
    check_characters(text)?;
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(inner) = inner {
        return inner.parse().map(|v6| Target::address(IpAddr::V6(v6))).map_err(|_| BadEndpoint::BadIpv6);
    }
    if text.contains(':') {
        return text.parse().map(|v6| Target::address(IpAddr::V6(v6))).map_err(|_| BadEndpoint::BadIpv6);
    }
    match ipv4(text)? {
        Some(address) => Ok(Target::Address(IpAddr::V4(address))),
        None => HostName::parse(text).map(Target::Name),
    }
}

/// What is in no host, whichever form it has; first, so that the report names the real reason.
fn check_characters(text: &str) -> Result<(), BadEndpoint> {
    if text.is_empty() {
        return Err(BadEndpoint::Empty);
    }
    let inside = |open: usize, close: usize, at: usize| open < at && at < close;
    for (at, c) in text.char_indices() {
        match c {
            '%' if matches!((text.find('['), text.find(']')), (Some(open), Some(close)) if inside(open, close, at)) =>
            {
                return Err(BadEndpoint::Zone);
            }
            '%' if text.matches(':').count() > 1 => return Err(BadEndpoint::Zone),
            '@' => return Err(BadEndpoint::User),
            '?' | '#' | '\\' => return Err(BadEndpoint::Path),
            c if !c.is_ascii() => return Err(BadEndpoint::International),
            c if c.is_ascii_alphanumeric() => {}
            '.' | '-' | '*' | ':' | '/' | '[' | ']' => {}
            c => return Err(BadEndpoint::Character(c)),
        }
    }
    Ok(())
}

/// The host, and what stands behind the colon that ends it.
fn split_ports(text: &str) -> Result<(&str, Option<&str>), BadEndpoint> {
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    let (head, tail) = text.split_at(after_brackets);
    match tail.split_once(':') {
        None => Ok((text, None)),
        Some(_) if head.is_empty() && text.contains('[') => Err(BadEndpoint::BadIpv6),
        Some((_, ports)) if ports.contains(':') && head.is_empty() => Err(BadEndpoint::NoBrackets),
        Some((behind, ports)) => Ok((&text[..head.len() + behind.len()], Some(ports))),
    }
}

fn read_ports(text: &str) -> Result<Ports, BadEndpoint> {
    if text.contains('/') {
        return Err(BadEndpoint::Path);
    }
    let port = |digits: &str| {
        let plain =
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse::<u16>().ok().filter(|_| plain).ok_or(BadEndpoint::BadPort)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = Ports { first: port(first)?, last: port(last)? };
    if ports.first <= ports.last { Ok(ports) } else { Err(BadEndpoint::PortsReversed) }
}

fn host_pattern(text: &str) -> Result<HostPattern, BadEndpoint> {
    let (host, prefix) = match text.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix)),
        None => (text, None),
    };
    if host.starts_with('[') {
        return ipv6_block(host, prefix);
    }
    if host.contains(['[', ']']) {
        return Err(BadEndpoint::BadIpv6);
    }
    if let Some(address) = ipv4(host)? {
        return block(IpAddr::V4(address), prefix);
    }
    match (prefix, host.strip_prefix("*.")) {
        // A word and digits behind a slash is a page, not a block.
        (Some(prefix), _) if prefix.parse::<u8>().is_err() => Err(BadEndpoint::Path),
        (Some(_), _) => Err(BadEndpoint::PrefixOfName),
        (None, Some(top)) => HostName::parse(top).map(HostPattern::Below),
        (None, None) => HostName::parse(host).map(HostPattern::Name),
    }
}

fn ipv6_block(host: &str, prefix: Option<&str>) -> Result<HostPattern, BadEndpoint> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).ok_or(BadEndpoint::BadIpv6)?;
    let address: Ipv6Addr = inner.parse().map_err(|_| BadEndpoint::BadIpv6)?;
    if let Some(inside) = mapped_or_compatible(address) {
        let whole = prefix.is_none_or(|prefix| prefix == "128");
        return Err(BadEndpoint::Ipv4InIpv6(whole.then_some(inside)));
    }
    if inner.contains('.') {
        return Err(BadEndpoint::BadIpv6);
    }
    block(IpAddr::V6(address), prefix)
}

/// The IPv4 address that `address` is another spelling of. `::` and `::1` are addresses of their own.
fn mapped_or_compatible(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => Some(Ipv4Addr::from_bits(address.to_bits() as u32)),
        _ => None,
    }
}

fn block(address: IpAddr, prefix: Option<&str>) -> Result<HostPattern, BadEndpoint> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    let Some(text) = prefix else { return Ok(HostPattern::Block { address, prefix: most }) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let prefix = text.parse().ok().filter(|prefix| plain && *prefix <= most).ok_or(BadEndpoint::BadPrefix)?;
    match first_of_block(address, prefix) {
        Some(first) if first == address => Ok(HostPattern::Block { address, prefix }),
        Some(first) => Err(BadEndpoint::HostBits(first, prefix)),
        None => Err(BadEndpoint::BadPrefix),
    }
}

/// An IPv4 address in its one form. Octal, hexadecimal and short forms, which inet_aton(3) takes, are refused and not
/// taken for names: a resolver would connect to what no rule speaks of.
fn ipv4(text: &str) -> Result<Option<Ipv4Addr>, BadEndpoint> {
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or(text);
    let number = |digits: &str, radix| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    if !number(last, 10) && !hex.is_some_and(|digits| digits.is_empty() || number(digits, 16)) {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| BadEndpoint::OddIpv4)
}

pub(super) fn name(text: &str) -> Result<String, BadEndpoint> {
    check_characters(text)?;
    if ipv4(text)?.is_some() {
        return Err(BadEndpoint::OddIpv4);
    }
    if text.contains('*') {
        return Err(BadEndpoint::Wildcard);
    }
    if let Some(c) = text.chars().find(|c| matches!(c, ':' | '/' | '[' | ']')) {
        return Err(BadEndpoint::Character(c));
    }
    if text != "." && text.ends_with('.') && !text.ends_with("..") {
        return Err(BadEndpoint::TrailingDot);
    }
    if text.len() > 253 {
        return Err(BadEndpoint::LongName);
    }
    text.split('.').try_for_each(check_label)?;
    Ok(text.to_ascii_lowercase())
}

fn check_label(label: &str) -> Result<(), BadEndpoint> {
    match label {
        "" => Err(BadEndpoint::EmptyLabel),
        _ if label.len() > 63 => Err(BadEndpoint::LongLabel),
        _ if label.starts_with('-') || label.ends_with('-') => Err(BadEndpoint::Hyphen),
        _ => Ok(()),
    }
}
