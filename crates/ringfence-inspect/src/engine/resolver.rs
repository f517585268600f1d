//! A resolver behind TLS. DNS over TLS (RFC 7858) goes through as it comes; for DNS over HTTPS (RFC 8484) each question is a
//! request, and its answer comes back behind its length as over TLS, so that the gateway knows nothing of HTTP.
//!
//! HTTP is spoken here and not by the gateway, since the answers have to be read by something that reads hostile ones anyway,
//! and since version 2 is what resolvers speak and some nothing else. What is asked, and whether an answer is one, is the
//! gateway's to judge.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use ringfence_egress::dns::conversation::MOST;
use ringfence_egress::dns::message::{self, Code};
use ringfence_egress::handed::Agreement;
use ringfence_plan::{Target, Upstream, UpstreamScheme};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::AnyError;
use super::wrap;
use super::{CONNECTION_WINDOW, LocalExecutor, MOST_BUFFERED, MOST_FIELDS, STREAM_WINDOW};

/// How long both may take to agree upon keys: as long as the gateway waits, so that nothing is kept for nobody.
const AGREE: Duration = Duration::from_secs(3);
/// How long one answer may take: longer than the gateway waits, who gives up first and ends what is of no use.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the gateway still hears, and how long a resolver is kept when it does not.
const LAST: Duration = Duration::from_secs(1);
/// How long a connection that has ended is kept for what came last.
const LINGER: Duration = Duration::from_millis(100);
/// Longest answer: what its length has room for.
const LONGEST: usize = 65_535;
/// What questions and answers are (RFC 8484, section 6).
const MESSAGE: &str = "application/dns-message";
/// Versions of HTTP, the wished-for one first.
const TWO: &[u8] = b"h2";
const ONE: &[u8] = b"http/1.1";

/// Serves until one side has ended. Whatever goes wrong ends both; the gateway tells of it.
pub(super) async fn serve(client: Arc<ClientConfig>, to: Upstream, gateway: OwnedFd, server: OwnedFd) {
    let Ok(gateway) = UnixStream::from_std(Pair::from(gateway)) else { return };
    let Ok(server) = TcpStream::from_std(std::net::TcpStream::from(server)) else { return };
    let agreed = timeout(AGREE, agree(client, &to, server)).await;
    let said = match &agreed {
        Ok(Ok(_)) => Agreement::Reached,
        Ok(Err(error)) if is_about_the_certificate(error) => Agreement::Untrusted,
        Ok(Err(_)) | Err(_) => Agreement::Failed,
    };
    let (Ok(()), Ok(Ok(stream))) = (wrap::write(&gateway, &said.pack()).await, agreed) else { return };
    match &to.scheme {
        UpstreamScheme::Tls => wrap::relay(gateway, stream, LAST).await,
        UpstreamScheme::Https(path) => {
            let place = Place { authority: authority(&to), path: path.clone() };
            let is_two = stream.get_ref().1.alpn_protocol() == Some(TWO);
            // What ends it is told to the gateway by its end.
            let _ = if is_two {
                by_two(&gateway, stream, place).await
            } else {
                by_one(&gateway, stream, place).await
            };
        }
    }
}

async fn agree(
    client: Arc<ClientConfig>,
    to: &Upstream,
    server: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = match &to.host {
        Target::Name(name) => ServerName::try_from(name.as_str().to_owned()).map_err(io::Error::other)?,
        Target::Address(address) => ServerName::from(*address),
    };
    let protocols = match to.scheme {
        // RFC 7858 asks for none, and a server that knows none of those offered hangs up.
        UpstreamScheme::Tls => Vec::new(),
        UpstreamScheme::Https(_) => vec![TWO.to_vec(), ONE.to_vec()],
    };
    TlsConnector::from(client).with_alpn(protocols).connect(name, server).await
}

fn is_about_the_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Where questions are asked.
struct Place {
    authority: String,
    path: String,
}

fn authority(to: &Upstream) -> String {
    // An address of the sixth version has its brackets.
    let host = to.host.to_string();
    if to.port == 443 { host } else { format!("{host}:{}", to.port) }
}

