//! What a connection is, from what its client says first and what the gateway knows of its other end.
//!
//! Not what is done with it.

use ringfence_egress::handed::Handed;
use ringfence_egress::hello::{self, Hello, hello};
use ringfence_plan::{Barrier, HostName, RuleId, Target};

use super::Inspector;
use super::stream::Stream;

/// What the client turned out to be.
pub(super) enum Kind {
    /// It is not looked into.
    Tunnel,
    /// TLS, to this host.
    Secure(Target),
    /// Requests without TLS.
    Plain,
    /// It may not go on.
    Refused(Barrier, Option<HostName>),
    /// It says that it hides another greeting, which this rule does not let.
    Hides(RuleId),
    /// It ended before it said enough.
    Gone,
}

/// Hears the client until it is clear what it is.
pub(super) async fn recognise(
    inspector: &Inspector,
    handed: &Handed,
    client: &mut Stream,
    server: &Stream,
) -> Kind {
    loop {
        match hello(client.first()) {
            Hello::Unfinished if client.first().len() > hello::LONGEST => {
                return Kind::Refused(Barrier::Malformed, None);
            }
            Hello::Unfinished => {}
            Hello::Tls(greeting) => {
                let kind = kind_of_tls(inspector, handed, greeting.name);
                // Where it is ended here, what it hides is nobody's.
                return match inspector.rules().may_hide() {
                    Err(rule) if greeting.hides && matches!(kind, Kind::Tunnel) => Kind::Hides(rule),
                    _ => kind,
                };
            }
            Hello::Http => return Kind::Plain,
            Hello::PlainHttp2 | Hello::Malformed => return Kind::Refused(Barrier::Malformed, None),
            Hello::Other if is_nobody(inspector, handed) => return Kind::Tunnel,
            Hello::Other => return Kind::Refused(Barrier::Unnamed, None),
        }
        // Some servers speak first; where nobody is looked into, they may.
        let server_first = async {
            match is_nobody(inspector, handed) {
                true => server.has_more().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            more = client.look_further() => match more {
                Ok(true) => {}
                // What has ended and named nobody is somebody else's protocol.
                Ok(false) if is_nobody(inspector, handed) && !hello::may_name(client.first()) => return Kind::Tunnel,
                Ok(false) | Err(_) => return Kind::Gone,
            },
            _ = server_first => return Kind::Tunnel,
        }
    }
}

/// Whether no host that is looked into can be meant, as long as the client names none.
pub(super) fn is_nobody(inspector: &Inspector, handed: &Handed) -> bool {
    handed.anybody && !inspector.rules().inspects(&known_as(handed), handed.address.port())
}

/// Everything that the other end may be.
pub(super) fn known_as(handed: &Handed) -> Vec<Target> {
    let names = handed.names.iter().cloned().map(Target::Name);
    names.chain([Target::address(handed.address.ip())]).collect()
}

pub(super) fn kind_of_tls(inspector: &Inspector, handed: &Handed, name: Option<HostName>) -> Kind {
    let (address, port) = (Target::address(handed.address.ip()), handed.address.port());
    match name {
        None if is_nobody(inspector, handed) => Kind::Tunnel,
        // A URL with an address names no server, and there is none but that.
        None if handed.names.is_empty()
            && inspector.rules().inspects(std::slice::from_ref(&address), port) =>
        {
            Kind::Secure(address)
        }
        None => Kind::Refused(Barrier::Unnamed, None),
        Some(name) => {
            let may = (handed.anybody || handed.names.contains(&name))
                && inspector.rules().may_be_named(&name, port, handed.anybody);
            let target = Target::Name(name.clone());
            match may {
                false => Kind::Refused(Barrier::OtherName, Some(name)),
                true if inspector.rules().inspects(&[target.clone(), address], port) => Kind::Secure(target),
                true => Kind::Tunnel,
            }
        }
    }
}
