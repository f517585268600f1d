//! Traffic, in the directional fields and in the older ones.
//! Not paths.

use ringfence_plan::{NetworkMode, Protocol, Target};
use ringfence_policy::mxc::{Code, NoteKind};
use serde_json::{Value, json};

use super::{Scene, decides, note};

#[test]
fn without_a_word_there_is_no_network() {
    let scene = Scene::new();
    for network in [
        json!({}),
        json!({ "egress": {} }),
        json!({ "egress": { "default": "deny", "allow": [] } }),
        json!({ "ingress": { "default": "deny", "hostLoopback": "deny" } }),
        json!({ "egress": { "deny": [{}] } }),
    ] {
        let plan = scene.read(json!({ "network": network })).plan;
        assert_eq!(plan.network.held_as(), NetworkMode::None, "{network}");
    }
}

#[test]
fn directional_rules_go_by_block_exception_port_and_protocol_and_deny_wins() {
    let plan = Scene::new().read(json!({ "network": { "egress": {
        "allow": [
            { "to": [{ "cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"] }], "ports": [{ "protocol": "tcp", "port": 443 }] },
            { "to": [{ "cidr": "10.9.1.0/24" }], "ports": [{ "port": 8000, "endPort": 8009 }] },
            { "to": [{ "cidr": "2001:db8::/32" }] },
        ],
        "deny": [{ "to": [{ "cidr": "10.1.2.0/24" }] }],
    } } })).plan;
    use Protocol::{Tcp, Udp};
    let cases = [
        ("10.1.1.1", 443, Tcp, true),
        ("10.1.1.1", 443, Udp, false),
        ("10.1.1.1", 80, Tcp, false),
        ("10.9.1.1", 443, Tcp, false),
        ("10.8.255.255", 443, Tcp, true),
        ("10.10.0.0", 443, Tcp, true),
        // An exception is one of its own rule alone.
        ("10.9.1.1", 8009, Tcp, true),
        ("10.9.1.1", 8000, Udp, true),
        ("10.9.1.1", 8010, Tcp, false),
        ("10.1.2.3", 443, Tcp, false),
        ("11.0.0.1", 443, Tcp, false),
        ("2001:db8::1", 9, Udp, true),
        ("2001:db9::1", 9, Udp, false),
    ];
    for (address, port, protocol, expected) in cases {
        assert_eq!(decides(&plan, address, port, protocol), expected, "{address} {port} {protocol}");
    }
}

#[test]
fn an_allow_of_everything_names_private_networks_and_tells_what_it_does_not_lead_to() {
    let scene = Scene::new();
    for egress in [
        json!({ "default": "allow" }),
        json!({ "allow": [{}] }),
        json!({ "allow": [{ "to": [{ "cidr": "0.0.0.0/0" }, { "cidr": "::/0" }] }] }),
    ] {
        let request = scene.read(json!({ "network": { "egress": egress } }));
        let named: Vec<String> =
            request.plan.network.allow.iter().map(|rule| rule.endpoint.to_string()).collect();
        for private in [
            "10.0.0.0/8:1-65535",
            "192.168.0.0/16:1-65535",
            "udp://172.16.0.0/12:1-65535",
            "0.0.0.0/0:1-65535",
        ] {
            assert!(named.iter().any(|name| name == private), "{private}: {named:?}");
        }
        // Never the modes that share the machine's network.
        assert_eq!(request.plan.network.held_as(), NetworkMode::Rules);
        assert!(
            request
                .notes
                .iter()
                .any(|note| note.kind == NoteKind::Narrowed && note.text.contains("metadata"))
        );
        assert!(!named.iter().any(|name| name.contains("169.254") || name.contains("127.")), "{named:?}");
    }
    let plan = scene
        .read(json!({ "network": { "egress": {
        "default": "allow", "deny": [{ "to": [{ "cidr": "10.0.0.0/8" }], "ports": [{ "port": 22 }] }],
    } } }))
        .plan;
    assert!(!decides(&plan, "10.0.0.1", 22, Protocol::Tcp) && decides(&plan, "10.0.0.1", 23, Protocol::Tcp));
    // An exception is not named back in.
    let plan = scene
        .read(json!({ "network": { "egress": {
        "allow": [{ "to": [{ "cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"] }] }],
    } } }))
        .plan;
    assert!(
        !decides(&plan, "10.0.0.1", 22, Protocol::Tcp) && decides(&plan, "192.168.0.1", 22, Protocol::Tcp)
    );
}

