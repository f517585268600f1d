//! Single values of the network: ports, proxies, resolvers, hosts that requests are made to.
//!
//! Tables of them are read in `record`.

use ringfence_plan::{
    BadEndpoint, Endpoint, HostPattern, Ports, Protocol, ProxyScheme, ProxyServer, Target, UpstreamScheme,
};

use super::scalar::BadValue;
use crate::nearest::nearest;
use crate::statement::Value;

/// A host with its ports, as in `allow`.
pub(crate) fn endpoint(words: &str) -> Result<Value, BadValue> {
    if words == "*" {
        return Err(bad(
            "names every host, which no rule does",
            "name hosts, or all below a name, like `*.example.org`; `--network host` is a network without rules, and \
             `--network none` is none",
        ));
    }
    Endpoint::parse(words).map(Value::Endpoints).map_err(|bad| {
        let help = match bad {
            BadEndpoint::Path => Some(
                "name the host alone; what it may be asked for is said in a policy: [[network.http]] with host and paths"
                    .into(),
            ),
            _ => bad.help(),
        };
        BadValue { why: bad.to_string().into(), help }
    })
}

/// Where requests go: as in `allow`, but without a port 443 alone.
pub(crate) fn web_endpoint(words: &str) -> Result<Endpoint, BadValue> {
    if words.starts_with(crate::groups::MARK) {
        return Err(bad(
            "is a group of hosts, and each is asked for other things",
            "name the host, as in `host = \"api.example.org\"`",
        ));
    }
    let endpoints = Endpoint::parse(words).map_err(|bad| {
        let help = match bad {
            BadEndpoint::Path => Some("paths stand beside it: paths = [\"/repos/**\"]".into()),
            _ => bad.help(),
        };
        BadValue { why: bad.to_string().into(), help }
    })?;
    let secure = |endpoint: &&Endpoint| endpoints.len() == 1 || endpoint.ports == Ports::one(443);
    match endpoints.iter().find(secure) {
        Some(endpoint) if endpoint.protocol == Protocol::Tcp => Ok(endpoint.clone()),
        _ => Err(bad("is reached over UDP, and requests go over TCP", "leave `udp://` out")),
    }
}

/// `8080:3000`, or one number for both.
pub(crate) fn publish(words: &str) -> Result<Value, BadValue> {
    let (outside, inside) = words.split_once(':').unwrap_or((words, words));
    if inside.contains(':') {
        return Err(bad(
            "names an address",
            "ports are published on the host's 127.0.0.1 alone: \"8080:3000\"",
        ));
    }
    match (port(outside), port(inside)) {
        (Some(outside), Some(inside)) => Ok(Value::Publish { outside, inside }),
        _ => Err(bad(PORT, "write the host's port and the one inside, like \"8080:3000\", or one for both")),
    }
}

/// One number for both sides.
pub(crate) fn listen(words: &str) -> Result<Value, BadValue> {
    match port(words) {
        Some(port) => Ok(Value::Publish { outside: port, inside: port }),
        None if words.contains(':') => {
            Err(bad("names two ports", &format!("write publish = [\"{}\"]", printable(words))))
        }
        None => Err(bad(PORT, "write a number, like 3000")),
    }
}

/// `localhost:5432`.
pub(crate) fn host_port(words: &str) -> Result<Value, BadValue> {
    let number = match words.rsplit_once(':') {
        Some(("localhost", number)) => number,
        Some(("127.0.0.1" | "[::1]", number)) if port(number).is_some() => {
            return Err(bad("names the loopback by its address", &format!("write \"localhost:{number}\"")));
        }
        Some((_, number)) if port(number).is_some() => {
            return Err(bad("is not on this machine's loopback", "name other hosts in `allow`"));
        }
        Some(_) => "",
        None => words,
    };
    match port(number) {
        Some(port) => Ok(Value::HostPort(port)),
        None => Err(bad("names no port of the host's loopback", "write it like \"localhost:5432\"")),
    }
}

/// One host, a block of addresses, or what lies below a name.
pub(crate) fn host(words: &str) -> Result<Value, BadValue> {
    HostPattern::parse(words).map(Value::Host).map_err(|why| {
        let below = words.strip_prefix('.').filter(|rest| HostPattern::parse(rest).is_ok());
        let help = below.map(|rest| format!("write \"*.{rest}\" for every name below {rest}"));
        BadValue { why: why.to_string().into(), help: help.or_else(|| why.help()) }
    })
}

/// `http://proxy.example.org:3128`, or `environment`.
pub(crate) fn proxy(words: &str) -> Result<Value, BadValue> {
    if words == "environment" {
        return Ok(Value::Proxy(ProxyServer::Environment));
    }
    const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];
    let Some((scheme, rest)) = words.split_once("://") else {
        let help = match nearest(words, ["environment"].into_iter()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write it like \"http://proxy.example.org:3128\", or \"environment\"".into(),
        };
        return Err(bad("names no scheme", &help));
    };
    let scheme = match scheme {
        "http" => ProxyScheme::Http,
        "https" => ProxyScheme::Https,
        // Names go to the proxy either way: this program does not look them up for it.
        "socks5" | "socks5h" => ProxyScheme::Socks5,
        _ => {
            return Err(bad("is no proxy of a known kind", &format!("the kinds are {}", SCHEMES.join(", "))));
        }
    };
    let (host, port) = server(rest.strip_suffix('/').unwrap_or(rest), None)?;
    Ok(Value::Proxy(ProxyServer::Named { scheme, host, port }))
}