/// By HTTP/2: many requests at once.
async fn by_two(
    gateway: &UnixStream,
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    place: Place,
) -> Result<(), AnyError> {
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MOST_BUFFERED as u32)
        .handshake(TokioIo::new(io))
        .await?;
    let uri: Uri = format!("https://{}{}", place.authority, place.path).parse()?;
    let (answers, mut answered) = tokio::sync::mpsc::channel::<Vec<u8>>(MOST);
    let ask = async {
        let mut under_way = JoinSet::new();
        while let Some(question) = read(gateway).await? {
            // Those that the gateway has given up on count as well.
            while under_way.len() >= 2 * MOST {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let (mut sender, answers) = (sender.clone(), answers.clone());
            let request = request(uri.clone(), &question).body(Full::new(question.clone()))?;
            under_way.spawn_local(async move {
                let exchange = async {
                    sender.ready().await?;
                    answer(&question, sender.send_request(request).await?).await
                };
                // What takes too long is cancelled by being dropped, and the others go on.
                if let Ok(Ok(message)) = timeout(PATIENCE, exchange).await {
                    let _ = answers.send(message).await;
                }
            });
        }
        Ok(())
    };
    let tell = async {
        while let Some(message) = answered.recv().await {
            write(gateway, &message).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = ask => ended,
        ended = tell => ended,
        ended = end_of(connection) => ended,
    }
}

/// By HTTP/1.1: one request after the other.
async fn by_one(
    gateway: &UnixStream,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: Place,
) -> Result<(), AnyError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_BUFFERED)
        .max_headers(MOST_FIELDS)
        .handshake(TokioIo::new(io))
        .await?;
    let uri: Uri = place.path.parse()?;
    let ask = async {
        while let Some(question) = read(gateway).await? {
            let request = request(uri.clone(), &question).header(HOST, &place.authority);
            let request = request.body(Full::new(question.clone()))?;
            let exchange = async {
                sender.ready().await?;
                answer(&question, sender.send_request(request).await?).await
            };
            // What takes too long holds up all others: then it ends.
            write(gateway, &timeout(PATIENCE, exchange).await??).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = ask => ended,
        ended = end_of(connection) => ended,
    }
}

/// The end of a connection. What has come on it before is still handed on.
async fn end_of<E: Into<AnyError>>(connection: impl Future<Output = Result<(), E>>) -> Result<(), AnyError> {
    let ended = connection.await;
    tokio::time::sleep(LINGER).await;
    ended.map_err(Into::into)
}

/// By POST: its answers are not kept on the way, so that what they say of time is the resolver's own word.
fn request(uri: Uri, question: &Bytes) -> http::request::Builder {
    let request = Request::post(uri).header(ACCEPT, MESSAGE).header(CONTENT_TYPE, MESSAGE);
    request.header(http::header::CONTENT_LENGTH, question.len())
}

/// The message in an answer; of one that has none, that the resolver failed. Nothing is asked elsewhere, whatever it says.
async fn answer(question: &Bytes, response: Response<Incoming>) -> Result<Vec<u8>, AnyError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if response.status() == StatusCode::OK && kind.eq_ignore_ascii_case(MESSAGE) {
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        if let Ok(body) = body {
            return Ok(body.to_bytes().to_vec());
        }
    }
    let failed = message::question(question).ok().map(|question| question.answer(Code::ServFail, &[]));
    failed.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
}

/// The gateway's next question; `None` once it has no more.
async fn read(gateway: &UnixStream) -> io::Result<Option<Bytes>> {
    let mut length = [0; 2];
    if !read_exactly(gateway, &mut length).await? {
        return Ok(None);
    }
    let mut question = vec![0; u16::from_be_bytes(length).into()];
    Ok(read_exactly(gateway, &mut question).await?.then(|| question.into()))
}

async fn read_exactly(gateway: &UnixStream, mut rest: &mut [u8]) -> io::Result<bool> {
    while !rest.is_empty() {
        let length = wrap::read(gateway, rest).await?;
        if length == 0 {
            return Ok(false);
        }
        rest = &mut rest[length..];
    }
    Ok(true)
}

async fn write(gateway: &UnixStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    wrap::write(gateway, &[&length.to_be_bytes(), message].concat()).await
}

