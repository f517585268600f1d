//! What an endpoint means, and what is refused because it could mean two things.

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Endpoint {
    text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
}

fn covers(rule: &str, target: &str, port: u16) -> bool {
    one(rule).covers(&Target::parse(target).unwrap(), port, Protocol::Tcp)
}

#[test]
fn every_form_reads_and_is_written_out_canonically() {
    let cases = [
        ("API.GitHub.com", "api.github.com:80, api.github.com:443"),
        ("api.github.com:8443", "api.github.com:8443"),
        ("*.example.org:443", "*.example.org:443"),
        ("10.0.0.0/8:5432-5440", "10.0.0.0/8:5432-5440"),
        ("192.0.2.1", "192.0.2.1:80, 192.0.2.1:443"),
        ("0.0.0.0/0:443", "0.0.0.0/0:443"),
        ("[2001:db8::]/32:443", "[2001:db8::]/32:443"),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"),
        ("[::]/0:443", "[::]/0:443"),
        ("[::1]", "[::1]:80, [::1]:443"),
        ("udp://1.2.3.4:53", "udp://1.2.3.4:53"),
        ("tcp://db:5432", "db:5432"),
        ("ssh://host", "host:22"),
        ("ssh://host:2222", "host:2222"),
        ("https://host", "host:443"),
        ("http://host", "host:80"),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
        ("r1---sn-x.example:443", "r1---sn-x.example:443"),
    ];
    for (text, expected) in cases {
        let read = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text} {error}"));
        let written: Vec<_> = read.iter().map(Endpoint::to_string).collect();
        assert_eq!(written.join(", "), expected, "{text}");
    }
}

#[test]
fn odd_forms_are_refused_with_the_reason() {
    use BadEndpoint::*;
    let label = "x".repeat(64);
    let name = vec!["x".repeat(60); 5].join(".");
    let v4 = |text: &str| Some(text.parse().unwrap());
    let cases: &[(&str, BadEndpoint)] = &[
        ("", Empty),
        ("udp://", Empty),
        (":443", Empty),
        ("a\0.example.org:443", Character('\0')),
        ("a%00.example.org", Character('%')),
        ("a%2eexample.org", Character('%')),
        ("a b.example", Character(' ')),
        ("a.example\r\nx:443", Character('\r')),
        ("under_score.example", Character('_')),
        ("a.example:443,8443", Character(',')),
        ("user@a.example", User),
        ("a.example@b.example:443", User),
        ("https://a.example/page", Path),
        ("a.example/", Path),
        ("a.example:443/", Path),
        ("a.example?x", Path),
        ("a.example\\b.example", Path),
        ("ftp://a.example", Scheme),
        ("TCP://a.example", Scheme),
        ("a.example.", TrailingDot),
        ("a.example.:443", TrailingDot),
        (".a.example", EmptyLabel),
        ("a..example", EmptyLabel),
        ("a.example..", EmptyLabel),
        (".", EmptyLabel),
        ("-a.example", Hyphen),
        ("a-.example", Hyphen),
        (&label, LongLabel),
        (&name, LongName),
        ("bücher.example", International),
        ("аpple.example", International),
        ("a。example", International),
        ("*", Wildcard),
        ("*:443", Wildcard),
        ("*.*.example", Wildcard),
        ("a.*.example", Wildcard),
        ("a*.example", Wildcard),
        ("*.", Empty),
        ("0177.0.0.1", OddIpv4),
        ("0x7f000001", OddIpv4),
        ("0x7f.0.0.1", OddIpv4),
        ("127.0.0.0x1", OddIpv4),
        ("a.0x", OddIpv4),
        ("2130706433", OddIpv4),
        ("127.1", OddIpv4),
        ("127.0.0.01", OddIpv4),
        ("1.2.3.4.5", OddIpv4),
        ("1.2.3.256", OddIpv4),
        ("1.2.3.4.", OddIpv4),
        ("*.1.2.3", OddIpv4),
        ("*.2.3.4.5", OddIpv4),
        ("a.b.1", OddIpv4),
        ("2001:db8::1", NoBrackets),
        ("::1", NoBrackets),
        ("::ffff:1.2.3.4", NoBrackets),
        ("fe80::1%eth0", Zone),
        ("[fe80::1%25eth0]:443", Zone),
        ("[1.2.3.4]", BadIpv6),
        ("[::1", BadIpv6),
        ("::1]", BadIpv6),
        ("[2001:db8::1.2.3.4]", BadIpv6),
        ("[2001:db8::/32]:443", BadIpv6),
        ("[a.example]:443", BadIpv6),
        ("[::ffff:1.2.3.4]:443", Ipv4InIpv6(v4("1.2.3.4"))),
        ("[::ffff:102:304]:443", Ipv4InIpv6(v4("1.2.3.4"))),
        ("[::102:304]:443", Ipv4InIpv6(v4("1.2.3.4"))),
        ("[::ffff:0:0]/96:443", Ipv4InIpv6(None)),
        ("10.0.0.0/33", BadPrefix),
        ("10.0.0.0/", BadPrefix),
        ("10.0.0.0/08", BadPrefix),
        ("10.0.0.0/+8", Character('+')),
        ("10.0.0.0/255.0.0.0", BadPrefix),
        ("[2001:db8::]/129", BadPrefix),
        ("example.org/8", PrefixOfName),
        ("10.1.2.3/8:443", HostBits("10.0.0.0".parse().unwrap(), 8)),
        ("[2001:db8::1]/32", HostBits("2001:db8::".parse().unwrap(), 32)),
        ("a.example:", BadPort),
        ("a.example:0", BadPort),
        ("a.example:0443", BadPort),
        ("a.example:65536", BadPort),
        ("a.example:https", BadPort),
        ("a.example:-443", BadPort),
        ("a.example:443-", BadPort),
        ("a.example:*", BadPort),
        ("a.example:1:2", NoBrackets),
        ("[::1]:1:2", BadPort),
        ("a.example:443-80", PortsReversed),
        ("udp://a.example", NoPort),
    ];
    for (text, expected) in cases {
        assert_eq!(Endpoint::parse(text).as_ref(), Err(expected), "{text:?}");
    }
}

