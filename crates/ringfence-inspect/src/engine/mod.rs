//! The inspector's process: one thread, one runtime, connections that it is handed and none that it opens.
//!
//! Its process, and what it may not do there, are made elsewhere.

mod authority;
mod body;
mod connection;
mod exchange;
mod fields;
mod recognise;
mod refusal;
mod reporter;
mod resolver;
mod stream;
mod strict;
mod tunnel;
mod upgrade;
mod upstream;
mod wrap;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use ringfence_egress::budget::Ledger;
use ringfence_egress::handed::{self, Progress, Said};
use ringfence_plan::{Event, RuleId, Target};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use self::authority::Authority;
use self::reporter::Reporter;
use crate::rules::Rules;
use crate::secret::Secret;
use ringfence_egress::scan::Needles;

/// What a connection buffers at most in one place.
const MOST_BUFFERED: usize = 64 * 1024;
/// Most fields of a head.
const MOST_FIELDS: usize = 128;
/// What one stream of HTTP/2, and all of a connection, may have under way.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Most requests at once on a connection of HTTP/2.
const MOST_STREAMS: u32 = 100;

/// What an inspector needs to know.
pub struct Setup {
    /// What may be asked of whom.
    pub rules: Rules,
    /// The values of the plan's credentials, in its order.
    pub secrets: Vec<Secret>,
    /// The texts that stand for them, in the order of [`Rules::places`].
    pub placeholders: Vec<String>,
    /// What the run may still send, connect and ask.
    pub ledger: Ledger,
    /// The host's roots, as PEM.
    pub roots: Vec<u8>,
    /// Where events go, each a packet. From it comes, once, the channel to the gateway; when that one's other end is closed,
    /// the inspector ends.
    pub supervisor: OwnedFd,
}

/// An inspector that has all it needs.
pub struct Engine {
    runtime: Runtime,
    inspector: Inspector,
    supervisor: OwnedFd,
}

/// What all connections share.
pub(crate) struct Inspector {
    rules: RefCell<Rc<Rules>>,
    /// That they have changed.
    pub(crate) changed: Notify,
    pub(crate) ledger: Ledger,
    open: RefCell<HashMap<u32, AbortHandle>>,
    pub(crate) secrets: Vec<Secret>,
    texts: Vec<String>,
    pub(crate) placeholders: Arc<Needles>,
    pub(crate) authority: Authority,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) reporter: Reporter,
    wrapped: wrap::Places,
    progress: RefCell<Option<Rc<AsyncFd<OwnedFd>>>>,
}

/// What a connection's requests come to.
#[derive(Default)]
pub(crate) struct Requests {
    all: Cell<u32>,
    allowed: RefCell<HashMap<(String, u16, RuleId), u64>>,
    /// Whom its client named last.
    named: RefCell<Option<Target>>,
}

impl Requests {
    /// One more: how many they are.
    pub(crate) fn count(&self) -> u32 {
        self.all.set(self.all.get().saturating_add(1));
        self.all.get()
    }

    /// Its client has named this one.
    pub(crate) fn named(&self, target: Target) {
        *self.named.borrow_mut() = Some(target);
    }

    pub(crate) fn allowed(&self, host: &str, port: u16, rule: RuleId) {
        *self.allowed.borrow_mut().entry((host.to_owned(), port, rule)).or_default() += 1;
    }
}

/// Spawns on this thread.
#[derive(Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Engine {
    /// Makes the authority and takes the roots in; opens what it needs, and nothing from then on.
    ///
    /// # Errors
    /// When something of that fails, in words.
    pub fn new(setup: Setup) -> Result<Engine, String> {
        let Setup { rules, secrets, placeholders, ledger, roots, supervisor } = setup;
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(&roots).filter_map(Result::ok);
        let (added, _) = store.add_parsable_certificates(certificates);
        if added == 0 {
            return Err("the file of trusted certificates has none that can be read".into());
        }
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        // No secrets; but a message that happens to end as they begin must not wait for the next one, which may never come.
        let needles = Needles::unknown(placeholders.iter().map(|text| text.clone().into_bytes()));
        Ok(Engine {
            runtime: runtime.map_err(|error| error.to_string())?,
            inspector: Inspector {
                rules: RefCell::new(Rc::new(rules)),
                changed: Notify::new(),
                ledger,
                open: RefCell::default(),
                secrets,
                texts: placeholders,
                placeholders: Arc::new(needles),
                authority,
                client: Arc::new(client),
                reporter: Reporter::default(),
                wrapped: wrap::Places::default(),
                progress: RefCell::new(None),
            },
            supervisor,
        })
    }

    /// The authority's certificate, as PEM.
    pub fn certificate(&self) -> &str {
        self.inspector.authority.pem()
    }

    /// Serves until the gateway hangs up.
    ///
    /// # Errors
    /// When it cannot wait.
    pub fn serve(self) -> io::Result<()> {
        let Engine { runtime, inspector, supervisor } = self;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let inspector = Rc::new(inspector);
            let both = Interest::READABLE | Interest::WRITABLE;
            let supervisor = crate::sys::watched(supervisor, both)?;
            let mut word = [0; 8];
            let received =
                supervisor.async_io(Interest::READABLE, |channel| receive(channel, &mut word)).await?;
            let Some(gateway) = received.1.into_iter().next() else { return Ok(()) };
            let channel = Rc::new(crate::sys::watched(gateway, both)?);
            *inspector.progress.borrow_mut() = Some(channel.clone());
            inspector.reporter.begin(supervisor);
            while let Some(said) = next(&channel).await? {
                inspector.obey(said);
            }
            inspector.reporter.finish().await;
            Ok(())
        })
    }
}

