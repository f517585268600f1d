//! What the resolver behind TLS needs of the gateway: where it is, and the inspector between it and here.
//!
//! Not how it is asked: [`crate::dns::resolver`].

use std::os::fd::OwnedFd;

use ringfence_plan::Upstream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::Gateway;
use super::names::Waiter;
use crate::dns::message::Kind;
use crate::dns::resolver::{Answer, Answered, Wish};
use crate::handed;

impl Gateway {
    pub(super) fn hear_resolver(&mut self) {
        let answered = self.resolver.link_ready(&self.poller);
        self.all_answered(answered);
    }

    /// Does what it needs to get on, until it waits for somebody else.
    pub(super) fn tend_resolver(&mut self) {
        while let Some(wish) = self.resolver.wish(&self.poller) {
            let answered = match wish {
                Wish::Find(name) => {
                    let kinds = if self.has_sixth { &[Kind::A, Kind::Aaaa][..] } else { &[Kind::A] };
                    self.resolver.find(&self.poller, &name, kinds, || Waiter::Resolver)
                }
                Wish::Wrap(server, upstream) => {
                    let plain = self.wrap_resolver(server, &upstream);
                    self.resolver.agree(&self.poller, plain)
                }
                Wish::Tell(answered) => answered,
            };
            self.all_answered(answered);
        }
    }

    /// Where the resolver is, or that nobody says.
    pub(super) fn resolver_found(&mut self, answer: Answer) {
        let answered = self.resolver.found(&self.poller, answer);
        self.all_answered(answered);
    }

    pub(super) fn all_answered(&mut self, answered: Vec<Answered<Waiter>>) {
        for answered in answered {
            self.answered(answered);
        }
    }

    fn wrap_resolver(&mut self, server: OwnedFd, upstream: &Upstream) -> Option<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        let packet = handed::resolver(upstream)?;
        self.inspected.wrap(packet, [theirs, server]).then_some(ours)
    }
}
