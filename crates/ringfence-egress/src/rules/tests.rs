//! The decisions, each as a promise.

use ringfence_plan::{Granted, HostPort};

use super::*;

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn rule(host: HostPattern, first: u16, last: u16, id: u32) -> NetworkRule {
    let endpoint = Endpoint { host, ports: Ports { first, last }, protocol: Protocol::Tcp };
    NetworkRule { endpoint, rule: RuleId(id) }
}

fn block(text: &str, prefix: u8) -> HostPattern {
    HostPattern::Block { address: text.parse().unwrap(), prefix }
}

fn rules(allow: Vec<NetworkRule>, deny: Vec<NetworkRule>) -> Rules {
    Rules::new(Network { mode: NetworkMode::Rules, allow, deny, ..Network::none(RuleId(0)) }, Vec::new())
}

#[test]
fn the_parent_proxy_is_reached_by_a_rule_for_its_very_address_alone() {
    let proxy = "10.0.0.5".parse().unwrap();
    let wide = rules(vec![rule(block("10.0.0.0", 8), 1, 65535, 1)], Vec::new());
    assert_eq!(wide.by_address(proxy, 3128, Owner::Other), Ok(RuleId(1)));
    assert_eq!(wide.by_address(proxy, 3128, Owner::ParentProxy), Err(wide.parent_proxy()));
    assert_eq!(wide.leads_to(proxy, 3128, Owner::ParentProxy), Err(wide.parent_proxy()));
    let exact = rules(vec![rule(block("10.0.0.5", 32), 3128, 3128, 2)], Vec::new());
    assert_eq!(exact.by_address(proxy, 3128, Owner::ParentProxy), Ok(RuleId(2)));
    let host = Rules::new(Network { mode: NetworkMode::Host, ..Network::none(RuleId(0)) }, Vec::new());
    assert_eq!(host.by_address(proxy, 3128, Owner::ParentProxy), Err(host.parent_proxy()));
}

#[test]
fn a_name_is_matched_label_by_label_and_deny_wins() {
    let rules = rules(
        vec![
            rule(HostPattern::Name(name("api.example.org")), 443, 443, 1),
            rule(HostPattern::Below(name("example.org")), 443, 443, 2),
        ],
        vec![rule(HostPattern::Name(name("bad.example.org")), 1, 65535, 3)],
    );
    assert_eq!(rules.by_name(&name("API.example.org"), 443), Ok(RuleId(1)));
    assert_eq!(rules.by_name(&name("a.b.example.org"), 443), Ok(RuleId(2)));
    assert_eq!(rules.by_name(&name("bad.example.org"), 443).unwrap_err().rule, RuleId(3));
    for refused in ["example.org", "evilexample.org", "example.org.evil.net", "api.example.orgx"] {
        assert!(rules.by_name(&name(refused), 443).is_err(), "{refused}");
        assert!(rules.may_be_asked(&name(refused)).is_err(), "{refused}");
    }
    assert!(rules.by_name(&name("api.example.org"), 80).is_err());
    assert!(rules.may_be_asked(&name("bad.example.org")).is_err());
}

#[test]
fn a_special_address_needs_a_block_within_its_kind() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let all = rules(vec![rule(block("0.0.0.0", 0), 1, 65535, 1), rule(block("::", 0), 1, 65535, 1)], vec![]);
    assert!(all.by_address(address("9.9.9.9"), 53, Owner::Other).is_ok());
    for special in ["10.0.0.1", "169.254.169.254", "127.0.0.1", "fd00:ec2::254", "::1"] {
        assert!(all.by_address(address(special), 80, Owner::Other).is_err(), "{special}");
        assert!(all.leads_to(address(special), 80, Owner::Other).is_err(), "{special}");
        assert!(!all.may_be_told(address(special)), "{special}");
    }
    let lan = rules(
        vec![rule(block("10.1.0.0", 16), 5432, 5432, 1)],
        vec![rule(block("10.1.9.0", 24), 1, 65535, 2)],
    );
    assert!(lan.by_address(address("10.1.2.3"), 5432, Owner::Other).is_ok());
    assert!(lan.leads_to(address("10.1.2.3"), 5432, Owner::Other).is_ok());
    assert!(lan.by_address(address("10.1.2.3"), 5433, Owner::Other).is_err());
    assert!(lan.by_address(address("10.2.2.3"), 5432, Owner::Other).is_err());
    assert_eq!(lan.by_address(address("10.1.9.3"), 5432, Owner::Other).unwrap_err().rule, RuleId(2));
    assert!(lan.by_address(address("10.1.2.3"), 5432, Owner::ThisMachine).is_err());
    let own = rules(vec![rule(block("10.1.2.3", 32), 1, 65535, 1)], vec![]);
    assert!(own.by_address(address("10.1.2.3"), 1, Owner::ThisMachine).is_ok());
}

