//! What a plan decides on everything of a small world: slow and obvious, and none of it shared with what is tested.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::generate::{LABELS, NAMES, VARIABLES};
use super::*;
use crate::{AuditDestination, Endpoint, HostName, HostPattern, Protocol, Target};

/// Every decision; the smaller of two is the stricter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decisions {
    access: Vec<Answer>,
    changeable: Vec<bool>,
    passes: Vec<bool>,
    reaches: Vec<bool>,
    requests: Vec<u64>,
    ports: Vec<bool>,
    budgets: Vec<u64>,
    limits: Vec<u64>,
    switches: Vec<bool>,
    level: Reverse<usize>,
    unrecorded: Vec<bool>,
}

impl Decisions {
    pub(super) fn stricter(&self, other: &Decisions) -> Decisions {
        Decisions {
            access: each(&self.access, &other.access),
            changeable: each(&self.changeable, &other.changeable),
            passes: each(&self.passes, &other.passes),
            reaches: each(&self.reaches, &other.reaches),
            requests: each(&self.requests, &other.requests),
            ports: each(&self.ports, &other.ports),
            budgets: each(&self.budgets, &other.budgets),
            limits: each(&self.limits, &other.limits),
            switches: each(&self.switches, &other.switches),
            level: self.level.min(other.level),
            unrecorded: each(&self.unrecorded, &other.unrecorded),
        }
    }
}

fn each<T: Ord + Copy>(left: &[T], right: &[T]) -> Vec<T> {
    left.iter().zip(right).map(|(left, right)| *left.min(right)).collect()
}

pub(super) fn decisions(plan: &Plan) -> Decisions {
    let Limits { memory, swap, processes, cpu, time, open_files, file_size, tmp, output, rules: _ } =
        &plan.limits;
    let limits = [
        memory.map(|limit| limit.0),
        swap.map(|limit| limit.0),
        processes.map(u64::from),
        cpu.map(|limit| limit.0.into()),
        time.map(|limit| limit.0),
        open_files.map(u64::from),
        file_size.map(|limit| limit.0),
        Some(tmp.0),
        output.map(|limit| limit.0),
    ];
    let levels = [Level::Process, Level::Auto, Level::Namespaces];
    let told = |destination: AuditDestination| {
        plan.oversight.audit.iter().any(|audit| audit.destination == destination)
    };
    Decisions {
        access: paths().iter().map(|path| access(&plan.files, path)).collect(),
        changeable: paths().iter().map(|path| !protects(&plan.files, path)).collect(),
        passes: words(&VARIABLES, 3, "").iter().map(|name| passes(&plan.environment, name)).collect(),
        reaches: reaches(&plan.network),
        requests: gateway::requests(&plan.network, &targets()),
        ports: gateway::ports(&plan.network),
        budgets: gateway::budgets(&plan.network),
        limits: limits.iter().map(|limit| limit.unwrap_or(u64::MAX)).collect(),
        switches: vec![plan.processes.nested_namespaces, plan.oversight.bypass],
        level: Reverse(levels.iter().position(|level| *level == plan.containment.level).unwrap()),
        unrecorded: paths()
            .into_iter()
            .flat_map(|path| [AuditDestination::File(path.clone()), AuditDestination::Socket(path)])
            .map(|destination| !told(destination))
            .collect(),
    }
}

/// Every path of up to three names.
pub(super) fn paths() -> Vec<AbsPath> {
    let below = words(&NAMES, 3, "/").into_iter().map(|words| AbsPath::new(format!("/{words}")).unwrap());
    std::iter::once(AbsPath::root()).chain(below).collect()
}

/// Every sequence of one to `most` of `letters`.
fn words(letters: &[&str], most: usize, between: &str) -> Vec<String> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..most {
        last = last
            .iter()
            .flat_map(|word| letters.iter().map(move |letter| [word.as_slice(), &[letter]].concat()))
            .collect();
        all.extend(last.clone());
    }
    all.iter().skip(1).map(|word| word.join(between)).collect()
}