#[cfg(test)]
mod tests {
    use ringfence_egress::dns::message::{Kind, padded_query};
    use ringfence_plan::{HostName, RuleId};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    fn question() -> Vec<u8> {
        padded_query(7, &HostName::parse("a.org").unwrap(), Kind::A)
    }

    /// A resolver that answers one request like this, and what it read of it.
    async fn answers(mut world: DuplexStream, answer: Vec<u8>) -> Vec<u8> {
        let mut read = vec![0; 4096];
        let mut length = 0;
        while !read[..length].ends_with(&question()) {
            length += world.read(&mut read[length..]).await.unwrap();
        }
        // One that is cut off may not be taken to its end.
        let _ = world.write_all(&answer).await;
        read.truncate(length);
        read
    }

    /// What the gateway hears behind its question, and what the resolver read.
    async fn exchanged(answer: Vec<u8>) -> (Option<Vec<u8>>, Vec<u8>) {
        let (mut gateway, ours) = UnixStream::pair().unwrap();
        let (io, world) = duplex(1024);
        let place = Place { authority: "192.0.2.1:8443".into(), path: "/dns-query".into() };
        let work = spawn_local(async move { by_one(&ours, io, place).await.is_ok() });
        let resolver = spawn_local(answers(world, answer));
        let question = question();
        let framed = [&(question.len() as u16).to_be_bytes(), question.as_slice()].concat();
        gateway.write_all(&framed).await.unwrap();
        let mut length = [0; 2];
        let heard = match gateway.read_exact(&mut length).await {
            Ok(_) => {
                let mut message = vec![0; u16::from_be_bytes(length).into()];
                gateway.read_exact(&mut message).await.unwrap();
                Some(message)
            }
            Err(_) => None,
        };
        drop(gateway);
        let _ = work.await;
        (heard, resolver.await.unwrap())
    }

    fn with(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nLocation: https://192.0.2.9/\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn an_answer_over_https_that_is_none_is_a_failure() {
        let tests = async {
            let (heard, read) =
                exchanged(with("200 OK", "Application/DNS-Message; x=y", b"an answer of some kind")).await;
            assert_eq!(heard.unwrap(), b"an answer of some kind");
            let read = String::from_utf8_lossy(&read).into_owned();
            assert!(read.starts_with("POST /dns-query HTTP/1.1\r\n"), "{read}");
            for field in
                ["host: 192.0.2.1:8443", "content-type: application/dns-message", "content-length: 128"]
            {
                assert!(read.contains(&format!("{field}\r\n")), "{read}");
            }
            let mut failed = question()[..12 + 11].to_vec();
            failed[2..12].copy_from_slice(&[0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
            for answer in [
                with("404 Not Found", MESSAGE, b"an answer of some kind"),
                with("302 Found", MESSAGE, b""),
                with("204 No Content", MESSAGE, b""),
                with("200 OK", "text/html", b"an answer of some kind"),
                with("200 OK", MESSAGE, &vec![0; 65_536]),
                with("200 OK", MESSAGE, &vec![0; 10_000_000]),
            ] {
                assert_eq!(
                    exchanged(answer.clone()).await.0,
                    Some(failed.clone()),
                    "{}",
                    answer[..60].escape_ascii()
                );
            }
            for broken in [
                &b"SSH-2.0-x\r\n"[..],
                b"HTTP/1.1 200 OK\r\nX: \r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                b"",
            ] {
                assert_eq!(exchanged(broken.to_vec()).await.0, None, "{}", broken.escape_ascii());
            }
            let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 1_000_000]].concat();
            assert_eq!(exchanged(endless).await.0, None);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, tests);
    }

    #[test]
    fn an_authority_has_its_brackets_and_a_port_that_is_not_the_usual_one() {
        let of = |host: &str, port| {
            let scheme = UpstreamScheme::Https("/".into());
            authority(&Upstream { scheme, host: Target::parse(host).unwrap(), port, rule: RuleId(0) })
        };
        assert_eq!(of("2001:db8::1", 443), "[2001:db8::1]");
        assert_eq!(of("2001:db8::1", 8443), "[2001:db8::1]:8443");
        assert_eq!(of("dns.example", 443), "dns.example");
    }
}
