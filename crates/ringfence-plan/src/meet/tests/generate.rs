//! Random plans over few names, so that paths, patterns and hosts really meet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::gateway;
use super::*;
use crate::{
    AuditDestination, DenyGlob, Endpoint, Match, Millicpus, Millis, NetworkRule, PathPattern, Ports, Protect,
    Protocol,
};

/// Names; `a-` sorts between `a` and `a/…` byte by byte, but not name by name.
pub(super) const NAMES: [&str; 3] = ["a", "b", "a-"];
pub(super) const VARIABLES: [&str; 3] = ["A", "B", "_"];
pub(super) const LABELS: [&str; 2] = ["a", "b"];
const RULES: u32 = 12;

/// Which exceptions of protection a plan has.
#[derive(Clone, Copy)]
pub(super) enum Exceptions {
    /// Those that every plan has, as the base's are.
    Common,
    /// Any.
    Any,
}

pub(super) fn path() -> impl Strategy<Value = AbsPath> {
    vec(select(NAMES.to_vec()), 0..4).prop_map(|names| AbsPath::new(format!("/{}", names.join("/"))).unwrap())
}

pub(super) fn rule() -> impl Strategy<Value = RuleId> {
    (0..RULES).prop_map(RuleId)
}

fn pattern() -> impl Strategy<Value = PathPattern> {
    let segment = select(vec!["**", "*", "a", "b", "[ab]", "a?"]);
    (path(), vec(segment, 1..3), select(vec![Match::Exact, Match::Folded]))
        .prop_map(|(base, segments, matching)| PathPattern::new(base, &segments.join("/"), matching).unwrap())
}

/// Grants as a policy makes them: sorted, one a path, nothing below a deny.
fn some_grants() -> impl Strategy<Value = Vec<Grant>> {
    let access = select(vec![Access::Deny, Access::Read, Access::Private, Access::Write, Access::Write]);
    let grant = (path(), access, any::<bool>(), rule());
    vec(grant, 0..9).prop_map(|entries| {
        let mut grants: Vec<Grant> = entries
            .into_iter()
            .map(|(path, access, optional, rule)| Grant { path, access, optional, rule })
            .collect();
        grants.sort_by(|left, right| left.path.cmp(&right.path));
        grants.dedup_by(|next, first| next.path == first.path);
        let denied: Vec<AbsPath> = grants
            .iter()
            .filter(|grant| grant.access == Access::Deny)
            .map(|grant| grant.path.clone())
            .collect();
        let below = |path: &AbsPath| denied.iter().any(|deny| deny != path && path.is_within(deny));
        grants.retain(|grant| !below(&grant.path));
        grants
    })
}

pub(super) fn files(exceptions: Exceptions) -> impl Strategy<Value = Files> {
    let globs = vec((pattern(), rule()).prop_map(|(pattern, rule)| DenyGlob { pattern, rule }), 0..3);
    let protect = vec((pattern(), rule()).prop_map(|(pattern, rule)| Protect { pattern, rule }), 0..4);
    let common = PathPattern::new(AbsPath::root(), "**/b/a", Match::Folded).unwrap();
    let except = match exceptions {
        Exceptions::Common => Just(vec![common]).boxed(),
        Exceptions::Any => vec(pattern(), 0..4).boxed(),
    };
    (some_grants(), globs, protect, except, any::<bool>()).prop_map(
        |(grants, deny_globs, protect, protect_except, has_workspace)| {
            let mut files = Files {
                workspace: None,
                home: AbsPath::new("/home/u").unwrap(),
                grants,
                deny_globs,
                protect,
                protect_except,
            };
            let writable = |grant: &&Grant| matches!(files.access(&grant.path), Some((Access::Write, _)));
            let path = files.grants.iter().find(writable).map(|grant| grant.path.clone());
            files.workspace = path.filter(|_| has_workspace);
            files
        },
    )
}

fn variable() -> impl Strategy<Value = EnvPattern> {
    let name = vec(select(VARIABLES.to_vec()), 0..3).prop_map(|letters| letters.concat());
    (any::<[bool; 2]>(), name, rule()).prop_map(|([before, after], name, rule)| {
        let star = |there: bool| if there || name.is_empty() { "*" } else { "" };
        EnvPattern {
            name: format!("{}{name}{}", star(before), if name.is_empty() { "" } else { star(after) }),
            rule,
        }
    })
}

