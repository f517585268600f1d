//! Parent proxies of the small internet, as companies have them: they write down whom they were asked for, and know a name
//! that no name server knows. The bad ones answer what a proxy should not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::servers::{Log, NAMES};

/// CONNECT, without and with credentials.
const OPEN: u16 = 3128;
const LOCKED: u16 = 3129;
/// SOCKS 5, without and with credentials.
const SOCKS: u16 = 1080;
const SOCKS_LOCKED: u16 = 1081;
/// As many are set up: tunnels to the port of https alone.
const STRICT: u16 = 3133;
/// What it says is no HTTP; a head without an end; a no.
const BABBLING: u16 = 3130;
const ENDLESS: u16 = 3131;
const UNWILLING: u16 = 3132;
/// It hears and says nothing.
const SILENT: u16 = 3134;

/// The credentials of the locked ones, and as HTTP has them.
const USER: &[u8] = b"user";
const PASSWORD: &[u8] = b"pass word";
const BASIC: &str = "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n";

/// A name that nobody else knows.
const KNOWN: (&str, [u8; 4]) = ("inner.example", [203, 0, 113, 10]);

/// The verb `internet-parent LOG`: serves until it is killed.
pub(super) fn main(log: &Log) -> ExitCode {
    let mut threads = Vec::new();
    for port in [OPEN, LOCKED, SOCKS, SOCKS_LOCKED, STRICT, BABBLING, ENDLESS, UNWILLING, SILENT] {
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(listener) => threads.push(thread::spawn({
                let log = log.clone();
                move || {
                    for stream in listener.incoming().flatten() {
                        let log = log.clone();
                        thread::spawn(move || serve(stream, port, &log));
                    }
                }
            })),
            Err(error) => log.write(&format!("bind {port}: {error}")),
        }
    }
    log.write("ready");
    for thread in threads {
        let _ = thread.join();
    }
    ExitCode::SUCCESS
}

fn serve(mut client: TcpStream, port: u16, log: &Log) {
    let Ok(local) = client.local_addr() else { return };
    log.write(&format!("to-parent {} {port}", local.ip()));
    let _ = client.set_read_timeout(Some(Duration::from_secs(20)));
    let asked = match port {
        SOCKS | SOCKS_LOCKED => ask_socks(&mut client, port),
        _ => ask_http(&mut client, port),
    };
    let Some((host, to, request)) = asked else { return };
    log.write(&format!("parent {port} {host}:{to}"));
    let (yes, no): (&[u8], &[u8]) = match port {
        SOCKS | SOCKS_LOCKED => (&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]),
        _ => (
            b"HTTP/1.1 200 Connection established\r\nVia: parent\r\n\r\n",
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        ),
    };
    let server =
        address(&host).and_then(|address| TcpStream::connect(SocketAddr::new(address.into(), to)).ok());
    if request.is_empty() || server.is_none() {
        let _ = client.write_all(if server.is_some() { yes } else { no });
    }
    if let Some(mut server) = server {
        let _ = server.write_all(&request);
        let (Ok(from), Ok(back)) = (client.try_clone(), server.try_clone()) else { return };
        thread::spawn(move || carry(from, server));
        carry(back, client);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn address(host: &str) -> Option<Ipv4Addr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let of_all = NAMES.iter().find(|(name, _)| *name == host).map(|(_, addresses)| addresses[0]);
    of_all.or((host == KNOWN.0).then_some(KNOWN.1)).map(Ipv4Addr::from)
}

/// Whom it is for, and the request if it is no wish for a tunnel; `None` once something else is answered.
fn ask_http(client: &mut TcpStream, port: u16) -> Option<(String, u16, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if port == SILENT {
        thread::sleep(Duration::from_secs(60));
    }
    let shown = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{head}", head.len());
    let answer: &[u8] = match port {
        LOCKED if !head.contains(BASIC) => b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        // What it answers itself shows what it was asked for, and by whom.
        LOCKED if head.starts_with("TRACE ") || head.contains("/shown ") => shown.as_bytes(),
        BABBLING => b"SSH-2.0-parent\r\n",
        ENDLESS => &[&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 100_000]].concat(),
        UNWILLING => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n",
        STRICT if head.starts_with("CONNECT ") && !head.contains(":443 ") => {
            b"HTTP/1.1 403 Forbidden\r\n\r\n"
        }
        _ if head.starts_with("CONNECT ") => {
            let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
            let (host, port) = target.rsplit_once(':')?;
            return Some((host.to_owned(), port.parse().ok()?, Vec::new()));
        }
        _ => {
            let (method, rest) = head.split_once(" http://")?;
            let (authority, rest) = rest.split_once('/')?;
            let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
            return Some((host.to_owned(), port.parse().ok()?, format!("{method} /{rest}").into_bytes()));
        }
    };
    let _ = client.write_all(answer);
    None
}

fn ask_socks(client: &mut TcpStream, port: u16) -> Option<(String, u16, Vec<u8>)> {
    let count = *read(client, 2)?.get(1)?;
    let offered = read(client, count.into())?;
    let method = if port == SOCKS_LOCKED { 2 } else { 0 };
    if !offered.contains(&method) {
        let _ = client.write_all(&[5, 0xff]);
        return None;
    }
    client.write_all(&[5, method]).ok()?;
    if method == 2 {
        let length = *read(client, 2)?.get(1)?;
        let user = read(client, length.into())?;
        let length = *read(client, 1)?.first()?;
        let good = user == USER && read(client, length.into())? == PASSWORD;
        client.write_all(&[1, if good { 0 } else { 1 }]).ok()?;
        good.then_some(())?;
    }
    let host = match *read(client, 4)?.get(3)? {
        1 => <[u8; 4]>::try_from(read(client, 4)?).ok().map(|bytes| Ipv4Addr::from(bytes).to_string())?,
        3 => {
            let length = *read(client, 1)?.first()?;
            String::from_utf8(read(client, length.into())?).ok()?
        }
        _ => return None,
    };
    let port = read(client, 2)?;
    Some((host, u16::from_be_bytes([port[0], port[1]]), Vec::new()))
}

fn read(client: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}
