//! The server's side of a connection: one server, spoken to in the protocol that the client speaks.

use std::cell::Cell;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, Notify};

use super::body::{AnyError, Watched};
use super::{CONNECTION_WINDOW, LocalExecutor, MOST_STREAMS, STREAM_WINDOW};

/// The server, or why there is none.
pub(crate) enum Server {
    Up(Upstream),
    Down(String),
}

/// A connection to a server.
pub(crate) struct Upstream {
    sender: Sender,
    /// Whether the server has ended it.
    pub(crate) closed: Rc<Closed>,
}

/// That a server has ended its connection.
#[derive(Default)]
pub(crate) struct Closed {
    is: Cell<bool>,
    notify: Notify,
}

enum Sender {
    One(Mutex<http1::SendRequest<Watched>>),
    Two(http2::SendRequest<Watched>),
}

impl Closed {
    /// Waits for it.
    pub(crate) async fn wait(&self) {
        while !self.is.get() {
            self.notify.notified().await;
        }
    }

    fn set(&self) {
        self.is.set(true);
        self.notify.notify_waiters();
        self.notify.notify_one();
    }
}

impl Upstream {
    /// Speaks HTTP/1.
    pub(crate) async fn one(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Upstream, AnyError> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(super::MOST_BUFFERED)
            .max_headers(super::MOST_FIELDS)
            .handshake(TokioIo::new(io))
            .await?;
        let closed = Rc::new(Closed::default());
        let told = closed.clone();
        tokio::task::spawn_local(async move {
            let _ = connection.with_upgrades().await;
            told.set();
        });
        Ok(Upstream { sender: Sender::One(Mutex::new(sender)), closed })
    }

    /// Speaks HTTP/2.
    pub(crate) async fn two(io: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Upstream, AnyError> {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(super::MOST_BUFFERED as u32)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .handshake(TokioIo::new(io))
            .await?;
        let closed = Rc::new(Closed::default());
        let told = closed.clone();
        tokio::task::spawn_local(async move {
            let _ = connection.await;
            told.set();
        });
        Ok(Upstream { sender: Sender::Two(sender), closed })
    }

    pub(crate) async fn send(&self, request: Request<Watched>) -> Result<Response<Incoming>, AnyError> {
        match &self.sender {
            Sender::One(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                let answer = sender.send_request(request);
                drop(sender);
                Ok(answer.await?)
            }
            Sender::Two(sender) => {
                let mut sender = sender.clone();
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }
}