#[test]
fn wrong_rules_are_refused_by_their_place() {
    let scene = Scene::new();
    let cases = [
        (json!({ "allow": [{ "to": [{ "cidr": "example.com" }] }] }), "network.egress.allow[0].to[0].cidr"),
        (
            json!({ "allow": [{}, { "to": [{ "cidr": "10.0.0.1/8" }] }] }),
            "network.egress.allow[1].to[0].cidr",
        ),
        (
            json!({ "allow": [{ "to": [{ "cidr": "10.0.0.0/8", "except": ["x"] }] }] }),
            "network.egress.allow[0].to[0].except[0]",
        ),
        (json!({ "allow": [{ "to": [] }] }), "network.egress.allow[0].to"),
        (json!({ "deny": [{ "ports": [] }] }), "network.egress.deny[0].ports"),
        (json!({ "allow": [{ "ports": [{ "port": 0 }] }] }), "network.egress.allow[0].ports[0].port"),
        (json!({ "allow": [{ "ports": [{ "port": 65536 }] }] }), "network.egress.allow[0].ports[0].port"),
        (json!({ "allow": [{ "ports": [{ "endPort": 9 }] }] }), "network.egress.allow[0].ports[0].endPort"),
        (
            json!({ "allow": [{ "ports": [{ "port": 9, "endPort": 8 }] }] }),
            "network.egress.allow[0].ports[0].endPort",
        ),
        (
            json!({ "allow": [{ "ports": [{ "protocol": "icmp" }] }] }),
            "network.egress.allow[0].ports[0].protocol",
        ),
        (
            json!({ "allow": [{ "ports": [{ "protocol": "sctp" }] }] }),
            "network.egress.allow[0].ports[0].protocol",
        ),
    ];
    for (egress, field) in cases {
        let refusal = scene.refusal(json!({ "network": { "egress": egress } }));
        assert_eq!(refusal.field.as_deref(), Some(field), "{refusal}");
    }
    for key in ["default", "hostLoopback"] {
        let refusal = scene.refusal(json!({ "network": { "ingress": { key: "allow" } } }));
        assert_eq!(
            (refusal.code, refusal.field),
            (Code::PolicyValidation, Some(format!("network.ingress.{key}")))
        );
    }
}

#[test]
fn a_deny_of_icmp_alone_denies_nothing_else() {
    let request = Scene::new().read(json!({ "network": { "egress": {
        "default": "allow", "deny": [{ "ports": [{ "protocol": "icmp" }] }],
    } } }));
    assert!(decides(&request.plan, "9.9.9.9", 443, Protocol::Tcp));
    assert_eq!(note(&request, "network.egress.deny[0].ports[0]").unwrap().0, NoteKind::Honoured);
}

#[test]
fn a_proxy_is_one_port_of_the_machine_and_its_variables() {
    let scene = Scene::new();
    let proxy = |url: &str, egress: Value| {
        json!({
            "runtimeConfig": { "networkProxy": url }, "network": { "egress": egress },
            "process": { "commandLine": "x", "env": ["NO_PROXY=*", "no_proxy=*", "A=1", "http_proxy=http://elsewhere"] },
        })
    };
    let request = scene.read(proxy("http://127.0.0.1:18999", json!({ "default": "deny" })));
    let ports: Vec<u16> = request.plan.network.host.iter().map(|host| host.port).collect();
    assert_eq!((ports, request.plan.network.allow.len()), (vec![18999], 0));
    assert_eq!(request.plan.network.held_as(), NetworkMode::Rules);
    assert_eq!(request.env.len(), 9);
    for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "ftp_proxy", "http_proxy"] {
        assert_eq!(request.env[name], "http://127.0.0.1:18999/", "{name}");
    }
    for wrong in [
        "http://proxy.corp:8080",
        "http://u:p@127.0.0.1:1",
        "http://[::1]:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "socks5://127.0.0.1:1",
        "http://127.0.0.1:8080/x",
        "127.0.0.1:80",
        "http://127.0.0.1:+80",
    ] {
        let refusal = scene.refusal(proxy(wrong, json!({})));
        assert_eq!(refusal.field.as_deref(), Some("runtimeConfig.networkProxy"), "{wrong}");
        assert!(!refusal.message.contains("u:p"), "{refusal}");
    }
    for direct in [json!({ "default": "allow" }), json!({ "allow": [{}] }), json!({ "deny": [{}] })] {
        let refusal = scene.refusal(proxy("http://127.0.0.1:1", direct));
        assert!(refusal.message.contains("requires network.egress.default='deny'"), "{refusal}");
    }
    // Beside network, not in it.
    let refusal = scene.refusal(json!({ "network": { "runtimeConfig": {} } }));
    assert!(refusal.message.contains("beside network"), "{refusal}");
}

