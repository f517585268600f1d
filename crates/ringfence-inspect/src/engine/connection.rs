//! One connection from its hand-over to its end: what the client says first tells whether it is looked into, carried
//! untouched, or refused.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ringfence_egress::budget::Spent;
use ringfence_egress::greeted::Crooked;
use ringfence_egress::handed::{Handed, Progress};
use ringfence_egress::hello::ClientHello;
use ringfence_plan::{Barrier, Event, HostName, Place, Protocol, RuleId, Target};
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use super::exchange::{Exchange, Peer};
use super::recognise::{Kind, is_nobody, kind_of_tls, known_as, recognise};
use super::stream::{Counts, Purse, Stream};
use super::strict::{Shared, Strict};
use super::tunnel;
use super::upstream::{Server, Upstream};
use super::{
    CONNECTION_WINDOW, Inspector, LocalExecutor, MOST_BUFFERED, MOST_FIELDS, MOST_STREAMS, STREAM_WINDOW,
};

/// How long a client may take to say what it wants, and both sides to agree upon keys.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the gateway is told how much has gone through.
const REPORT: Duration = Duration::from_millis(250);

const TWO: &[u8] = b"h2";
const ONE: &[u8] = b"http/1.1";

/// Serves a connection to its end, and tells of it.
pub(super) async fn serve(inspector: Rc<Inspector>, handed: Handed, client: OwnedFd, server: OwnedFd) {
    let counts = Arc::new(Counts::default());
    let requests = Rc::new(super::Requests::default());
    let charges = inspector.ledger.charges(known_as(&handed).iter());
    let purse = Arc::new(Purse { ledger: inspector.ledger.clone(), charges });
    let spends = (counts.clone(), purse.clone());
    let client = socket(client).and_then(|client| Stream::client(client, handed.first.clone(), spends));
    if let (Ok(client), Ok(server)) = (client, socket(server)) {
        let shared = Common { inspector: &inspector, requests: &requests, purse: &purse };
        let work = carry(shared, &handed, (client, Stream::server(server)));
        tokio::pin!(work);
        let mut told = 0;
        loop {
            let changed = inspector.changed.notified();
            tokio::select! {
                biased;
                () = &mut work => break,
                () = changed => if !may_go_on(&inspector, &handed, &requests) { break },
                () = tokio::time::sleep(REPORT) => {
                    let moved = counts.sent.load(Relaxed) + counts.received.load(Relaxed);
                    if moved != std::mem::replace(&mut told, moved) {
                        inspector.progress(progress(&handed, &counts, &requests, false)).await;
                    }
                }
            }
        }
    }
    let over = *counts.over.lock().unwrap_or_else(PoisonError::into_inner);
    let told = |over: &Spent| inspector.ledger.may_tell(over.rule, over.kind.name());
    if let Some(Spent { rule, .. }) = over.filter(told) {
        tell_refused(&inspector, &handed, None, (Barrier::OverBudget, rule));
    }
    if let Some(at) = *counts.misplaced.lock().unwrap_or_else(PoisonError::into_inner) {
        let host = handed.names.last().map(|name| name.as_str().to_owned());
        inspector.reporter.tell(&Event::CredentialAlarm {
            host: host.or_else(|| Some(handed.address.ip().to_string())),
            port: handed.address.port(),
            place: Place::Connection,
            rule: inspector.rules().rule_of_placeholder(at),
        });
    }
    inspector.tell_requests(&requests);
    inspector.progress(progress(&handed, &counts, &requests, true)).await;
}

/// Whether whom its client named may be named by the rules that count now. The gateway, which ends what they allow for none
/// of the names of an address, does not know which one that is.
fn may_go_on(inspector: &Inspector, handed: &Handed, requests: &super::Requests) -> bool {
    match requests.named.borrow().as_ref() {
        Some(Target::Name(name)) => {
            inspector.rules().may_be_named(name, handed.address.port(), handed.anybody)
        }
        Some(Target::Address(_)) | None => true,
    }
}

fn progress(handed: &Handed, counts: &Counts, requests: &super::Requests, ended: bool) -> Progress {
    let (sent, received) = (counts.sent.load(Relaxed), counts.received.load(Relaxed));
    Progress { id: handed.id, sent, received, requests: requests.all.get(), ended }
}

