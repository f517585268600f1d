//! What the client writes by hand: requests that two servers read differently never reach one.

mod credentials;
mod names;

use std::cell::Cell;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ringfence_egress::rules::Rules as Reach;
use ringfence_plan::{HttpRule, Network, NetworkMode, UrlPattern};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::connection::{Common, one, two};
use super::exchange::Peer;
use super::stream::Purse;
use super::strict::{Changed, MARK, Shared, Strict};
use super::upstream::{Server, Upstream};
use super::*;

fn within<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// Everything that comes through, and whether it was refused.
async fn strictly(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let shared = Shared::new("mark".into());
    let (mut near, far) = duplex(1 << 20);
    for piece in pieces {
        near.write_all(piece).await.unwrap();
    }
    drop(near);
    let mut out = Vec::new();
    let read = Strict::new(far, shared).read_to_end(&mut out).await;
    let marked = out.windows(MARK.len()).any(|window| window == MARK.as_bytes());
    (out, read.is_err() || marked)
}

#[test]
fn requests_that_servers_read_differently_are_refused() {
    let corpus: &[&str] = &[
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 4, 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: +4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: 0x4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a.org\r\nContent-Length: \r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nX: y\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nX: y\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nX: a\0b\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nhost: a.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org, b.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a.org\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a.org\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a.org\r\n\r\n",
        "GET / http/1.1\r\nHost: a.org\r\n\r\n",
        "GET /#x HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
    ];
    within(async {
        for text in corpus {
            assert!(strictly(&[text.as_bytes()]).await.1, "{text:?}");
            let bytewise: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert!(strictly(&bytewise).await.1, "bytewise {text:?}");
        }
    });
}

#[test]
fn requests_that_are_as_they_should_be_pass_as_they_are() {
    let corpus: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.org\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org:443\r\nContent-Length: 4\r\n\r\nabcdGET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.org\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        "OPTIONS * HTTP/1.1\r\nHost: a.org\r\n\r\n",
    ];
    within(async {
        for text in corpus {
            assert_eq!(strictly(&[text.as_bytes()]).await, (text.as_bytes().to_vec(), false), "{text:?}");
        }
        let upgrade = "GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: h2c\r\nX: y\r\n\r\n";
        let (out, _) = strictly(&[upgrade.as_bytes()]).await;
        assert_eq!(String::from_utf8(out).unwrap(), upgrade.replace("Upgrade: h2c\r\n", ""));
    });
}

#[test]
fn what_follows_a_wish_to_change_the_protocol_waits_for_the_answer() {
    const WISH: &[u8] = b"GET / HTTP/1.1\r\nHost: a.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const EVIL: &[u8] = b"GET / HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n\r\n";
    within(async {
        for (changed, passes) in [(Changed::Yes, true), (Changed::No, false)] {
            let shared = Shared::new("mark".into());
            let (mut near, far) = duplex(1 << 16);
            near.write_all(&[WISH, EVIL].concat()).await.unwrap();
            drop(near);
            let mut strict = Strict::new(far, shared.clone());
            let mut head = vec![0; WISH.len()];
            strict.read_exact(&mut head).await.unwrap();
            assert!(head == WISH && shared.is_asked());
            let mut more = [0; 64];
            let early = tokio::time::timeout(std::time::Duration::from_millis(20), strict.read(&mut more));
            assert!(early.await.is_err(), "it waits");
            shared.change(changed);
            let mut rest = Vec::new();
            let _ = strict.read_to_end(&mut rest).await;
            assert_eq!(rest == EVIL, passes, "{changed:?}");
        }
    });
}

fn inspector() -> Rc<Inspector> {
    let rule = HttpRule {
        endpoint: "a.org:443".parse().unwrap(),
        methods: vec!["GET".into(), "POST".into()],
        paths: vec![UrlPattern::parse("/ok/**").unwrap()],
        max_body: Some(100),
        max_header: None,
        rule: RuleId(0),
    };
    let network = Network { mode: NetworkMode::Rules, http: vec![vec![rule]], ..Network::none(RuleId(0)) };
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let rules = Rules::over(network.clone(), Reach::new(network, Vec::new()));
    Rc::new(Inspector {
        rules: RefCell::new(Rc::new(rules)),
        changed: Notify::new(),
        ledger: Ledger::new(Vec::new()).unwrap(),
        open: RefCell::default(),
        secrets: Vec::new(),
        texts: Vec::new(),
        placeholders: Arc::default(),
        authority: Authority::new().unwrap(),
        client: Arc::new(client),
        reporter: Reporter::default(),
        wrapped: super::wrap::Places::default(),
        progress: RefCell::new(None),
    })
}

