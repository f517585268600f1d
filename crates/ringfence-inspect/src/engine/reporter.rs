//! What the inspector tells its supervisor: an event a packet, as JSON. A supervisor that does not keep up is waited for as
//! long as the queue has room; then events are lost, and never the network's time. It learns how many.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use ringfence_egress::report;
use ringfence_plan::Event;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Most events that wait.
const MOST: usize = 2048;

/// Tells events.
#[derive(Clone, Default)]
pub(crate) struct Reporter(Rc<Shared>);

#[derive(Default)]
struct Shared {
    queue: RefCell<VecDeque<Vec<u8>>>,
    missed: Cell<u64>,
    /// Whether the supervisor has hung up.
    is_gone: Cell<bool>,
    news: Notify,
    told: Notify,
}

impl Reporter {
    /// Begins to tell; within the runtime.
    pub(crate) fn begin(&self, channel: AsyncFd<OwnedFd>) {
        let shared = self.0.clone();
        tokio::task::spawn_local(async move {
            loop {
                if let events @ 1.. = shared.missed.take() {
                    shared.queue.borrow_mut().push_front(report::missed(events));
                }
                let packet = shared.queue.borrow().front().cloned();
                let Some(packet) = packet else {
                    shared.told.notify_waiters();
                    shared.news.notified().await;
                    continue;
                };
                let told = channel.async_io(Interest::WRITABLE, |channel| {
                    Ok(send(channel, &packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
                });
                if told.await.is_err() {
                    shared.is_gone.set(true);
                    shared.told.notify_waiters();
                    return;
                }
                shared.queue.borrow_mut().pop_front();
            }
        });
    }

    /// Puts an event behind the others.
    pub(crate) fn tell(&self, event: &Event) {
        let mut queue = self.0.queue.borrow_mut();
        // An alarm pushes something else out.
        if queue.len() >= MOST {
            self.0.missed.update(|missed| missed + 1);
            if !matches!(event, Event::CredentialAlarm { .. }) {
                return;
            }
            queue.pop_back();
        }
        if let Ok(packet) = serde_json::to_vec(event) {
            queue.push_back(packet);
            self.0.news.notify_one();
        }
    }

    /// Waits until all is told, or the supervisor has hung up.
    pub(crate) async fn finish(&self) {
        while !self.0.is_gone.get() && !self.0.queue.borrow().is_empty() {
            self.0.told.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::RuleId;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn events_that_nobody_takes_are_counted() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (ours, theirs) =
                    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None)
                        .unwrap();
                let reporter = Reporter::default();
                reporter.begin(crate::sys::watched(theirs, Interest::READABLE | Interest::WRITABLE).unwrap());
                let event =
                    Event::RequestsAllowed { host: "a".into(), port: 1, rule: RuleId(1), requests: 1 };
                for _ in 0..MOST + 7 {
                    reporter.tell(&event);
                }
                let (mut told, mut missed) = (0, 0);
                let hear = async {
                    let mut packet = [0; 256];
                    while told < MOST {
                        match rustix::io::read(&ours, &mut packet) {
                            Ok(length) => match report::is_missed(&packet[..length]) {
                                Some(events) => missed += events,
                                None => told += 1,
                            },
                            Err(_) => tokio::task::yield_now().await,
                        }
                    }
                };
                tokio::join!(hear, reporter.finish());
                assert_eq!((told, missed), (MOST, 7));
                // One that has hung up is not waited for.
                drop(ours);
                reporter.tell(&event);
                reporter.finish().await;
            })
            .await;
    }
}