#[test]
fn a_name_covers_itself_and_a_wildcard_what_lies_below() {
    assert!(covers("a.example:443", "A.Example", 443));
    assert!(!covers("a.example:443", "a.example", 80));
    assert!(!covers("a.example:443", "b.a.example", 443));
    assert!(covers("*.example:443", "b.a.example", 443));
    assert!(!covers("*.example:443", "example", 443));
    assert!(!covers("*.example:443", "notexample", 443));
    assert!(!covers("udp://a.example:443", "a.example", 443));
    assert!(covers("db:5432-5440", "db", 5440) && !covers("db:5432-5440", "db", 5441));
}

#[test]
fn names_and_addresses_never_cover_each_other() {
    assert!(!covers("0.0.0.0/0:443", "a.example", 443));
    assert!(!covers("[::]/0:443", "a.example", 443));
    assert!(!covers("a.example:443", "192.0.2.1", 443));
    assert!(!covers("0.0.0.0/0:443", "2001:db8::1", 443));
    assert!(!covers("[::]/0:443", "192.0.2.1", 443));
}

#[test]
fn a_block_covers_its_addresses_in_whatever_dress() {
    assert!(covers("10.0.0.0/8:443", "10.255.0.1", 443) && !covers("10.0.0.0/8:443", "11.0.0.0", 443));
    assert!(covers("10.0.0.0/8:443", "[::ffff:10.1.1.1]", 443));
    assert!(!covers("[::]/0:443", "::ffff:10.1.1.1", 443));
    assert!(covers("[2001:db8::]/32:443", "2001:db8:ffff::1", 443));
    assert!(!covers("[2001:db8::]/32:443", "2001:db9::1", 443));
    for odd in
        ["0177.0.0.1", "127.1", "2130706433", "0x7f000001", "127.0.0.1.", "[127.0.0.1]", "fe80::1%1", "a."]
    {
        assert!(Target::parse(odd).is_err(), "{odd}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for text in ["a.example:443", "udp://*.example:1-65535", "[2001:db8::]/32:443", "10.0.0.0/8:1"] {
        let endpoint = one(text);
        let json = serde_json::to_string(&endpoint).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<Endpoint>(&json).unwrap(), endpoint);
    }
    // No port means two endpoints, and one value is one.
    assert!(serde_json::from_str::<Endpoint>("\"a.example\"").is_err());
    assert!(serde_json::from_str::<HostName>("\"A..b\"").is_err());
}

fn host() -> impl Strategy<Value = HostPattern> {
    let name = || prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4);
    let named = |labels: Vec<&str>| HostName::parse(&labels.join(".")).unwrap();
    let v4 = (0u32..8, 0u8..=32).prop_map(|(bits, prefix)| (IpAddr::V4((bits << 29).into()), prefix));
    let v6 = (0u128..8, 0u8..=128).prop_map(|(bits, prefix)| (IpAddr::V6((bits << 125).into()), prefix));
    prop_oneof![
        name().prop_map(move |labels| HostPattern::Name(named(labels))),
        name().prop_map(move |labels| HostPattern::Below(named(labels))),
        prop_oneof![v4, v6].prop_map(|(address, prefix)| HostPattern::Block {
            address: first_of_block(address, prefix).unwrap(),
            prefix
        }),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    (host(), 1u16..9, 0u16..9, protocol).prop_map(|(host, first, more, protocol)| Endpoint {
        host,
        ports: Ports { first, last: first + more },
        protocol,
    })
}

fn target() -> impl Strategy<Value = Target> {
    let name = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5);
    prop_oneof![
        name.prop_map(|labels| Target::Name(HostName::parse(&labels.join(".")).unwrap())),
        (0u32..8).prop_map(|bits| Target::address(IpAddr::V4((bits << 29 | 1).into()))),
        (0u128..8).prop_map(|bits| Target::address(IpAddr::V6((bits << 125 | 1 << 60).into()))),
    ]
}

proptest! {
    #[test]
    fn display_round_trips(endpoint in endpoint()) {
        prop_assert_eq!(one(&endpoint.to_string()), endpoint);
    }

    #[test]
    fn an_intersection_means_what_both_mean(
        left in endpoint(), right in endpoint(), targets in prop::collection::vec(target(), 20), port in 1u16..18,
    ) {
        let both = left.intersect(&right);
        prop_assert_eq!(&both, &right.intersect(&left));
        for target in &targets {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let is = both.as_ref().is_some_and(|both| both.covers(target, port, protocol));
                let should = left.covers(target, port, protocol) && right.covers(target, port, protocol);
                prop_assert_eq!(is, should, "{} and {} on {}:{}", left, right, target, port);
                if left.is_within(&right) && left.covers(target, port, protocol) {
                    prop_assert!(right.covers(target, port, protocol));
                }
            }
        }
        prop_assert_eq!(both.as_ref() == Some(&left), left.is_within(&right));
    }

    #[test]
    fn no_text_is_read_in_two_ways(text in "[a-c*.:/0-9x%@\\[\\]-]{0,12}") {
        for endpoint in Endpoint::parse(&text).unwrap_or_default() {
            prop_assert_eq!(one(&endpoint.to_string()), endpoint);
        }
        if let Ok(name) = HostName::parse(&text) {
            prop_assert!(name.as_str().parse::<IpAddr>().is_err());
        }
    }
}