/// `https://dns.example.org/dns-query`, or `tls://9.9.9.9`.
pub(crate) fn resolver(words: &str) -> Result<Value, BadValue> {
    let example = "write \"https://dns.example.org/dns-query\" or \"tls://dns.example.org\"";
    match words.split_once("://") {
        Some(("https", rest)) => {
            let at = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(at);
            if path.is_empty() || ringfence_plan::RequestPath::parse(path).is_err() || path.contains('?') {
                return Err(bad("names no path to ask at", example));
            }
            let (host, port) = server(authority, Some(443))?;
            Ok(Value::Resolver { scheme: UpstreamScheme::Https(path.to_owned()), host, port })
        }
        Some(("tls", rest)) => {
            let (host, port) = server(rest, Some(853))?;
            Ok(Value::Resolver { scheme: UpstreamScheme::Tls, host, port })
        }
        Some(_) => Err(bad("is no resolver of a known kind", example)),
        None => Err(bad("names no scheme; the host's resolvers are asked without this field", example)),
    }
}

/// One host and its port.
fn server(words: &str, default: Option<u16>) -> Result<(Target, u16), BadValue> {
    let problem = |why: BadEndpoint| match why {
        BadEndpoint::User => bad(
            "holds a user or a password, which would be shown with the policy",
            "name where they come from: proxy_credential = { env = \"PROXY_LOGIN\" }",
        ),
        _ => BadValue { why: why.to_string().into(), help: why.help() },
    };
    let endpoints = Endpoint::parse(words).map_err(problem)?;
    let one = |host: &HostPattern| match host {
        HostPattern::Name(name) => Some(Target::Name(name.clone())),
        HostPattern::Block { address, prefix } if *prefix == if address.is_ipv4() { 32 } else { 128 } => {
            Some(Target::address(*address))
        }
        HostPattern::Block { .. } | HostPattern::Below(_) => None,
    };
    match (endpoints.as_slice(), default) {
        // Only without a port are there two.
        ([one_of, _], Some(port)) => one(&one_of.host).map(|host| (host, port)),
        ([_, _], None) => return Err(bad("names no port", "write it behind the host, like `:3128`")),
        ([endpoint], _) if endpoint.ports.first == endpoint.ports.last => {
            one(&endpoint.host).map(|host| (host, endpoint.ports.first))
        }
        _ => None,
    }
    .ok_or_else(|| bad("names more than one server", "name one host and one port"))
}

const PORT: &str = "is no port: those are numbers from 1 to 65535";

/// A port in its one spelling.
fn port(words: &str) -> Option<u16> {
    let plain = words.bytes().all(|byte| byte.is_ascii_digit()) && !words.starts_with('0');
    words.parse().ok().filter(|_| plain)
}

fn printable(words: &str) -> String {
    words.chars().flat_map(crate::diagnostic::printable).take(40).collect()
}

fn bad(why: &str, help: &str) -> BadValue {
    BadValue { why: why.to_owned().into(), help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_one_spelling() {
        let both = |outside, inside| Ok(Value::Publish { outside, inside });
        assert_eq!(publish("8080:3000"), both(8080, 3000));
        assert_eq!(publish("3000"), both(3000, 3000));
        assert_eq!(listen("3000"), both(3000, 3000));
        assert_eq!(host_port("localhost:5432"), Ok(Value::HostPort(5432)));
        assert_eq!(host_port("5432"), Ok(Value::HostPort(5432)));
        for bad in
            ["", "0", "03000", "65536", "-1", "+1", "a", "80:", ":80", "80:0", "127.0.0.1:80:80", "80-90"]
        {
            assert!(publish(bad).is_err(), "{bad}");
            assert!(listen(bad).is_err(), "{bad}");
        }
        for bad in
            ["", "localhost", "localhost:0", "localhost:x", "example.org:80", "127.0.0.1:80", "[::1]:80"]
        {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_are_asked_of_a_host_and_of_no_group() {
        assert!(web_endpoint("api.example").is_ok());
        assert!(web_endpoint("@github").unwrap_err().why.contains("group"));
    }

    #[test]
    fn a_proxy_or_a_resolver_is_one_server() {
        let named = |scheme, host: &str, port| {
            Ok(Value::Proxy(ProxyServer::Named { scheme, host: Target::parse(host).unwrap(), port }))
        };
        assert_eq!(proxy("environment"), Ok(Value::Proxy(ProxyServer::Environment)));
        assert_eq!(proxy("http://p.example:3128"), named(ProxyScheme::Http, "p.example", 3128));
        assert_eq!(proxy("https://p.example:443/"), named(ProxyScheme::Https, "p.example", 443));
        assert_eq!(proxy("socks5h://[2001:db8::1]:1080"), named(ProxyScheme::Socks5, "2001:db8::1", 1080));
        let bad = [
            "p.example:3128",
            "http://p.example",
            "ftp://p.example:21",
            "http://u:p@p.example:3128",
            "http://*.example:3128",
            "http://p.example:1-9",
            "http://10.0.0.0/8:3128",
            "http://p.example:3128/x",
            "http://",
        ];
        for words in bad {
            assert!(proxy(words).is_err(), "{words}");
        }
        let asked = |scheme, host: &str, port| {
            Ok(Value::Resolver { scheme, host: Target::parse(host).unwrap(), port })
        };
        let https = UpstreamScheme::Https("/dns-query".into());
        assert_eq!(resolver("https://1.1.1.1/dns-query"), asked(https.clone(), "1.1.1.1", 443));
        assert_eq!(resolver("https://d.example:8443/dns-query"), asked(https, "d.example", 8443));
        assert_eq!(resolver("tls://9.9.9.9"), asked(UpstreamScheme::Tls, "9.9.9.9", 853));
        for words in
            ["9.9.9.9", "udp://9.9.9.9", "https://d.example", "https://d.example/../x", "tls://*.d.example"]
        {
            assert!(resolver(words).is_err(), "{words}");
        }
    }
}
