//! A client's or a server's socket, with what was read of it already, and a count of what goes through.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ringfence_egress::budget::{Charges, Ledger, Spent};
use ringfence_egress::scan::{Found, Needles, Watch};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much has gone through a connection, as the client's side has it. Atomic only because a stream whose protocol changes
/// has to be fit for other threads, of which there are none.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    /// The budget that had no more for it.
    pub(crate) over: Mutex<Option<Spent>>,
    /// The placeholder that was seen where none belongs.
    pub(crate) misplaced: Mutex<Option<usize>>,
}

/// What a connection's bytes are spent from.
pub(crate) struct Purse {
    pub(crate) ledger: Ledger,
    pub(crate) charges: Charges,
}

/// Room for the first words of a client, most of which are shorter.
const ONCE: usize = 4096;

/// A socket.
pub(crate) struct Stream {
    inner: TcpStream,
    /// Read and not yet given.
    first: Vec<u8>,
    given: usize,
    /// For the client's side.
    counts: Option<(Arc<Counts>, Arc<Purse>)>,
    /// What must not be read from it.
    watch: Option<Watch>,
}

impl Stream {
    /// The client's side, which has said `first`.
    ///
    /// # Errors
    /// When a budget has no more for that.
    pub(crate) fn client(
        inner: TcpStream,
        first: Vec<u8>,
        counts: (Arc<Counts>, Arc<Purse>),
    ) -> io::Result<Stream> {
        let length = first.len();
        let stream = Stream { inner, first, given: 0, counts: Some(counts), watch: None };
        stream.spend(length)?;
        Ok(stream)
    }

    /// The server's side.
    pub(crate) fn server(inner: TcpStream) -> Stream {
        Stream { inner, first: Vec::new(), given: 0, counts: None, watch: None }
    }

    /// What was read and not yet given.
    pub(crate) fn first(&self) -> &[u8] {
        &self.first[self.given..]
    }

    /// From here on, these must not be read from it; what was read and not given counts.
    pub(crate) fn watch_for(&mut self, needles: Arc<Needles>) -> io::Result<()> {
        if needles.is_empty() {
            return Ok(());
        }
        let mut watch = Watch::new(needles);
        let seen = watch.see(self.first());
        self.watch = Some(watch);
        self.pass(seen)
    }

    fn pass(&self, seen: Option<Found>) -> io::Result<()> {
        let (Some(Found(at)), Some((counts, _))) = (seen, &self.counts) else { return Ok(()) };
        *counts.misplaced.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Reads more of it without giving it; false at the end.
    pub(crate) async fn look_further(&mut self) -> io::Result<bool> {
        let before = self.first.len();
        self.first.reserve(ONCE);
        let length = self.inner.read_buf(&mut self.first).await?;
        self.spend(self.first.len() - before)?;
        Ok(length > 0)
    }

    /// Waits until there is something to be read.
    pub(crate) async fn has_more(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Closing it will reset the connection.
    pub(crate) fn reset_when_closed(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.inner, Some(std::time::Duration::ZERO));
    }

    fn spend(&self, length: usize) -> io::Result<()> {
        let Some((counts, purse)) = &self.counts else { return Ok(()) };
        let (granted, spent) = purse.ledger.send(&purse.charges, length);
        counts.sent.fetch_add(granted as u64, Relaxed);
        let Some(spent) = spent else { return Ok(()) };
        *counts.over.lock().unwrap_or_else(PoisonError::into_inner) = Some(spent);
        Err(io::ErrorKind::QuotaExceeded.into())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first().is_empty() {
            let length = self.first().len().min(buffer.remaining());
            buffer.put_slice(&self.first()[..length]);
            self.given += length;
            if self.first().is_empty() {
                (self.first, self.given) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let length = buffer.filled().len() - before;
        let seen = self.watch.as_mut().and_then(|watch| watch.see(&buffer.filled()[before..]));
        if let Err(stopped) = self.pass(seen).and_then(|()| self.spend(length)) {
            buffer.set_filled(before);
            return Poll::Ready(Err(stopped));
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let (Poll::Ready(Ok(length)), Some((counts, _))) = (&written, &self.counts) {
            counts.received.fetch_add(*length as u64, Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
