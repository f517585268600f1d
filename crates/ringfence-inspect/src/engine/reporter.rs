//! What the inspector tells its supervisor: an event a packet, as JSON. A supervisor that does not keep up is waited for as
//! long as the queue has room; then events are lost, and never the network's time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use ringfence_plan::Event;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Most events that wait.
const MOST: usize = 2048;
/// How long the supervisor may take to hear the last ones.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells events.
#[derive(Clone, Default)]
pub(crate) struct Reporter(Rc<Shared>);

#[derive(Default)]
struct Shared {
    queue: RefCell<VecDeque<Vec<u8>>>,
    news: Notify,
    told: Notify,
}

impl Reporter {
    /// Begins to tell; within the runtime.
    pub(crate) fn begin(&self, channel: AsyncFd<OwnedFd>) {
        let shared = self.0.clone();
        tokio::task::spawn_local(async move {
            loop {
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

    /// Waits until all is told, but not for ever.
    pub(crate) async fn finish(&self) {
        let told = async {
            while !self.0.queue.borrow().is_empty() {
                self.0.told.notified().await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }
}
