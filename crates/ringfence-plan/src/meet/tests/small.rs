//! The laws of the small types, proved by trying every value: they are few.

use super::*;
use crate::{HostName, HostPattern, Ports};

/// Commutative, associative and idempotent on all of `values`, and `neutral` changes nothing.
fn is_semilattice<T: Clone + PartialEq + std::fmt::Debug>(
    values: &[T],
    neutral: Option<&T>,
    meet: impl Fn(&T, &T) -> T,
) {
    for one in values {
        assert_eq!(meet(one, one), *one);
        assert!(neutral.is_none_or(|neutral| meet(one, neutral) == *one), "{one:?}");
        for two in values {
            let met = meet(one, two);
            assert_eq!(met, meet(two, one), "{one:?} {two:?}");
            // What is met is below both.
            assert_eq!(meet(&met, one), met);
            for three in values {
                assert_eq!(meet(&met, three), meet(one, &meet(two, three)), "{one:?} {two:?} {three:?}");
            }
        }
    }
}

fn of<T: Ord>(left: T, right: T) -> T {
    stricter((left, RuleId(0)), (right, RuleId(1))).0
}

#[test]
fn accesses_modes_and_switches() {
    let accesses = [None, Some(Access::Deny), Some(Access::Read), Some(Access::Private), Some(Access::Write)];
    is_semilattice(&accesses.map(Answer::of), Some(&Answer::Granted(Access::Write)), |left, right| {
        of(*left, *right)
    });
    assert!(Answer::Denied < Answer::NotGranted && Answer::NotGranted < Answer::Granted(Access::Read));
    let modes = [NetworkMode::None, NetworkMode::Rules, NetworkMode::Host];
    is_semilattice(&modes, Some(&NetworkMode::Host), |left, right| of(*left, *right));
    is_semilattice(&[false, true], Some(&true), |left, right| of(*left, *right));
    let levels = [Level::Auto, Level::Process, Level::Namespaces];
    let contain = |level| Containment { level, rule: RuleId(0) };
    is_semilattice(&levels.map(contain), Some(&contain(Level::Process)), Containment::meet);
    assert_eq!(contain(Level::Auto).meet(&contain(Level::Process)).level, Level::Auto);
    assert_eq!(contain(Level::Auto).meet(&contain(Level::Namespaces)).level, Level::Namespaces);
}

#[test]
fn limits() {
    let values = [None, Some(0u8), Some(1), Some(2), Some(u8::MAX)];
    is_semilattice(&values, Some(&None), |left, right| smaller(*left, *right, |_| ()));
    let of = |left, right| {
        let mut side = None;
        (smaller(left, right, |decided| side = Some(decided)), side.unwrap())
    };
    assert_eq!(of(None, Some(3)), (Some(3), Side::Right));
    assert_eq!(of(Some(2), Some(3)), (Some(2), Side::Left));
    assert_eq!(of(Some(3), Some(3)), (Some(3), Side::Both));
}

/// Only the order of the four ends counts, so every pair of ranges looks like one of these.
#[test]
fn ports() {
    let all =
        |last: u16| (0..=last).flat_map(move |first| (first..=last).map(move |last| Ports { first, last }));
    let values: Vec<Option<Ports>> = all(7).map(Some).chain([None]).collect();
    let meet =
        |left: &Option<Ports>, right: &Option<Ports>| left.zip(*right).and_then(|(l, r)| l.intersect(r));
    is_semilattice(&values, Some(&Some(Ports { first: 0, last: 7 })), meet);
    for (left, right) in all(7).flat_map(|left| all(7).map(move |right| (left, right))) {
        for port in 0..=7 {
            let both = left.intersect(right).is_some_and(|both| both.contain(port));
            assert_eq!(both, left.contain(port) && right.contain(port));
        }
        assert_eq!(left.is_within(right), left.intersect(right) == Some(left));
    }
}

#[test]
fn hosts() {
    let names =
        ["a", "b", "a.a", "b.a", "a.b", "a.a.a", "a.b.a", "b.a.a"].map(|name| HostName::parse(name).unwrap());
    let (name, below) =
        (names.iter().cloned().map(HostPattern::Name), names.iter().cloned().map(HostPattern::Below));
    let block = |(bits, prefix): (u32, u8)| HostPattern::Block {
        address: crate::endpoint::first_of_block(std::net::Ipv4Addr::from_bits(bits << 30).into(), prefix)
            .unwrap(),
        prefix,
    };
    let blocks = (0..4).flat_map(|bits| (0..3).map(move |prefix| (bits, prefix))).map(block);
    let values: Vec<Option<HostPattern>> = name.chain(below).chain(blocks).map(Some).chain([None]).collect();
    let meet = |left: &Option<HostPattern>, right: &Option<HostPattern>| {
        left.as_ref().zip(right.as_ref()).and_then(|(left, right)| left.intersect(right)).cloned()
    };
    is_semilattice(&values, None, meet);
}
