//! Ten thousand rules a side take no quadratic time.

use std::time::{Duration, Instant};

use super::*;
use crate::NetworkRule;

const MANY: u32 = 10_000;

fn many(side: &str) -> Plan {
    let mut plan = Plan::top(AbsPath::new("/home/u").unwrap());
    let rule = |text: String| Rule { text, origin: Origin::Flag(String::new()) };
    plan.rules = (0..MANY).map(|at| rule(format!("{side} {at}"))).collect();
    let access = |at: u32| if at.is_multiple_of(3) { Access::Read } else { Access::Write };
    let path = |at: u32| match at % 4 {
        0 => format!("/srv/{at}/x"),
        1 => format!("/srv/{side}/{at}"),
        2 => format!("/deep{}", "/d".repeat(at as usize % 500)),
        _ => format!("/data/{}/{at}", at % 7),
    };
    let grant = |at| Grant {
        path: AbsPath::new(path(at)).unwrap(),
        access: access(at),
        optional: false,
        rule: RuleId(at),
    };
    plan.files.grants = (0..MANY).map(grant).collect();
    plan.files.grants.sort_by(|left, right| left.path.cmp(&right.path));
    plan.files.grants.dedup_by(|next, first| next.path == first.path);
    let allow = |at: u32| match at % 3 {
        0 => format!("h{at}.example.org:443"),
        1 => format!("*.{side}{at}.h{}.example.org:443", at - at % 3),
        _ => format!("10.{}.{}.0/24:443", at / 256 % 256, at % 256),
    };
    plan.network.mode = NetworkMode::Rules;
    plan.network.allow =
        (0..MANY).map(|at| NetworkRule { endpoint: allow(at).parse().unwrap(), rule: RuleId(at) }).collect();
    let variable = |at| EnvPattern { name: format!("V{at}"), rule: RuleId(at) };
    plan.environment.pass = (0..MANY).map(variable).collect();
    plan
}

#[test]
fn ten_thousand_rules_a_side_take_no_quadratic_time() {
    let (left, right) = (many("left"), many("right"));
    let start = Instant::now();
    let met = left.meet(&right);
    let took = start.elapsed();
    assert!(met.files.grants.len() > 5000 && met.network.allow.len() > 5000, "they meet");
    assert_eq!(met.environment.pass.len(), MANY as usize);
    assert!(took < Duration::from_secs(3), "{took:?} without optimisation");
    println!("{took:?}");
}