/// What the gateway says next; `None` when it has hung up.
async fn next(channel: &AsyncFd<OwnedFd>) -> io::Result<Option<(Said, Vec<OwnedFd>)>> {
    let mut packet = vec![0; handed::LONGEST];
    loop {
        let received = channel.async_io(Interest::READABLE, |channel| receive(channel, &mut packet)).await;
        let (length, descriptors) = received?;
        if length == 0 {
            return Ok(None);
        }
        if let Some(said) = Said::unpack(&packet[..length]) {
            return Ok(Some((said, descriptors)));
        }
    }
}

fn receive(channel: &OwnedFd, packet: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(channel, &mut [io::IoSliceMut::new(packet)], &mut control, flags)?;
    let mut descriptors = Vec::new();
    for entry in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = entry {
            descriptors.extend(sockets);
        }
    }
    Ok((message.bytes, descriptors))
}

impl Inspector {
    /// The rules that count now.
    pub(crate) fn rules(&self) -> Rc<Rules> {
        self.rules.borrow().clone()
    }

    fn obey(self: &Rc<Self>, (said, descriptors): (Said, Vec<OwnedFd>)) {
        match said {
            Said::Handed(handed) => {
                let mut descriptors = descriptors.into_iter();
                let (Some(client), Some(server)) = (descriptors.next(), descriptors.next()) else { return };
                let id = handed.id;
                let this = self.clone();
                let task = tokio::task::spawn_local(async move {
                    connection::serve(this.clone(), handed, client, server).await;
                    this.open.borrow_mut().remove(&id);
                });
                self.open.borrow_mut().insert(id, task.abort_handle());
            }
            Said::Cut(id) => {
                if let Some(task) = self.open.borrow_mut().remove(&id) {
                    task.abort();
                    let progress = Progress { id, sent: 0, received: 0, requests: 0, ended: true };
                    let this = self.clone();
                    tokio::task::spawn_local(async move { this.progress(progress).await });
                }
            }
            Said::Wrap(name) => {
                let mut descriptors = descriptors.into_iter();
                let (Some(gateway), Some(proxy)) = (descriptors.next(), descriptors.next()) else { return };
                // Closed, the gateway has the proxy for one that failed.
                let Some(place) = self.wrapped.take() else { return };
                let client = self.client.clone();
                tokio::task::spawn_local(async move {
                    wrap::serve(client, name, gateway, proxy).await;
                    drop(place);
                });
            }
            Said::Resolver(upstream) => {
                let mut descriptors = descriptors.into_iter();
                let (Some(gateway), Some(server)) = (descriptors.next(), descriptors.next()) else { return };
                tokio::task::spawn_local(resolver::serve(self.client.clone(), *upstream, gateway, server));
            }
            Said::Rules(network) => {
                let rules = self.rules().with_reach(*network);
                *self.rules.borrow_mut() = Rc::new(rules);
                self.changed.notify_waiters();
            }
        }
    }

    pub(crate) fn placeholder(&self, at: usize) -> &[u8] {
        self.texts.get(at).map_or(&[], |text| text.as_bytes())
    }

    /// Tells the gateway how far a connection has come. What it does not take now, the next one says as well; but for the
    /// end it is waited.
    pub(crate) async fn progress(&self, progress: Progress) {
        let Some(channel) = self.progress.borrow().clone() else { return };
        let send = |channel: &OwnedFd| {
            let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
            Ok(rustix::net::send(channel, &progress.pack(), flags)?)
        };
        if progress.ended {
            let _ = channel.async_io(Interest::WRITABLE, send).await;
        } else {
            let _ = send(channel.get_ref());
        }
    }

    /// Tells of the requests that were allowed on a connection.
    pub(crate) fn tell_requests(&self, requests: &Requests) {
        for ((host, port, rule), requests) in requests.allowed.borrow_mut().drain() {
            self.reporter.tell(&Event::RequestsAllowed { host, port, rule, requests });
        }
    }
}
