//! Servers of the small internet that behave badly, or ask for what makes their clients' ways longer. One port each.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::servers::Log;

/// Where they listen.
pub(super) const LISTEN: &[&str] =
    &["203.0.113.10:8443", "203.0.113.10:8444", "203.0.113.10:8445", "203.0.113.10:8446"];

/// Serves, if the port is one of theirs.
pub(super) fn serve(stream: &mut TcpStream, port: u16, log: &Log) -> bool {
    match port {
        8443 => greet_again(stream, log),
        8444 => reset(stream),
        8445 => say_nothing(stream),
        8446 => send_for_ever(stream),
        _ => return false,
    }
    true
}

/// Asks for another greeting of TLS, whatever was said, and writes down what comes.
fn greet_again(stream: &mut TcpStream, log: &Log) {
    // A ServerHello with the random of a HelloRetryRequest (RFC 8446, section 4.1.3), version 1.3, and the group x25519.
    let random = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
        0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29];
    let body = [&[3, 3][..], &random, &[0, 0x13, 1, 0, 0, extensions.len() as u8], &extensions].concat();
    let message = [&[2, 0, 0, body.len() as u8][..], &body].concat();
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        log.write(&format!("data 203.0.113.10 8443 {}", buffer[..length].escape_ascii()));
        if !std::mem::replace(&mut answered, true) {
            let _ = stream.write_all(&[&[0x16, 3, 3, 0, message.len() as u8][..], &message].concat());
        }
    }
}

/// Closing with bytes unread resets the connection (RFC 9293, section 3.6.1).
fn reset(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
    std::thread::sleep(Duration::from_millis(200));
}

fn say_nothing(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer) {}
}

fn send_for_ever(stream: &mut TcpStream) {
    let piece = [b'x'; 64 * 1024];
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n");
    while stream.write_all(&piece).is_ok() {}
}
