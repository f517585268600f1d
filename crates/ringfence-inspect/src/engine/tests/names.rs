//! Whom a client may name on a connection.

use ringfence_plan::NetworkRule;

use super::*;

#[test]
fn without_encryption_nobody_is_named_whom_a_rule_denies() {
    let [evil, good]: [NetworkRule; 2] = ["evil.org:80", "*.org:1-65535"]
        .map(|text| NetworkRule { endpoint: text.parse().unwrap(), rule: RuleId(0) });
    let network =
        Network { mode: NetworkMode::Rules, allow: vec![good], deny: vec![evil], ..Network::none(RuleId(0)) };
    let names = ["a.org", "evil.org"].map(|name| Target::parse(name).unwrap()).to_vec();
    within(async {
        for (anybody, host, reached) in [
            (true, "a.org", 1),
            (true, "c.org", 1),
            (true, "evil.org", 0),
            (false, "a.org", 1),
            (false, "c.org", 0),
            (false, "evil.org", 0),
        ] {
            let inspector = inspector();
            let rules = Rules::over(network.clone(), Reach::new(network.clone(), Vec::new()));
            *inspector.rules.borrow_mut() = Rc::new(rules);
            let address = Target::parse("192.0.2.1").unwrap();
            let peer = Peer::Plain { names: names.clone(), anybody, address, port: 80 };
            let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let got = carried_by(inspector, peer, (text.as_bytes(), 1)).await.1;
            assert_eq!(got, reached, "{anybody} {host}");
        }
    });
}
