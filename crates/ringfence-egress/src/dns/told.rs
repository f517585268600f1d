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

    /// The names of an address, latest last.
    pub(crate) fn names(&self, address: IpAddr) -> &[HostName] {
        self.names.get(&address).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
