//! Bodies on their way: counted against a limit, and searched for what must not pass. Nothing is gathered: a piece goes
//! on when the other side has room.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use ringfence_egress::scan::{Found, Needles, Scan};

/// A body up to this many bytes is read before its request goes out.
const SHORT: u64 = 64 * 1024;

/// Why a body was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is longer than it may be.
    TooLong,
    /// One of the texts stands in it.
    Found(usize),
}

/// A body under watch.
pub(crate) struct Watched {
    inner: Incoming,
    /// Bytes that may still come.
    left: Option<u64>,
    needles: Arc<Needles>,
    scan: Scan,
    /// Behind what the scan held back.
    last: Option<Frame<Bytes>>,
    /// What was read before the request went out.
    early: Option<Bytes>,
    ended: bool,
    on_cut: Box<dyn Fn(Cut)>,
}

/// The body of an answer: one of ours, or the server's.
pub(crate) enum Answer {
    /// Text, once.
    Text(Option<Bytes>),
    /// What the server sends.
    Relayed(Box<Watched>),
}

/// What a body's end in an error is called; the cause has been told apart.
#[derive(Debug)]
pub(crate) struct WasCut;

impl std::fmt::Display for WasCut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body was cut off")
    }
}

impl std::error::Error for WasCut {}

pub(crate) type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Watched {
    pub(crate) fn new(
        inner: Incoming,
        left: Option<u64>,
        needles: Arc<Needles>,
        on_cut: impl Fn(Cut) + 'static,
    ) -> Watched {
        let scan = Scan::default();
        Watched {
            inner,
            left,
            needles,
            scan,
            last: None,
            early: None,
            ended: false,
            on_cut: Box::new(on_cut),
        }
    }

    /// Reads a short body of a length that is said whole, before anything of its request goes out; false if it may not go.
    pub(crate) async fn look_ahead(&mut self) -> bool {
        use http_body_util::BodyExt;
        let length = self.inner.size_hint().exact().unwrap_or(u64::MAX);
        if self.needles.is_empty() || length == 0 || length > SHORT {
            return true;
        }
        let mut early = Vec::new();
        let mut trailers = None;
        while let Some(frame) = self.frame().await {
            match frame {
                Ok(frame) if frame.is_data() => early.extend(frame.into_data().unwrap_or_default()),
                Ok(frame) => trailers = Some(frame),
                Err(_) => return false,
            }
        }
        (self.last, self.early) = (trailers, Some(early.into()));
        true
    }

    fn cut<T>(&mut self, cut: Cut) -> Poll<Option<Result<T, AnyError>>> {
        self.ended = true;
        (self.on_cut)(cut);
        Poll::Ready(Some(Err(Box::new(WasCut))))
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Cut> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => {
                let fields = trailers.trailers_ref().into_iter().flatten();
                for (name, value) in fields {
                    let text = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
                    // Whoever may not send it in the body sends it behind it.
                    self.spend(text.len() + b"\r\n".len())?;
                    if let Some(Found(at)) = self.needles.find(&text) {
                        return Err(Cut::Found(at));
                    }
                }
                let held = self.scan.end();
                if held.is_empty() {
                    return Ok(Some(trailers));
                }
                self.last = Some(trailers);
                return Ok(Some(Frame::data(held.into())));
            }
        };
        self.spend(data.len())?;
        if self.needles.is_empty() {
            return Ok(Some(Frame::data(data)));
        }
        let given = self.scan.feed(&self.needles, &data).map_err(|Found(at)| Cut::Found(at))?;
        Ok((!given.is_empty()).then(|| Frame::data(given.into())))
    }

    fn spend(&mut self, length: usize) -> Result<(), Cut> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(length as u64).ok_or(Cut::TooLong)?;
        }
        Ok(())
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        let this = &mut *self;
        loop {
            if let Some(early) = this.early.take().filter(|early| !early.is_empty()) {
                return Poll::Ready(Some(Ok(Frame::data(early))));
            }
            if let Some(last) = this.last.take() {
                return Poll::Ready(Some(Ok(last)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => match this.take(frame) {
                    Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                    Ok(None) => {}
                    Err(cut) => return this.cut(cut),
                },
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => {
                    this.ended = true;
                    let held = this.scan.end();
                    if !held.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(held.into()))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none()
            && self.early.is_none()
            && (self.ended || (self.scan.is_empty() && self.inner.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.early {
            Some(early) => SizeHint::with_exact(early.len() as u64),
            None => self.inner.size_hint(),
        }
    }
}

impl Answer {
    pub(crate) fn text(text: String) -> Answer {
        Answer::Text(Some(text.into()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        match &mut *self {
            Answer::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Answer::Relayed(body) => Pin::new(&mut **body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Text(text) => text.is_none(),
            Answer::Relayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Answer::Relayed(body) => body.size_hint(),
        }
    }
}
