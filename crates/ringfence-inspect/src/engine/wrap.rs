//! A parent proxy behind TLS: what the gateway says to it goes through here, and nothing of it is looked at.
//!
//! Whether and for whom it is asked is the gateway's.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// How long both may take to agree upon keys.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries a connection to its end. Whatever goes wrong ends both sides; the gateway tells of it.
pub(super) async fn serve(client: Arc<ClientConfig>, name: String, gateway: OwnedFd, proxy: OwnedFd) {
    let Ok(mut gateway) = UnixStream::from_std(Pair::from(gateway)) else { return };
    let Ok(proxy) = TcpStream::from_std(std::net::TcpStream::from(proxy)) else { return };
    let Ok(name) = ServerName::try_from(name) else { return };
    let connected = TlsConnector::from(client).connect(name, proxy);
    let Ok(Ok(mut proxy)) = tokio::time::timeout(PATIENCE, connected).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut gateway, &mut proxy).await;
}