#[test]
fn a_port_of_the_host_needs_its_own_rule_and_a_denial_wins() {
    let named = HostPort { port: 5432, rule: RuleId(1) };
    let network =
        Network { mode: NetworkMode::Rules, host: Granted::Only(vec![named]), ..Network::none(RuleId(0)) };
    let denying = |host: HostPattern| Network { deny: vec![rule(host, 1, 65535, 2)], ..network.clone() };
    let port = |network: &Network, port| Rules::new(network.clone(), Vec::new()).host_port(port);
    assert_eq!(port(&network, 5432), Ok(RuleId(1)));
    assert_eq!(port(&network, 5433).unwrap_err().barrier, Barrier::NothingAllows);
    for denied in [HostPattern::Name(name("localhost")), block("127.0.0.0", 8), block("::1", 128)] {
        assert_eq!(port(&denying(denied), 5432).unwrap_err().rule, RuleId(2));
    }
    assert!(port(&denying(HostPattern::Name(name("other.example"))), 5432).is_ok());
    // Not by its address either, as one of all addresses.
    let loopback = "127.0.0.1".parse().unwrap();
    assert!(Rules::new(network, Vec::new()).by_address(loopback, 5432, Owner::ThisMachine).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn rules_that_are_handed_over_are_the_same() {
    use std::io::{Seek, Write};
    let rule = rule(HostPattern::Below(name("example.org")), 443, 443, 1);
    let network = Network { mode: NetworkMode::Rules, allow: vec![rule], ..Network::none(RuleId(0)) };
    let texts = vec![Rule { text: "x".into(), origin: ringfence_plan::Origin::Flag("--x".into()) }];
    let memory = || {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        File::from(rustix::fs::memfd_create("rules", flags).unwrap())
    };
    let mut file = memory();
    file.write_all(&serde_json::to_vec(&(&network, &texts)).unwrap()).unwrap();
    file.rewind().unwrap();
    let read = Rules::read(file).unwrap();
    assert_eq!((read.network, read.texts), (network, texts));
    assert!(Rules::read(memory()).is_err());
}

#[test]
fn who_may_reach_name_servers_may_ask_for_any_name_and_gets_no_further_by_it() {
    let of = |texts: &[&str]| {
        let rule = |text: &&str| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(1) };
        texts.iter().map(rule).collect::<Vec<_>>()
    };
    let servers = rules(of(&["udp://9.9.9.9:53", "10.0.0.0/8:443"]), of(&["bad.example:1-65535"]));
    assert!(servers.may_be_asked(&name("any.example")).is_ok());
    assert!(servers.may_be_asked(&name("bad.example")).is_err());
    assert!(servers.by_name(&name("any.example"), 443).is_err());
    for no_server in ["9.9.9.9:53", "udp://9.9.9.9:54", "udp://dns.example:53"] {
        assert!(
            rules(of(&[no_server]), Vec::new()).may_be_asked(&name("any.example")).is_err(),
            "{no_server}"
        );
    }
}

#[test]
fn a_rule_of_one_protocol_says_nothing_of_the_other() {
    let datagrams = |port| Service { port, protocol: Protocol::Udp };
    let of = |texts: &[&str]| {
        let rule = |text: &&str| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(1) };
        texts.iter().map(rule).collect::<Vec<_>>()
    };
    let allow = of(&["udp://time.example:123", "web.example:443", "udp://0.0.0.0/0:9", "udp://10.0.0.0/8:7"]);
    let rules = rules(allow, of(&["web.example:1-65535"]));
    assert!(rules.by_name(&name("time.example"), datagrams(123)).is_ok());
    assert!(rules.by_name(&name("time.example"), 123).is_err());
    assert!(rules.may_be_asked(&name("time.example")).is_ok());
    assert!(rules.may_be_asked(&name("web.example")).is_err());
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(rules.by_address(address("9.9.9.9"), datagrams(9), Owner::Other).is_ok());
    assert!(rules.by_address(address("9.9.9.9"), 9, Owner::Other).is_err());
    assert!(rules.by_address(address("10.0.0.1"), datagrams(9), Owner::Other).is_err());
    assert!(rules.by_address(address("10.0.0.1"), datagrams(7), Owner::Other).is_ok());
    assert!(rules.leads_to(address("10.0.0.1"), datagrams(123), Owner::Other).is_err());
}

#[test]
fn a_loopback_address_is_never_reached_though_named() {
    let rules = rules(vec![rule(block("127.0.0.1", 32), 1, 65535, 1)], vec![]);
    assert!(rules.by_address("127.0.0.1".parse().unwrap(), 80, Owner::ThisMachine).is_err());
}