/// Carries a client's bytes to a server that counts requests: what the client hears, and how many there were.
async fn carried(bytes: &[u8], version: u8) -> (Vec<u8>, u32) {
    let (heard, reached, _) = carried_whole(bytes, version).await;
    (heard, reached)
}

/// The same, and how many of them ended as they should.
async fn carried_whole(bytes: &[u8], version: u8) -> (Vec<u8>, u32, u32) {
    let name = Target::parse("a.org").unwrap();
    let peer = Peer::Secure { address: Target::parse("192.0.2.1").unwrap(), name, port: 443 };
    carried_by(inspector(), peer, (bytes, version)).await
}

async fn carried_by(
    inspector: Rc<Inspector>,
    peer: Peer,
    (bytes, version): (&[u8], u8),
) -> (Vec<u8>, u32, u32) {
    let (reached, whole) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (near, far) = duplex(1 << 20);
    let (count, ended) = (reached.clone(), whole.clone());
    tokio::task::spawn_local(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            count.set(count.get() + 1);
            let ended = ended.clone();
            async move {
                if request.into_body().collect().await.is_ok() {
                    ended.set(ended.get() + 1);
                }
                Ok::<_, std::convert::Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
            }
        });
        let far = TokioIo::new(far);
        match version {
            1 => drop(hyper::server::conn::http1::Builder::new().serve_connection(far, service).await),
            _ => drop(
                hyper::server::conn::http2::Builder::new(LocalExecutor).serve_connection(far, service).await,
            ),
        }
    });
    let upstream = if version == 1 { Upstream::one(near).await } else { Upstream::two(near).await };
    let server = Server::Up(upstream.unwrap());
    let (mut client, ours) = duplex(1 << 20);
    tokio::task::spawn_local(serve(inspector, (peer, server), ours, version));
    client.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    let read = client.read_to_end(&mut heard);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(200), read).await;
    (heard, reached.get(), whole.get())
}

async fn serve(inspector: Rc<Inspector>, sides: (Peer, Server), client: DuplexStream, version: u8) {
    let charges = inspector.ledger.charges([].iter());
    let purse = Arc::new(Purse { ledger: inspector.ledger.clone(), charges });
    let requests = Rc::new(Requests::default());
    let common = Common { inspector: &inspector, requests: &requests, purse: &purse };
    match version {
        1 => one(common, sides, client).await,
        _ => two(common, sides, client).await,
    }
}

#[test]
fn over_http_1_each_request_is_judged_and_the_answer_says_why() {
    const GOOD: &str = "GET /ok/1 HTTP/1.1\r\nHost: a.org\r\n\r\n";
    within(async {
        let cases = [
            (GOOD.to_owned(), 1, "HTTP/1.1 200"),
            (GOOD.repeat(3), 3, "HTTP/1.1 200"),
            (format!("{GOOD}GET /no HTTP/1.1\r\nHost: a.org\r\n\r\n"), 1, "HTTP/1.1 403"),
            (GOOD.replace("a.org", "b.org"), 0, "HTTP/1.1 403"),
            (GOOD.replace("a.org", "a.org:80"), 0, "HTTP/1.1 403"),
            (GOOD.replace("/ok/1", "https://b.org/ok/1"), 0, "HTTP/1.1 403"),
            (GOOD.replace("/ok/1", "https://a.org/ok/1"), 1, "HTTP/1.1 200"),
            (GOOD.replace("/ok/1", "http://a.org/ok/1"), 0, "HTTP/1.1 403"),
            ("CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n\r\n".into(), 0, "HTTP/1.1 403"),
            ("POST /ok/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 101\r\n\r\n".into(), 0, "HTTP/1.1 403"),
            ("GET /ok/ HTTP/1.1\r\nHost: a.org\r\nX: \0\r\n\r\n".into(), 0, "HTTP/1.1 403"),
        ];
        for (text, times, says) in cases {
            let (heard, reached) = carried(text.as_bytes(), 1).await;
            let heard = String::from_utf8_lossy(&heard).into_owned();
            assert_eq!((reached, heard.contains(says)), (times, true), "{text:?}: {heard}");
        }
    });
}

