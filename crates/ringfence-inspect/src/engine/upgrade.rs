//! What follows a change of the protocol: bytes both ways, of which the server's are searched. What the client sends then is
//! veiled by the protocol itself (RFC 6455, section 5.3), so that searching it would find nothing; but it is counted, as a
//! body is.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use ringfence_egress::scan::{Found, Needles, Scan};

use super::body::Cut;

/// Read at once.
const CHUNK: usize = 16 * 1024;

/// Carries bytes until one side has ended, the client has sent more than `most`, or a text was found.
pub(crate) async fn carry(
    client: OnUpgrade,
    server: OnUpgrade,
    needles: &Needles,
    most: Option<u64>,
) -> Option<Cut> {
    let (client, server) = tokio::join!(client, server);
    relay(TokioIo::new(client.ok()?), TokioIo::new(server.ok()?), needles, most).await
}

async fn relay(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    needles: &Needles,
    most: Option<u64>,
) -> Option<Cut> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        let (mut left, mut chunk) = (most.unwrap_or(u64::MAX), vec![0; CHUNK]);
        loop {
            let length = from_client.read(&mut chunk).await.unwrap_or(0);
            let Some(less) = left.checked_sub(length as u64) else { return Some(Cut::TooLong) };
            left = less;
            let sent = async {
                to_server.write_all(&chunk[..length]).await?;
                to_server.flush().await
            };
            if sent.await.is_err() || length == 0 {
                let _ = to_server.shutdown().await;
                return None;
            }
        }
    };
    let down = async {
        let (mut scan, mut chunk) = (Scan::default(), vec![0; CHUNK]);
        loop {
            let length = from_server.read(&mut chunk).await.unwrap_or(0);
            let given = match scan.feed(needles, &chunk[..length]) {
                Ok(given) => given,
                Err(Found(at)) => return Some(Cut::Found(at)),
            };
            let last = if length == 0 { scan.end() } else { Vec::new() };
            let sent = async {
                to_client.write_all(&given).await?;
                to_client.write_all(&last).await?;
                to_client.flush().await
            };
            if sent.await.is_err() || length == 0 {
                let _ = to_client.shutdown().await;
                return None;
            }
        }
    };
    // A side that has ended ends the other's way back: no protocol here lives half open.
    tokio::select! {
        cut = up => cut,
        cut = down => cut,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn what_the_client_sends_has_the_bound_of_a_body() {
        let needles = Needles::default();
        let cases: [(Option<u64>, Option<Cut>, &[u8]); 3] =
            [(None, None, b"12345678"), (Some(8), None, b"12345678"), (Some(7), Some(Cut::TooLong), b"1234")];
        for (most, cut, arrives) in cases {
            let (mut near, client) = duplex(4);
            let (server, mut far) = duplex(64);
            let talk = async {
                let _ = near.write_all(b"12345678").await;
                let _ = near.shutdown().await;
                let mut got = Vec::new();
                far.read_to_end(&mut got).await.unwrap();
                got
            };
            let (ended, got) = tokio::join!(relay(client, server, &needles, most), talk);
            assert_eq!((ended, got.as_slice()), (cut, arrives), "{most:?}");
        }
    }
}
