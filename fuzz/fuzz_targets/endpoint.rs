//! Any two texts as network rules and as hosts: what is read is written out as itself, and what two rules mean together
//! is what both mean apart.
//!
//! Not what a name resolves to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_plan::{Endpoint, Protocol, Target};

fuzz_target!(|texts: (&str, &str)| {
    let (one, other) = (endpoints(texts.0), endpoints(texts.1));
    let targets: Vec<Target> = [texts.0, texts.1].into_iter().filter_map(target).collect();
    for one in &one {
        assert_eq!(one.intersect(one).as_ref(), Some(one), "{one}");
        for other in &other {
            meet(one, other, &targets);
        }
    }
});

fn endpoints(text: &str) -> Vec<Endpoint> {
    match Endpoint::parse(text) {
        Ok(endpoints) => {
            assert!(!endpoints.is_empty(), "{text:?} means nothing and is not refused");
            for endpoint in &endpoints {
                let written = endpoint.to_string();
                assert_eq!(
                    Endpoint::parse(&written).as_deref(),
                    Ok(std::slice::from_ref(endpoint)),
                    "{text:?}"
                );
                assert!(endpoint.ports.first <= endpoint.ports.last, "{text:?}");
            }
            endpoints
        }
        Err(why) => {
            shown(&why.to_string());
            Vec::new()
        }
    }
}

fn target(text: &str) -> Option<Target> {
    match Target::parse(text) {
        Ok(target) => {
            assert_eq!(Target::parse(&target.to_string()).as_ref(), Ok(&target), "{text:?}");
            Some(target)
        }
        Err(why) => {
            shown(&why.to_string());
            None
        }
    }
}

fn meet(one: &Endpoint, other: &Endpoint, targets: &[Target]) {
    let both = one.intersect(other);
    assert_eq!(both, other.intersect(one), "{one} and {other}");
    if let Some(both) = &both {
        assert!(both.is_within(one) && both.is_within(other), "{one} and {other}");
    }
    let ports = [one.ports.first, one.ports.last, other.ports.first, other.ports.last];
    for target in targets {
        for (port, protocol) in
            ports.into_iter().flat_map(|port| [(port, Protocol::Tcp), (port, Protocol::Udp)])
        {
            let apart = one.covers(target, port, protocol) && other.covers(target, port, protocol);
            let together = both.as_ref().is_some_and(|both| both.covers(target, port, protocol));
            assert_eq!(together, apart, "{one} and {other} of {target}:{port}");
        }
    }
}

fn shown(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