fn access(files: &Files, path: &AbsPath) -> Answer {
    let mut answer = Answer::NotGranted;
    let mut ancestors: Vec<_> = path.as_path().ancestors().collect();
    ancestors.reverse();
    for ancestor in ancestors {
        for grant in files.grants.iter().filter(|grant| grant.path.as_path() == ancestor) {
            if grant.access == Access::Deny {
                return Answer::Denied;
            }
            answer = Answer::of(Some(grant.access));
        }
    }
    if files.deny_globs.iter().any(|glob| glob.pattern.covers(path)) { Answer::Denied } else { answer }
}

pub(super) fn protects(files: &Files, path: &AbsPath) -> bool {
    files.protect.iter().any(|protect| protect.pattern.covers(path))
        && !files.protect_except.iter().any(|except| except.covers(path))
}

fn passes(environment: &Environment, name: &str) -> bool {
    let Environment { pass, refuse, deny, within, set: _ } = environment;
    let named = pass.iter().any(|pattern| pattern.name == name);
    let refused = refuse.iter().any(|refuse| refuse.name == name || (!named && means(&refuse.name, name)));
    pass.iter().any(|pattern| means(&pattern.name, name))
        && !refused
        && !deny.iter().any(|pattern| means(&pattern.name, name))
        && within.iter().all(|bound| bound.iter().any(|pattern| means(&pattern.name, name)))
}

/// What a pattern means, by trying every length for each of its stars.
fn means(pattern: &str, name: &str) -> bool {
    match (pattern.split_at_checked(1), name.split_at_checked(1)) {
        (None, rest) => rest.is_none(),
        (Some(("*", after)), _) => (0..=name.len()).any(|skipped| means(after, &name[skipped..])),
        (Some((letter, after)), Some((first, rest))) => letter == first && means(after, rest),
        (Some(_), None) => false,
    }
}

/// Every name of up to three labels, and some addresses.
pub(super) fn targets() -> Vec<Target> {
    let names = words(&LABELS, 3, ".").into_iter().map(|name| Target::Name(HostName::parse(&name).unwrap()));
    let addresses =
        ["0.0.0.1", "64.0.0.1", "128.0.0.1", "192.0.0.1", "2002:8000:1::", "2002:4000:1::", "2001:db8::1"];
    names.chain(addresses.iter().map(|text| Target::address(text.parse().unwrap()))).collect()
}

fn reaches(network: &Network) -> Vec<bool> {
    let mut all = Vec::new();
    for target in targets() {
        for port in 1..6 {
            all.extend(
                [Protocol::Tcp, Protocol::Udp].map(|protocol| reach(network, &target, port, protocol)),
            );
        }
    }
    all
}

fn reach(network: &Network, target: &Target, port: u16, protocol: Protocol) -> bool {
    let named = |endpoint: &Endpoint, target: &Target| {
        let ports = endpoint.ports;
        if endpoint.protocol != protocol || port < ports.first || ports.last < port {
            return false;
        }
        match (&endpoint.host, target) {
            (HostPattern::Name(own), Target::Name(name)) => own == name,
            (HostPattern::Below(own), Target::Name(name)) => name.as_str().ends_with(&format!(".{own}")),
            (HostPattern::Block { address, prefix }, Target::Address(target)) => {
                let (own, its) = (bits(*address), bits(*target));
                own.len() == its.len() && own[..usize::from(*prefix)] == its[..usize::from(*prefix)]
            }
            _ => false,
        }
    };
    // Of all that an address may be a dress of, the one that occurs here: 6to4.
    let inside = match target {
        Target::Address(IpAddr::V6(address)) if address.segments()[0] == 0x2002 => {
            let octets = address.octets();
            Some(Target::address(IpAddr::from([octets[2], octets[3], octets[4], octets[5]])))
        }
        _ => None,
    };
    let denied = |target: &Target| network.deny.iter().any(|rule| named(&rule.endpoint, target));
    if network.mode == NetworkMode::None || denied(target) || inside.as_ref().is_some_and(denied) {
        return false;
    }
    network.mode == NetworkMode::Host || network.allow.iter().any(|rule| named(&rule.endpoint, target))
}

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}
