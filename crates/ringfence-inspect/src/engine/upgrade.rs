//! What follows a change of the protocol: bytes both ways, of which the server's are searched. What the client sends then is
//! veiled by the protocol itself (RFC 6455, section 5.3), so that searching it would find nothing.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use ringfence_egress::scan::{Found, Needles, Scan};

/// Read at once.
const CHUNK: usize = 16 * 1024;

/// Carries bytes until one side has ended; tells if a text was found.
pub(crate) async fn carry(client: OnUpgrade, server: OnUpgrade, needles: &Needles) -> Option<Found> {
    let (client, server) = tokio::join!(client, server);
    let (client, server) = (TokioIo::new(client.ok()?), TokioIo::new(server.ok()?));
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let (mut scan, mut chunk) = (Scan::default(), vec![0; CHUNK]);
        loop {
            let length = from_server.read(&mut chunk).await.unwrap_or(0);
            let given = match scan.feed(needles, &chunk[..length]) {
                Ok(given) => given,
                Err(found) => return Some(found),
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
        () = up => None,
        found = down => found,
    }
}