fn socket(descriptor: OwnedFd) -> std::io::Result<TcpStream> {
    TcpStream::from_std(std::net::TcpStream::from(descriptor))
}

/// What a connection shares with others, and what its requests share.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) inspector: &'a Rc<Inspector>,
    pub(super) requests: &'a Rc<super::Requests>,
    pub(super) purse: &'a Arc<Purse>,
}

async fn carry(common: Common<'_>, handed: &Handed, (mut client, mut server): (Stream, Stream)) {
    let inspector = common.inspector;
    let kind = match tokio::time::timeout(PATIENCE, recognise(inspector, handed, &mut client, &server)).await
    {
        Ok(kind) => kind,
        // Where nobody is to be looked into, both may be silent as long as they like.
        Err(_) if is_nobody(inspector, handed) => recognise(inspector, handed, &mut client, &server).await,
        Err(_) => Kind::Gone,
    };
    match kind {
        Kind::Tunnel => {
            let may_pass = |greeting: &ClientHello| {
                greeting.name.iter().for_each(|name| common.requests.named(Target::Name(name.clone())));
                let may_hide = !greeting.hides || inspector.rules().may_hide().is_ok();
                may_hide && matches!(kind_of_tls(inspector, handed, greeting.name.clone()), Kind::Tunnel)
            };
            if client.watch_for(inspector.placeholders.clone()).is_err() {
                return server.reset_when_closed();
            }
            if let Err(crooked) = tunnel::carry(may_pass, &mut client, &mut server).await {
                client.reset_when_closed();
                server.reset_when_closed();
                let barrier = match crooked {
                    Crooked::OtherName => Barrier::OtherName,
                    Crooked::Malformed(_) => Barrier::Malformed,
                };
                tell_refused(inspector, handed, None, (barrier, inspector.rules().fallback()));
            }
        }
        Kind::Secure(name) => secure(common, handed, (client, server), name).await,
        Kind::Plain => plain(common, handed, (client, server)).await,
        Kind::Hides(rule) => {
            client.reset_when_closed();
            server.reset_when_closed();
            tell_refused(inspector, handed, None, (Barrier::HiddenName, rule));
        }
        Kind::Refused(barrier, name) => {
            client.reset_when_closed();
            server.reset_when_closed();
            let rule = inspector.rules().fallback();
            tell_refused(inspector, handed, name, (barrier, rule));
        }
        Kind::Gone => {}
    }
}

fn tell_refused(
    inspector: &Inspector,
    handed: &Handed,
    name: Option<HostName>,
    (barrier, rule): (Barrier, RuleId),
) {
    let named = name.or_else(|| handed.names.last().cloned());
    inspector.reporter.tell(&Event::NetworkRefused {
        host: named.map(|name| name.as_str().to_owned()),
        address: Some(handed.address.ip()),
        port: Some(handed.address.port()),
        protocol: Protocol::Tcp,
        barrier,
        rule,
    });
}

async fn plain(common: Common<'_>, handed: &Handed, (client, server): (Stream, Stream)) {
    let names = handed.names.iter().cloned().map(Target::Name).collect();
    let (address, port) = (Target::address(handed.address.ip()), handed.address.port());
    let peer = Peer::Plain { names, anybody: handed.anybody, address, port };
    let server = match Upstream::one(server).await {
        Ok(upstream) => Server::Up(upstream),
        Err(error) => Server::Down(error.to_string()),
    };
    one(common, (peer, server), client).await;
}

