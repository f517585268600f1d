//! Which names were told to lead to which addresses: the name of a connection that is captured by its address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use ringfence_plan::HostName;

/// Most pairs that are remembered; then the oldest are forgotten, and their connections refused.
const MOST: usize = 16_384;

/// The pairs of one sandbox, kept until its end: clients remember longer than they are told to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    names: HashMap<IpAddr, Vec<HostName>>,
    order: VecDeque<(IpAddr, HostName)>,
}

impl Told {
    pub(crate) fn tell(&mut self, name: &HostName, address: IpAddr) {
        let names = self.names.entry(address).or_default();
        if names.contains(name) {
            return;
        }
        names.push(name.clone());
        self.order.push_back((address, name.clone()));
        if self.order.len() > MOST
            && let Some((address, name)) = self.order.pop_front()
            && let Some(names) = self.names.get_mut(&address)
        {
            names.retain(|known| *known != name);
            if names.is_empty() {
                self.names.remove(&address);
            }
        }
    }

    /// Forgets the names for which `gone` says so, with all their addresses.
    pub(crate) fn forget(&mut self, gone: impl Fn(&HostName) -> bool) {
        self.order.retain(|(_, name)| !gone(name));
        self.names.retain(|_, names| {
            names.retain(|name| !gone(name));
            !names.is_empty()
        });
    }

    /// The names of an address, latest last.
    pub(crate) fn names(&self, address: IpAddr) -> &[HostName] {
        self.names.get(&address).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_forgotten_everywhere() {
        let (mut told, address) = (Told::default(), IpAddr::from([192, 0, 2, 1]));
        let name = |text| HostName::parse(text).unwrap();
        told.tell(&name("a.org"), address);
        told.tell(&name("b.org"), address);
        told.forget(|known| *known == name("a.org"));
        assert_eq!(told.names(address), [name("b.org")]);
        told.tell(&name("a.org"), address);
        assert_eq!(told.names(address), [name("b.org"), name("a.org")]);
        told.forget(|_| true);
        assert!(told.names.is_empty() && told.order.is_empty());
    }

    #[test]
    fn a_flood_of_names_forgets_the_oldest_and_stays_bounded() {
        let mut told = Told::default();
        let address = |index: u32| IpAddr::from((index + (1 << 24)).to_be_bytes());
        for index in 0..40_000 {
            told.tell(&HostName::parse(&format!("n{index}.org")).unwrap(), address(index));
        }
        assert_eq!(told.names.len(), MOST);
        assert!(told.names(address(0)).is_empty());
        assert_eq!(told.names(address(39_999))[0].as_str(), "n39999.org");
    }
}
