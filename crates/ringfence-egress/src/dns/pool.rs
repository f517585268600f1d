//! Addresses that stand for names which only a parent proxy resolves: each is one name's alone, for the whole run. They are
//! never dialled.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ringfence_plan::HostName;

/// 198.18.0.0/15, of which no host of the internet has one (RFC 2544).
const FIRST: u32 = 0xc612_0000;
/// Most names; the first address of all is left out. Then no other name gets one: an address that changed hands would lead
/// who remembers it to another host.
const MOST: usize = 0x2_0000 - 2;

/// The names of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    names: Vec<HostName>,
    places: HashMap<HostName, u32>,
}

impl Pool {
    /// The address of a name; `None` when there is none left.
    pub(crate) fn address(&mut self, name: &HostName) -> Option<IpAddr> {
        let next = self.names.len() as u32;
        let place = match self.places.get(name) {
            Some(place) => *place,
            None if self.names.len() >= MOST => return None,
            None => {
                self.names.push(name.clone());
                self.places.insert(name.clone(), next);
                next
            }
        };
        Some(IpAddr::V4(Ipv4Addr::from_bits(FIRST + 1 + place)))
    }

    /// The name of an address.
    pub(crate) fn name(&self, address: IpAddr) -> Option<&HostName> {
        let IpAddr::V4(address) = address else { return None };
        let place = address.to_bits().checked_sub(FIRST + 1)?;
        self.names.get(place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_names_for_good() {
        let mut pool = Pool::default();
        let name = |index: u32| HostName::parse(&format!("n{index}.org")).unwrap();
        let first = pool.address(&name(0)).unwrap();
        assert_eq!(first.to_string(), "198.18.0.1");
        for index in 1..MOST as u32 {
            assert!(pool.address(&name(index)).is_some());
        }
        assert_eq!(pool.address(&name(MOST as u32)), None);
        assert_eq!((pool.address(&name(0)), pool.name(first)), (Some(first), Some(&name(0))));
        assert_eq!(pool.name("198.19.255.254".parse().unwrap()), Some(&name(MOST as u32 - 1)));
        for other in ["198.18.0.0", "198.19.255.255", "198.20.0.0", "10.0.0.1", "::ffff:198.18.0.1"] {
            assert_eq!(pool.name(other.parse().unwrap()), None, "{other}");
        }
    }
}