async fn secure(common: Common<'_>, handed: &Handed, (client, server): (Stream, Stream), name: Target) {
    let inspector = common.inspector;
    common.requests.named(name.clone());
    let Ok(Ok(start)) =
        tokio::time::timeout(PATIENCE, LazyConfigAcceptor::new(Acceptor::default(), client)).await
    else {
        return;
    };
    let offered: Option<Vec<Vec<u8>>> =
        start.client_hello().alpn().map(|protocols| protocols.map(<[u8]>::to_vec).collect());
    // Nothing but these is read here. A client that offers nothing speaks HTTP/1.
    let known =
        |protocol: &&[u8]| offered.as_ref().is_none_or(|offered| offered.iter().any(|own| own == protocol));
    let mut protocols: Vec<Vec<u8>> =
        [TWO, ONE].iter().filter(|known_one| known(known_one)).map(|one| one.to_vec()).collect();
    if offered.is_none() {
        protocols.retain(|protocol| protocol == ONE);
    }
    if protocols.is_empty() {
        return;
    }
    let server = dial(inspector, &name, &protocols, server).await;
    let chosen = match &server {
        Ok((_, protocol)) => protocol.clone(),
        Err(_) => protocols.last().cloned().unwrap_or_default(),
    };
    let config = inspector.authority.server(&name, offered.map(|_| vec![chosen.clone()]).unwrap_or_default());
    let Ok(config) = config else { return };
    let Ok(Ok(client)) = tokio::time::timeout(PATIENCE, start.into_stream(config.into())).await else {
        return;
    };
    let server = match server {
        Ok((upstream, _)) => Server::Up(upstream),
        Err(why) => Server::Down(why),
    };
    let peer =
        Peer::Secure { name, address: Target::address(handed.address.ip()), port: handed.address.port() };
    if chosen == TWO {
        two(common, (peer, server), client).await;
    } else {
        one(common, (peer, server), client).await;
    }
}

/// Greets the server, and checks who it is.
async fn dial(
    inspector: &Inspector,
    name: &Target,
    protocols: &[Vec<u8>],
    server: Stream,
) -> Result<(Upstream, Vec<u8>), String> {
    let name = match name {
        Target::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(|error| error.to_string())?
        }
        Target::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let connector = TlsConnector::from(inspector.client.clone());
    let connected = connector.with_alpn(protocols.to_vec()).connect(name, server);
    let stream = match tokio::time::timeout(PATIENCE, connected).await {
        Err(_) => return Err("it did not agree upon keys in time".into()),
        Ok(Err(error)) => {
            return Err(format!(
                "its TLS is not to be had, or its certificate is not to be trusted by the roots of the host, or of SSL_CERT_FILE \
                 where ringfence was started: {error}"
            ));
        }
        Ok(Ok(stream)) => stream,
    };
    let protocol = stream.get_ref().1.alpn_protocol().unwrap_or(ONE).to_vec();
    let upstream = if protocol == TWO { Upstream::two(stream).await } else { Upstream::one(stream).await };
    upstream.map(|upstream| (upstream, protocol)).map_err(|error| format!("it does not speak HTTP: {error}"))
}

/// Serves HTTP/1 until either side has ended.
pub(super) async fn one<S>(common: Common<'_>, (peer, server): (Peer, Server), client: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut random = [0; 16];
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let strict = Shared::new(random.iter().map(|byte| format!("{byte:02x}")).collect());
    let closed = closed(&server);
    let exchange = exchange(common, (peer, server), Some(strict.clone()));
    let own = exchange.clone();
    let service = service_fn(move |request| exchange.clone().handle(request));
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(2 * MOST_BUFFERED)
        .max_headers(MOST_FIELDS)
        .auto_date_header(false)
        .half_close(true)
        .serve_connection(TokioIo::new(Strict::new(client, strict)), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = ended(closed) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    own.carry_on().await;
}

/// Serves HTTP/2 until either side has ended.
pub(super) async fn two<S>(common: Common<'_>, (peer, server): (Peer, Server), client: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let closed = closed(&server);
    let exchange = exchange(common, (peer, server), None);
    let service = service_fn(move |request| exchange.clone().handle(request));
    let connection = hyper::server::conn::http2::Builder::new(LocalExecutor)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_BUFFERED as u32)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(client), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = ended(closed) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Waits until the server has ended its connection.
async fn ended(closed: Option<Rc<super::upstream::Closed>>) {
    match closed {
        Some(closed) => closed.wait().await,
        None => std::future::pending().await,
    }
}

fn closed(server: &Server) -> Option<Rc<super::upstream::Closed>> {
    match server {
        Server::Up(upstream) => Some(upstream.closed.clone()),
        Server::Down(_) => None,
    }
}

fn exchange(common: Common<'_>, (peer, server): (Peer, Server), strict: Option<Arc<Shared>>) -> Rc<Exchange> {
    Rc::new(Exchange {
        inspector: common.inspector.clone(),
        peer,
        server,
        strict,
        requests: common.requests.clone(),
        purse: common.purse.clone(),
        put_in: Default::default(),
        upgraded: Default::default(),
    })
}
