//! A request's traffic as the plan's network: endpoints by block, port and protocol.
//!
//! Where the gateway leads less far than MXC's packet filter, private networks are named one by one, and the rest is told.

use ringfence_plan::{
    Endpoint, Granted, HostPattern, HostPort, Network, NetworkMode, NetworkRule, Ports, Protocol, RuleId,
};

use super::NoteKind;
use super::ask::{Ours, Remark, Said};
use super::blocks::{ALL4, ALL6, Block};
use super::problem::Problem;
use super::rules::Rules;
use super::traffic::{Destination, Entry, Grant, PortRange, Reach, Traffic};
use crate::diagnostic::quoted;

/// As many endpoints a request may come to.
const MOST: usize = 65_536;

/// Private networks, which a rule for a block around them does not lead to: the gateway wants them named. MXC's user
/// reaches them by such a rule.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// Addresses that a rule for a block around them does not lead to either, and which nobody is given who does not name
/// them: loopback, those that hold for one link or for many hosts, and where clouds serve an instance's credentials.
const KEPT: [&str; 8] = [
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "fe80::/10",
    "fd00:ec2::/32",
    "ff00::/8",
];

/// What a request's traffic comes to.
pub(super) fn network(
    traffic: &Traffic,
    ours: &Ours,
    rules: &mut Rules<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Network, Problem> {
    let default = rules.said(
        &traffic.default,
        match traffic.default.value {
            Grant::Allow => "allow",
            Grant::Deny => "deny",
        },
    );
    if let Some(proxy) = &traffic.proxy {
        let direct =
            traffic.default.value == Grant::Allow || !traffic.allow.is_empty() || !traffic.deny.is_empty();
        if direct || !ours.allow.is_empty() || !ours.deny.is_empty() {
            let what = format!(
                "{} requires network.egress.default='deny' with no direct allow or deny rules",
                proxy.field
            );
            return Err(proxy.policy(what));
        }
        let rule = rules.said(proxy, &format!("{}://127.0.0.1:{}", proxy.value.scheme, proxy.value.port));
        let text = "the proxy is reached inside as 127.0.0.1, under its own port, and nothing else is";
        remarks.push(proxy.remark(NoteKind::Honoured, text));
        let host = Granted::Only(vec![HostPort { port: proxy.value.port, rule }]);
        return Ok(Network { mode: NetworkMode::Rules, host, ..Network::none(rule) });
    }
    let mut of = Endpoints { rules, remarks, everywhere: traffic.everywhere, found: Vec::new() };
    if traffic.default.value == Grant::Allow {
        of.default(traffic, default)?;
    }
    for entry in &traffic.allow {
        of.entry(entry, Grant::Allow)?;
    }
    for said in &ours.allow {
        of.ours(said, Grant::Allow)?;
    }
    let allow = std::mem::take(&mut of.found);
    for entry in &traffic.deny {
        of.entry(entry, Grant::Deny)?;
    }
    for said in &ours.deny {
        of.ours(said, Grant::Deny)?;
    }
    let deny = of.found;
    let mode = if allow.is_empty() { NetworkMode::None } else { NetworkMode::Rules };
    Ok(Network { mode, allow, deny, ..Network::none(default) })
}

struct Endpoints<'a, 'b> {
    rules: &'a mut Rules<'b>,
    remarks: &'a mut Vec<Remark>,
    everywhere: Reach,
    found: Vec<NetworkRule>,
}

impl Endpoints<'_, '_> {
    /// All of the internet, and what the request means by "everywhere" beside it.
    fn default(&mut self, traffic: &Traffic, rule: RuleId) -> Result<(), Problem> {
        let place = Said { value: (), field: traffic.default.field.clone(), at: traffic.default.at };
        for block in [ALL4, ALL6] {
            for block in reached(block, self.everywhere) {
                self.add(block.host(), None, rule, &place)?;
            }
        }
        self.tell_of_kept(&place);
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, grant: Grant) -> Result<(), Problem> {
        if entry.to.is_empty() {
            let rule = self.rules.said(&entry.said, "everywhere");
            for block in [ALL4, ALL6] {
                self.block(block, &[], (entry, grant), rule)?;
            }
            if grant == Grant::Allow {
                self.tell_of_kept(&entry.said);
            }
            return Ok(());
        }
        for destination in &entry.to {
            let place = destination.place();
            match destination {
                Destination::Name(name) => {
                    let rule = self.rules.said(name, &name.value.to_string());
                    self.add(name.value.clone(), entry.ports.as_deref(), rule, &place)?;
                }
                Destination::Block { block, except } => {
                    let rule = self.rules.said(block, &block.value.text());
                    let holes: Vec<Block> = except.iter().map(|hole| hole.value).collect();
                    let left = self.block(block.value, &holes, (entry, grant), rule)?;
                    if left.is_empty() {
                        self.remarks.push(
                            place.remark(NoteKind::NoEffect, "nothing of it is left beside its exceptions"),
                        );
                    }
                    if grant == Grant::Allow && left.iter().any(|block| kept().any(|kept| block.covers(kept)))
                    {
                        self.tell_of_kept(&place);
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds `block` without `holes`; gives what is left of it.
    fn block(
        &mut self,
        block: Block,
        holes: &[Block],
        (entry, grant): (&Entry, Grant),
        rule: RuleId,
    ) -> Result<Vec<Block>, Problem> {
        let left = block.without(holes);
        for block in &left {
            // A deny holds in every address of its block as it is.
            let reach = if grant == Grant::Allow { self.everywhere } else { Reach::Internet };
            for block in reached(*block, reach) {
                self.add(block.host(), entry.ports.as_deref(), rule, &entry.said)?;
            }
        }
        Ok(left)
    }

    fn add(
        &mut self,
        host: HostPattern,
        ports: Option<&[PortRange]>,
        rule: RuleId,
        place: &Said<()>,
    ) -> Result<(), Problem> {
        let any = [PortRange { protocol: None, ports: Ports::ALL }];
        for PortRange { protocol, ports } in ports.unwrap_or(&any) {
            let protocols: &[Protocol] = match protocol {
                Some(Protocol::Tcp) => &[Protocol::Tcp],
                Some(Protocol::Udp) => &[Protocol::Udp],
                None => &[Protocol::Tcp, Protocol::Udp],
            };
            for protocol in protocols {
                let endpoint = Endpoint { host: host.clone(), ports: *ports, protocol: *protocol };
                self.found.push(NetworkRule { endpoint, rule });
            }
        }
        match self.found.len() > MOST {
            true => Err(place.policy(format!("the rules up to here come to more than {MOST} endpoints"))),
            false => Ok(()),
        }
    }

    /// A rule of our own member, in the words of the policy language.
    fn ours(&mut self, said: &Said<String>, grant: Grant) -> Result<(), Problem> {
        if said.value.starts_with(crate::groups::MARK) {
            let what = format!(
                "{} is a group, which requests have no word for; name its hosts",
                quoted(&said.value)
            );
            return Err(said.policy(what));
        }
        let endpoints = Endpoint::parse(&said.value).map_err(|why| {
            let help = why.help().map(|help| format!("; {help}")).unwrap_or_default();
            said.policy(format!("{} {why}{help}", quoted(&said.value)))
        })?;
        let rule = self.rules.said(said, &said.value);
        let endpoints = if grant == Grant::Deny { crate::compose::denied(&endpoints) } else { endpoints };
        self.found.extend(endpoints.into_iter().map(|endpoint| NetworkRule { endpoint, rule }));
        Ok(())
    }

    fn tell_of_kept(&mut self, place: &Said<()>) {
        let text = "TCP and UDP are carried; loopback, link-local and multicast addresses, those of this machine, and those \
                    where clouds serve metadata are reached only by a rule for that very address or block, loopback never";
        self.remarks.push(place.remark(NoteKind::Narrowed, text));
    }
}

/// The block, and the private networks in it that have to be named beside it.
fn reached(block: Block, reach: Reach) -> impl Iterator<Item = Block> {
    let inside =
        move |private: &Block| reach == Reach::Networks && block.covers(*private) && block != *private;
    [block].into_iter().chain(PRIVATE.iter().filter_map(|text| Block::parse(text).ok()).filter(inside))
}

/// Whether a packet filter leads further by a rule for this block than the gateway does: to addresses in it that want a rule
/// of their own.
pub(super) fn leads_less(block: &str) -> bool {
    let Ok(block) = Block::parse(block) else { return false };
    let near = KEPT.iter().chain(&PRIVATE).filter_map(|text| Block::parse(text).ok());
    near.into_iter().any(|near| block != near && block.covers(near))
}

fn kept() -> impl Iterator<Item = Block> {
    KEPT.iter().filter_map(|text| Block::parse(text).ok())
}