#[test]
fn trailers_count_as_the_body_that_they_end() {
    let post = |length: usize| {
        let field = "a".repeat(length - "X: \r\n".len());
        format!(
            "POST /ok/ HTTP/1.1\r\nHost: a.org\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {field}\r\n\r\n"
        )
    };
    within(async {
        for (length, whole) in [(100, 1), (101, 0)] {
            let (heard, _, ended) = carried_whole(post(length).as_bytes(), 1).await;
            assert_eq!(ended, whole, "{length}: {}", String::from_utf8_lossy(&heard));
        }
    });
}

#[test]
fn a_field_that_servers_take_for_another_method_or_path_is_judged_as_that() {
    let post =
        |field: &str| format!("POST /ok/ HTTP/1.1\r\nHost: a.org\r\n{field}\r\nContent-Length: 0\r\n\r\n");
    within(async {
        for field in ["X-HTTP-Method-Override: GET", "X-Original-URL: /ok/2?x", "X-Rewrite-URL: /ok/2"] {
            assert_eq!(carried(post(field).as_bytes(), 1).await.1, 1, "{field}");
        }
        for field in [
            "X-HTTP-Method-Override: DELETE",
            "x-http-method: DELETE",
            "X_HTTP_Method-Override: DELETE",
            "X-Method-Override: delete",
            "X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: DELETE",
            "X-Original-URL: /no",
            "X-Original-URL: https://a.org/ok/",
            "X-Rewrite-URL: /ok/../no",
            "X-Rewrite-URL: \u{e9}",
        ] {
            let (heard, reached) = carried(post(field).as_bytes(), 1).await;
            let heard = String::from_utf8_lossy(&heard).into_owned();
            assert_eq!((reached, heard.contains("HTTP/1.1 403")), (0, true), "{field}: {heard}");
        }
    });
}

/// A request of HTTP/2 by hand: fields as literals without an index (RFC 7541, section 6.2.2).
fn frames(fields: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(4, 0, 0, &[]));
    out.extend(frame(1, if body.is_some() { 4 } else { 5 }, 1, &block));
    if let Some(body) = body {
        out.extend(frame(0, 1, 1, body));
    }
    out
}

#[test]
fn over_http_2_fields_that_do_not_belong_there_reach_nobody() {
    const GOOD: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a.org"), (":path", "/ok/1")];
    let with = |more: &[(&'static str, &'static str)]| [&GOOD[..], more].concat();
    let but = |name: &str, value: &'static str| {
        GOOD.map(|(known, old)| if known == name { (known, value) } else { (known, old) }).to_vec()
    };
    within(async {
        let good = [
            with(&[]),
            with(&[("host", "a.org")]),
            with(&[("te", "trailers")]),
            but(":authority", "a.org:443"),
        ];
        for fields in good {
            assert_eq!(carried(&frames(&fields, None), 2).await.1, 1, "{fields:?}");
        }
        let bad = [
            with(&[(":method", "DELETE")]),
            with(&[(":path", "/no")]),
            with(&[(":authority", "b.org")]),
            with(&[("host", "b.org")]),
            with(&[("host", "a.org"), ("host", "a.org")]),
            with(&[("connection", "close")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("upgrade", "websocket")]),
            with(&[("te", "gzip")]),
            with(&[("X-Upper", "x")]),
            with(&[("x", "a\r\nb: c")]),
            with(&[("x", "a\0b")]),
            with(&[("content-length", "1")]),
            with(&[(":protocol", "websocket")]),
            but(":method", "CONNECT"),
            but(":method", "DELETE"),
            but(":scheme", "http"),
            but(":authority", "b.org"),
            but(":authority", "u@a.org"),
            but(":authority", "a.org:80"),
            but(":path", "/no"),
            but(":path", "/ok/../no"),
            but(":path", "/ok/%2e%2e/no"),
            but(":path", "//ok/1"),
            but(":path", "https://b.org/ok/1"),
            but(":path", "*"),
            but(":path", ""),
            [&[("x", "y")], &GOOD[..]].concat(),
        ];
        for fields in bad {
            assert_eq!(carried(&frames(&fields, None), 2).await.1, 0, "{fields:?}");
        }
        let post = but(":method", "POST");
        assert_eq!(carried(&frames(&post, Some(&[b'x'; 100])), 2).await.1, 1);
    });
}