fn environment() -> impl Strategy<Value = Environment> {
    let patterns = || vec(variable(), 0..4);
    let set = vec((select(vec!["A", "B", "AB", "A_"]), select(vec!["1", "2"]), rule()), 0..3);
    (patterns(), patterns(), vec(variable(), 0..2), vec(patterns(), 0..3), set).prop_map(
        |(pass, refuse, deny, within, set)| {
            // A bound that bounds nothing is dropped by the meet, and a policy writes none.
            let bounds = |list: &Vec<EnvPattern>| list.iter().all(|pattern| pattern.name != "*");
            let set = set.into_iter().map(|(name, value, rule)| (name.to_owned(), (value.to_owned(), rule)));
            let within = within.into_iter().filter(bounds).collect();
            Environment { pass, refuse, deny, within, set: set.collect() }
        },
    )
}

pub(super) fn network_rule() -> impl Strategy<Value = NetworkRule> {
    let name = vec(select(LABELS.to_vec()), 1..4).prop_map(|labels| labels.join("."));
    let v4 = (0u32..4, 0u8..=3).prop_map(|(top, prefix)| {
        let bits = (top << 30) & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(bits))
    });
    let v6 =
        select(vec!["[::]/0", "[2002::]/16", "[2002:8000:1::]/48", "[8000::]/1"]).prop_map(str::to_owned);
    let host =
        prop_oneof![2 => name.clone(), 2 => name.prop_map(|name| format!("*.{name}")), 1 => v4, 1 => v6];
    (host, 1u16..5, 0u16..4, any::<bool>(), rule()).prop_map(|(host, first, more, udp, rule)| {
        let scheme = if udp { "udp://" } else { "" };
        let mut endpoint: Endpoint = format!("{scheme}{host}:1").parse().unwrap();
        endpoint.ports = Ports { first, last: first + more };
        assert_eq!(endpoint.protocol == Protocol::Udp, udp);
        NetworkRule { endpoint, rule }
    })
}

pub(super) fn allowed() -> impl Strategy<Value = Vec<NetworkRule>> {
    vec(network_rule(), 0..12)
}

fn network() -> impl Strategy<Value = Network> {
    let mode = select(vec![NetworkMode::None, NetworkMode::Rules, NetworkMode::Rules, NetworkMode::Host]);
    let rules = (vec(network_rule(), 0..7), vec(network_rule(), 0..3));
    (mode, rules, gateway::gateway(), rule()).prop_map(|(mode, (allow, deny), gateway, rule)| Network {
        mode,
        allow,
        deny,
        rule,
        ..gateway
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::of(0u32..3);
    let rules = subsequence(Field::ALL.to_vec(), 0..4);
    ((limit(), limit(), limit(), limit()), (limit(), limit(), limit(), 0u64..3, limit()), rules, rule())
        .prop_map(
            |((memory, swap, processes, cpu), (time, open_files, file_size, tmp, output), rules, rule)| {
                Limits {
                    memory: memory.map(|limit| Bytes(limit.into())),
                    swap: swap.map(|limit| Bytes(limit.into())),
                    processes,
                    cpu: cpu.map(Millicpus),
                    time: time.map(|limit| Millis(limit.into())),
                    open_files,
                    file_size: file_size.map(|limit| Bytes(limit.into())),
                    tmp: Bytes(tmp),
                    output: output.map(|limit| Bytes(limit.into())),
                    rules: rules.into_iter().map(|field| (field, rule)).collect(),
                }
            },
        )
}

fn oversight() -> impl Strategy<Value = Oversight> {
    let destination = (path(), any::<bool>()).prop_map(|(path, file)| match file {
        true => AuditDestination::File(path),
        false => AuditDestination::Socket(path),
    });
    let audit = vec((destination, rule()).prop_map(|(destination, rule)| Audit { destination, rule }), 0..3);
    (audit, any::<bool>(), rule()).prop_map(|(audit, bypass, rule)| Oversight { audit, bypass, rule })
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let level = select(vec![Level::Auto, Level::Process, Level::Namespaces]);
    let rest = (any::<bool>(), level, rule(), oversight(), any::<u32>());
    (files(Exceptions::Common), environment(), network(), limits(), rest).prop_map(
        |(files, environment, network, limits, (nested_namespaces, level, rule, oversight, seed))| {
            // A text of its own for each rule of each plan.
            let text = |at| Rule { text: format!("{seed}/{at}"), origin: Origin::Flag(String::new()) };
            Plan {
                files,
                environment,
                network,
                limits,
                processes: Processes { nested_namespaces, rule },
                containment: Containment { level, rule },
                oversight,
                rules: (0..RULES).map(text).collect(),
            }
        },
    )
}
