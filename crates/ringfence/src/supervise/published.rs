//! Ports of the host's loopback that lead inside: their listeners, which the gateway gets. Bound to the loopback and to
//! nothing else, so that nobody else's machine reaches them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use ringfence_plan::{Plan, Publish};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::error::Error;

/// The listeners of every published port of a plan.
pub(super) fn open(plan: &Plan) -> Result<Vec<(Publish, OwnedFd)>, Error> {
    let mut opened = Vec::new();
    for publish in &plan.network.publish {
        let failed = |source: io::Error| Error::Publish {
            port: publish.outside,
            inside: publish.inside,
            rule: plan.rule(publish.rule).to_string(),
            source,
        };
        for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            match listener(SocketAddr::new(address, publish.outside)) {
                Ok(listener) => opened.push((*publish, listener)),
                // A host may do without the sixth version.
                Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if address.is_ipv6() => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
    Ok(opened)
}

fn listener(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // What a run before left to time out does not stand in the way; a listener does all the same (socket(7)).
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, 1024)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_in_use() {
        let first = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = SocketAddr::try_from(rustix::net::getsockname(&first).unwrap()).unwrap();
        assert_eq!(listener(taken).unwrap_err(), Errno::ADDRINUSE);
        drop(first);
        assert!(listener(taken).is_ok());
    }
}