#[test]
fn no_variable_of_the_gateways_stands_beside_what_a_request_sets() {
    let scene = Scene::new();
    let open = json!({ "egress": { "default": "allow" } });
    for (env, set) in
        [(json!(["A=1"]), vec!["A"]), (json!(["A=1", "https_proxy=x"]), vec!["A", "https_proxy"])]
    {
        let request = scene.read(json!({ "network": open, "process": { "commandLine": "x", "env": env } }));
        assert_eq!(request.env.keys().map(String::as_str).collect::<Vec<_>>(), set);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
            let kept_out = request.plan.environment.deny.iter().any(|denied| denied.name == name);
            assert_eq!(kept_out, !set.contains(&name), "{name}");
        }
    }
}

#[test]
fn the_older_network_fields_are_enforced_whatever_the_version() {
    let scene = Scene::new();
    let legacy =
        |version: &str, network: Value| scene.try_read(json!({ "version": version, "network": network }));
    for version in ["0.8.0-alpha", "0.7.0-alpha", "0.6.0-alpha", "0.8.0"] {
        let hosts = json!({ "defaultPolicy": "block", "allowedHosts": ["10.0.0.0/8", "api.example"] });
        let plan = legacy(version, hosts).unwrap().plan;
        assert_eq!(plan.network.held_as(), NetworkMode::Rules, "{version}");
        assert!(
            decides(&plan, "10.0.0.1", 1, Protocol::Tcp) && !decides(&plan, "11.0.0.1", 1, Protocol::Tcp)
        );
        let named = Target::parse("api.example").unwrap();
        assert!(plan.network.decide(&named, 443, Protocol::Tcp).0);
        let all = legacy(version, json!({ "defaultPolicy": "allow", "blockedHosts": ["10.0.0.0/8"] }))
            .unwrap()
            .plan;
        assert_eq!(all.network.held_as(), NetworkMode::Rules, "{version}");
        assert!(!decides(&all, "10.0.0.1", 1, Protocol::Tcp) && decides(&all, "9.9.9.9", 1, Protocol::Tcp));
        // Without the word for it, what is near is not meant.
        assert!(!all.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    }
    let blocks =
        legacy("0.8.0-alpha", json!({ "allowLocalNetwork": false, "allowedHosts": ["0.0.0.0/0"] })).unwrap();
    assert!(!blocks.plan.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    let near = legacy("0.8.0-alpha", json!({ "defaultPolicy": "allow", "allowLocalNetwork": true })).unwrap();
    assert!(near.plan.network.allow.iter().any(|rule| rule.endpoint.to_string().contains("192.168")));
    assert_eq!(note(&near, "network.allowLocalNetwork").unwrap().0, NoteKind::Narrowed);
    let proxied =
        legacy("0.8.0-alpha", json!({ "defaultPolicy": "block", "proxy": { "localhost": 8080 } })).unwrap();
    assert_eq!(proxied.env["HTTP_PROXY"], "http://127.0.0.1:8080/");
    for (network, field) in [
        (json!({ "defaultPolicy": "block", "egress": {} }), "network.defaultPolicy"),
        (json!({ "allowedHosts": ["10.0.0.0/33"] }), "network.allowedHosts[0]"),
        (json!({ "proxy": { "builtinTestServer": true } }), "network.proxy.builtinTestServer"),
        (json!({ "proxy": { "localhost": 1, "url": "http://127.0.0.1:1" } }), "network.proxy"),
        (json!({ "proxy": { "url": "http://proxy.corp:8080" } }), "network.proxy.url"),
    ] {
        let refusal = legacy("0.8.0-alpha", network).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some(field), "{refusal}");
    }
    let refusal = legacy("1.0.0", json!({ "defaultPolicy": "block" })).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.field.as_deref()),
        (Code::MalformedRequest, Some("network.defaultPolicy"))
    );
}
