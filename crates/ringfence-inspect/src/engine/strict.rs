//! HTTP/1 requests as they come from the client, read strictly before anything else reads them: what two servers could
//! read differently never gets as far as the library that parses them again.
//!
//! Not what is decided about them. A request that is not as it should be is replaced by one that says so.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use ringfence_egress::http::{self, Change, Follow, Head, Malformed};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's stream of requests.
pub(crate) struct Strict<S> {
    inner: S,
    state: State,
    /// Read, and not yet judged.
    raw: Vec<u8>,
    /// Judged, and not yet given.
    ready: Vec<u8>,
    ended: bool,
    shared: Arc<Shared>,
}

/// What whoever answers the requests has to know, and to say. Fit for other threads, of which there are none, because a
/// stream whose protocol changes has to be.
pub(crate) struct Shared {
    /// The field by which one that was replaced is known. Nobody else can know its value.
    pub(crate) mark: String,
    state: Mutex<Told>,
}

struct Told {
    /// Why the last request was replaced.
    reason: Option<&'static str>,
    change: Changed,
    waker: Option<Waker>,
}

/// Whether the protocol changes behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was asked for.
    Asked,
    /// The server agreed: what follows are no requests.
    Yes,
    /// No: the next bytes are the next request.
    No,
}

/// The field of a request that was replaced.
pub(crate) const MARK: &str = "ringfence-malformed";

enum State {
    Head,
    Body(Follow),
    /// Behind a request to change the protocol.
    Waiting,
    Open,
}

/// Read at once.
const CHUNK: usize = 16 * 1024;

impl Shared {
    pub(crate) fn new(mark: String) -> Arc<Shared> {
        let state = Mutex::new(Told { reason: None, change: Changed::No, waker: None });
        Arc::new(Shared { mark, state })
    }

    /// Why the last request was replaced; asked once.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.told(|told| told.reason.take())
    }

    /// Whether a request to change the protocol is still to be answered.
    pub(crate) fn is_asked(&self) -> bool {
        self.told(|told| told.change) == Changed::Asked
    }

    /// Says whether the protocol has changed.
    pub(crate) fn change(&self, changed: Changed) {
        let waker = self.told(|told| {
            told.change = changed;
            told.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn told<T>(&self, ask: impl FnOnce(&mut Told) -> T) -> T {
        ask(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Strict<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Strict<S> {
        Strict { inner, state: State::Head, raw: Vec::new(), ready: Vec::new(), ended: false, shared }
    }

    /// Judges as much of what was read as can be; true if something came of it.
    fn advance(&mut self) -> io::Result<bool> {
        match &mut self.state {
            State::Open => {
                self.ready.append(&mut self.raw);
                Ok(!self.ready.is_empty())
            }
            State::Waiting => match self.shared.told(|told| told.change) {
                Changed::Asked => Ok(false),
                Changed::Yes => {
                    self.state = State::Open;
                    Ok(true)
                }
                Changed::No => {
                    self.state = State::Head;
                    Ok(true)
                }
            },
            State::Body(follow) => {
                let taken = follow.advance(&self.raw).map_err(|Malformed(what)| {
                    self.shared.told(|told| told.reason = Some(what));
                    io::Error::new(io::ErrorKind::InvalidData, what)
                })?;
                let done = *follow == Follow::Done;
                self.ready.extend(self.raw.drain(..taken));
                if done {
                    self.state = State::Head;
                }
                Ok(done || taken > 0)
            }
            State::Head if self.raw.is_empty() => Ok(false),
            State::Head => match http::head(&self.raw).and_then(unfragmented) {
                Ok(None) => Ok(false),
                Ok(Some(head)) => {
                    self.take_head(&head);
                    Ok(true)
                }
                Err(Malformed(what)) => {
                    self.shared.told(|told| told.reason = Some(what));
                    let mark = &self.shared.mark;
                    self.ready = format!("GET / HTTP/1.1\r\nHost: x\r\n{MARK}: {mark}\r\n\r\n").into_bytes();
                    (self.raw, self.ended) = (Vec::new(), true);
                    Ok(true)
                }
            },
        }
    }

    fn take_head(&mut self, head: &Head) {
        let text: Vec<u8> = self.raw.drain(..head.length).collect();
        if head.change == Change::Asked && asks_for_websocket(&text) {
            self.shared.change(Changed::Asked);
            self.state = State::Waiting;
            self.ready = text;
        } else {
            self.ready = http::without(&text, &["upgrade", "http2-settings"]);
            self.state = State::Body(Follow::new(head.body));
        }
    }
}

/// No client sends a fragment (RFC 9110, section 7.1), and libraries drop it without a word.
fn unfragmented(head: Option<Head>) -> Result<Option<Head>, Malformed> {
    match head {
        Some(head) if head.target.contains('#') => Err(Malformed("a target with a fragment")),
        head => Ok(head),
    }
}

/// That alone: of other protocols nothing is known here, and of several the server would choose.
fn asks_for_websocket(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut upgrades = text.lines().filter_map(|line| line.strip_prefix("upgrade:"));
    upgrades.next().is_some_and(|value| value.trim() == "websocket") && upgrades.next().is_none()
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..length]);
                this.ready.drain(..length);
                return Poll::Ready(Ok(()));
            }
            if this.advance()? {
                continue;
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            if matches!(this.state, State::Waiting) {
                this.shared.told(|told| told.waker = Some(context.waker().clone()));
                // Nothing more is read until the server has answered: whoever sends much waits.
                return Poll::Pending;
            }
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut chunk))?;
            this.raw.extend_from_slice(chunk.filled());
            this.ended = chunk.filled().is_empty();
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
