//! The servers of the small internet. They answer little and write down everything.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::unfriendly;

/// Names of the small internet.
pub(super) const NAMES: &[(&str, &[[u8; 4]])] = &[
    ("good.example", &[[203, 0, 113, 10]]),
    ("web.example", &[[203, 0, 113, 10]]),
    ("evil.example", &[[203, 0, 113, 11]]),
    ("api.example", &[[203, 0, 113, 12]]),
    ("shared.example", &[[203, 0, 113, 12]]),
    ("broken.example", &[[203, 0, 113, 12]]),
    ("other.example", &[[203, 0, 113, 13]]),
    ("dns.example", &[[203, 0, 113, 53]]),
    ("alias.example", &[[203, 0, 113, 53]]),
    ("loopback.example", &[[127, 0, 0, 1]]),
    ("host.example", &[[203, 0, 113, 1]]),
    ("private.example", &[[10, 9, 9, 9]]),
    ("metadata.example", &[[169, 254, 169, 254]]),
    ("mixed.example", &[[127, 0, 0, 1], [10, 9, 9, 9], [203, 0, 113, 10]]),
];

/// Where somebody listens by TCP, in the world and on the host that is played.
const WORLD: &[&str] = &[
    "203.0.113.10:80",
    "203.0.113.10:443",
    "203.0.113.10:22",
    "203.0.113.10:8080",
    "203.0.113.11:80",
    "203.0.113.11:443",
    "203.0.113.11:53",
    "10.9.9.9:80",
    "169.254.169.254:80",
    "[2001:db8:1::10]:80",
];
/// Where datagrams are heard, and what happens to them.
const DATAGRAMS: &[(&str, Hears)] = &[
    ("203.0.113.53:53", Hears::Questions),
    ("203.0.113.10:9999", Hears::Nothing),
    ("203.0.113.11:53", Hears::Nothing),
    ("203.0.113.10:7", Hears::Echo),
    ("203.0.113.10:123", Hears::Echo),
    ("203.0.113.10:7000", Hears::Echo),
    ("203.0.113.10:7999", Hears::Echo),
    ("203.0.113.10:8001", Hears::Echo),
    ("203.0.113.10:443", Hears::Echo),
    ("203.0.113.11:7", Hears::Echo),
    ("203.0.113.11:7001", Hears::Echo),
    ("10.9.9.9:7", Hears::Echo),
    ("10.9.9.9:9", Hears::Echo),
    ("[2001:db8:1::10]:7", Hears::Echo),
];
/// The same on the host that is played.
const HOST_DATAGRAMS: &[(&str, Hears)] =
    &[("127.0.0.1:7", Hears::Echo), ("203.0.113.1:7", Hears::Echo), ("198.51.100.7:7", Hears::Echo)];

/// What a server of datagrams does beside writing them down.
#[derive(Clone, Copy, PartialEq)]
enum Hears {
    /// Answers for [`NAMES`].
    Questions,
    /// Sends back what came, behind `from` and whom it came to.
    Echo,
    Nothing,
}

const HOST: &[&str] = &["127.0.0.1:80", "203.0.113.1:80", "198.51.100.7:80", "0.0.0.0:8080"];

/// The verbs `internet LOG`, `internet-host LOG` and `internet-parent LOG`: serves until it is killed.
pub fn main(verb: &str, arguments: &[String]) -> ExitCode {
    let Some(log) = arguments.first().and_then(|path| Log::open(path)) else { return ExitCode::from(2) };
    if verb == "internet-parent" {
        return super::parent::main(&log);
    }
    let mut threads = Vec::new();
    let world = WORLD.iter().chain(unfriendly::LISTEN);
    let listened: Vec<&&str> = if verb == "internet" { world.collect() } else { HOST.iter().collect() };
    for address in listened {
        match TcpListener::bind(address) {
            Ok(listener) => threads.push(thread::spawn({
                let log = log.clone();
                move || listen(&listener, &log)
            })),
            Err(error) => log.write(&format!("bind {address}: {error}")),
        }
    }
    for (address, hears) in if verb == "internet" { DATAGRAMS } else { HOST_DATAGRAMS } {
        match UdpSocket::bind(address) {
            Ok(socket) => threads.push(thread::spawn({
                let log = log.clone();
                move || hear(&socket, *hears, &log)
            })),
            Err(error) => log.write(&format!("bind {address}: {error}")),
        }
    }
    log.write("ready");
    for thread in threads {
        let _ = thread.join();
    }
    ExitCode::SUCCESS
}

#[derive(Clone)]
pub(super) struct Log(Arc<std::fs::File>);

impl Log {
    fn open(path: &str) -> Option<Log> {
        OpenOptions::new().append(true).open(path).ok().map(|file| Log(Arc::new(file)))
    }

    pub(super) fn write(&self, line: &str) {
        let _ = self.0.as_ref().write_all(format!("{line}\n").as_bytes());
    }
}

fn listen(listener: &TcpListener, log: &Log) {
    for stream in listener.incoming().flatten() {
        let log = log.clone();
        thread::spawn(move || serve(stream, &log));
    }
}

/// SSH speaks first on its port; elsewhere each head of a request gets the same answer.
fn serve(mut stream: TcpStream, log: &Log) {
    let Ok(local) = stream.local_addr() else { return };
    log.write(&format!("tcp {} {}", local.ip(), local.port()));
    if unfriendly::serve(&mut stream, local.port(), log) {
        return;
    }
    if local.port() == 22 {
        let _ = stream.write_all(b"SSH-2.0-small-internet\r\n");
    }
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let (mut buffer, mut held) = ([0; 4096], Vec::new());
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 {
            return;
        }
        log.write(&format!("data {} {} {}", local.ip(), local.port(), buffer[..length].escape_ascii()));
        held.extend_from_slice(&buffer[..length]);
        while let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") {
            held.drain(..end + 4);
            let body = format!("served by {}\n", local.ip());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

fn hear(socket: &UdpSocket, hears: Hears, log: &Log) {
    let Ok(local) = socket.local_addr() else { return };
    let mut buffer = vec![0; 1 << 16];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        let bytes = &buffer[..length];
        match name(bytes) {
            Some((name, end)) if hears == Hears::Questions => {
                log.write(&format!("dns {name}"));
                reply(socket, peer, bytes, &name, end);
            }
            _ if hears == Hears::Echo => {
                log.write(&format!("datagram {} {} {length}", local.ip(), local.port()));
                let _ = socket.send_to(&[format!("from {local} ").as_bytes(), bytes].concat(), peer);
            }
            _ => log.write(&format!("udp {}", bytes.escape_ascii())),
        }
    }
}

/// The name in a question, and where its type begins.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        if length == 0 {
            return Some((labels.join("."), at + 1));
        }
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
}

fn reply(socket: &UdpSocket, peer: SocketAddr, question: &[u8], name: &str, end: usize) {
    let known = NAMES.iter().find(|(known, _)| *known == name);
    let asks_for_ipv4 = question.get(end..end + 2) == Some(&[0, 1]);
    let addresses = known.map_or(&[][..], |(_, addresses)| if asks_for_ipv4 { addresses } else { &[] });
    let outcome = match name {
        "silent.example" => return,
        "failing.example" => 2,
        "refusing.example" => 5,
        _ if known.is_some() => 0,
        _ => 3,
    };
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80 | outcome, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    answer.extend_from_slice(&question[12..end + 4]);
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(Ipv4Addr::from(*address).octets());
    }
    let _ = socket.send_to(&answer, peer);
}
