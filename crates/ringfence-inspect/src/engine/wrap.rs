//! A parent proxy behind TLS: what the gateway says to it goes through here, and nothing of it is looked at.
//!
//! Whether and for whom it is asked is the gateway's.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// How long both may take to agree upon keys.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a proxy may take for what a gateway that hears no more has said; as often it is looked whether it hears.
pub(super) const LAST: Duration = Duration::from_secs(10);
/// Read at once.
const CHUNK: usize = 16 * 1024;

/// Most of them at once: each costs a hundred kilobytes at worst, and this process has others to serve.
const MOST: usize = 1000;

/// The places of those that are carried.
#[derive(Clone, Default)]
pub(super) struct Places(Rc<()>);

impl Places {
    /// One for another, if there is one left.
    pub(super) fn take(&self) -> Option<Places> {
        (Rc::strong_count(&self.0) <= MOST).then(|| self.clone())
    }
}

/// Carries a connection to its end. Whatever goes wrong ends both sides; the gateway tells of it.
pub(super) async fn serve(client: Arc<ClientConfig>, name: String, gateway: OwnedFd, proxy: OwnedFd) {
    let Ok(gateway) = UnixStream::from_std(Pair::from(gateway)) else { return };
    let Ok(proxy) = TcpStream::from_std(std::net::TcpStream::from(proxy)) else { return };
    let Ok(name) = ServerName::try_from(name) else { return };
    let connected = TlsConnector::from(client).connect(name, proxy);
    let Ok(Ok(proxy)) = tokio::time::timeout(PATIENCE, connected).await else { return };
    relay(gateway, proxy, LAST).await;
}

/// Carries both ways until both have ended, or the gateway hears no more: a proxy that ends its side never, or takes
/// nothing, would be held for ever otherwise, and its place with it.
pub(super) async fn relay(gateway: UnixStream, proxy: impl AsyncRead + AsyncWrite, last: Duration) {
    let (mut from_proxy, mut to_proxy) = tokio::io::split(proxy);
    let up = async {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = read(&gateway, &mut chunk).await?;
            if length == 0 {
                break;
            }
            to_proxy.write_all(&chunk[..length]).await?;
            to_proxy.flush().await?;
        }
        // What was broken off is not said to be whole.
        if !is_closed(&gateway).await {
            to_proxy.shutdown().await?;
        }
        Ok::<_, io::Error>(())
    };
    let down = async {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from_proxy.read(&mut chunk).await?;
            if length == 0 {
                break;
            }
            write(&gateway, &chunk[..length]).await?;
        }
        rustix::net::shutdown(&gateway, rustix::net::Shutdown::Write)?;
        Ok::<_, io::Error>(())
    };
    let gone = async {
        while !is_closed(&gateway).await {
            tokio::time::sleep(last).await;
        }
        // It may have written its last just before.
        tokio::time::sleep(last).await;
    };
    tokio::select! {
        _ = async { tokio::try_join!(up, down) } => {}
        () = gone => {}
    }
}

/// Whether the other end takes nothing any more.
async fn is_closed(gateway: &UnixStream) -> bool {
    gateway.ready(Interest::WRITABLE).await.is_ok_and(|ready| ready.is_write_closed())
}

// By a shared reference, so that it can be watched while it is carried.
pub(super) async fn read(gateway: &UnixStream, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        gateway.readable().await?;
        match gateway.try_read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

pub(super) async fn write(gateway: &UnixStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        gateway.writable().await?;
        match gateway.try_write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    #[tokio::test(flavor = "current_thread")]
    async fn a_gateway_that_waits_hears_and_one_that_is_gone_leaves_no_proxy_behind() {
        for (waits, said) in [(false, 3), (true, 3), (false, 1000)] {
            let (mut gateway, ours) = UnixStream::pair().unwrap();
            let (proxy, mut world) = duplex(64);
            let work = tokio::spawn(relay(ours, proxy, SOON));
            // More than the proxy takes: what is left stays where it is.
            gateway.write_all(&vec![b'a'; said]).await.unwrap();
            let mut asked = [0; 3];
            world.read_exact(&mut asked).await.unwrap();
            if waits {
                gateway.shutdown().await.unwrap();
                assert_eq!(world.read(&mut asked).await.unwrap(), 0);
                tokio::time::sleep(3 * SOON).await;
                world.write_all(b"answer").await.unwrap();
                let mut answer = [0; 6];
                gateway.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"answer");
            }
            drop(gateway);
            timeout(10 * SOON, work).await.expect("the proxy is held").unwrap();
            drop(world);
        }
    }

    #[test]
    fn no_more_are_carried_than_there_are_places() {
        let places = Places::default();
        let mut taken: Vec<Places> = std::iter::from_fn(|| places.take()).take(2 * MOST).collect();
        assert_eq!(taken.len(), MOST);
        taken.pop();
        assert!(places.take().is_some());
    }
}
