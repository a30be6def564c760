//! Which connection carries a request upstream?
//!
//! One pool per origin, HTTP/1.1 over plain TCP or TLS, last in first out, so that few connections stay warm and the
//! rest grow old and go. Each connection is driven by one task of the data thread for its whole life; a request adds
//! none. Nothing is replayed that may have been sent: only a request that the connection gives back goes to another
//! connection. Redirects are never followed.
//!
//! ```text
//! Pool::send ─► idle connection? ── gave the request back ─► next idle one ─► … ─► dial ─► answer + Lease
//!                                                                                   └─ resolve ─► vet ─► connect
//! ```

mod dial;
mod origin;
mod resolve;
mod set;
mod tls;
mod vet;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

pub(crate) use dial::{DialError, Dialer};
pub(crate) use origin::{Origin, OriginId, Origins};
pub(crate) use set::Pools;
pub(crate) use tls::Tls;
pub use tls::TlsError;

use crate::body::Pieces;

/// Providers close idle connections after a minute or so; a request must not meet one that is closing.
const IDLE_AT_MOST: Duration = Duration::from_secs(45);

/// A connection that waits for work.
struct Idle {
    sender: SendRequest<Pieces>,
    since: Instant,
}

/// The connections to one origin.
pub(crate) struct Pool {
    origin: Rc<Origin>,
    dialer: Rc<Dialer>,
    idle: RefCell<Vec<Idle>>,
}

/// The connection that an answer is still being read from.
pub(crate) struct Lease {
    sender: SendRequest<Pieces>,
    pool: Rc<Pool>,
}

/// How far a request has come.
pub(crate) enum Progress {
    /// A connection is being made; nothing has left yet.
    Dialling {
        /// When that ends at the latest.
        until: Instant,
    },
    /// There is a connection: from here on bytes may leave.
    Connected(Instant),
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection: nothing was sent.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A new connection closed before it took the request: nothing was sent.
    #[error("the connection closed before the request was sent")]
    NotSent,
    /// The connection broke after bytes of the request may have left.
    #[error("the connection broke before an answer came")]
    Broken,
}

impl SendError {
    /// Whether the provider certainly saw nothing.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::Dial(_) | Self::NotSent => true,
            Self::Broken => false,
        }
    }
}

impl Pool {
    pub(crate) fn new(origin: Rc<Origin>, dialer: Rc<Dialer>) -> Self {
        Self { origin, dialer, idle: RefCell::default() }
    }

    /// Sends a request and returns the head of the answer. `connect` bounds resolving, connecting and TLS together;
    /// `on_progress` is told from when on the answer is waited for.
    pub(crate) async fn send(
        self: &Rc<Self>,
        mut request: Request<Pieces>,
        connect: Duration,
        now: Instant,
        on_progress: impl Fn(Progress),
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        loop {
            let (mut sender, fresh) = match self.take_idle(now) {
                Some(idle) => {
                    on_progress(Progress::Connected(now));
                    (idle, false)
                }
                None => {
                    // Dialling has a limit of its own. It is boxed because it is rare and large: every call would
                    // carry the room for it.
                    on_progress(Progress::Dialling { until: now + connect });
                    let sender = Box::pin(self.dialer.dial(&self.origin, connect)).await?;
                    on_progress(Progress::Connected(Instant::now()));
                    (sender, true)
                }
            };
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, Lease { sender, pool: self.clone() })),
                Err(mut error) => match error.take_message() {
                    Some(given_back) if !fresh => request = given_back,
                    Some(_) => return Err(SendError::NotSent),
                    None => return Err(SendError::Broken),
                },
            }
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn evict(&self, now: Instant) {
        self.idle.borrow_mut().retain(|idle| is_usable(idle, now));
    }

    fn take_idle(&self, now: Instant) -> Option<SendRequest<Pieces>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if is_usable(&last, now) {
                return Some(last.sender);
            }
        }
        None
    }
}

impl Lease {
    /// Gives the connection back once its answer has been read to the end. Dropping a lease closes the connection.
    ///
    /// A connection that is not ready by then has not finished uploading: it is never used again.
    pub(crate) fn release(self, now: Instant) {
        if self.sender.is_ready() {
            self.pool.idle.borrow_mut().push(Idle { sender: self.sender, since: now });
        }
    }
}

fn is_usable(idle: &Idle, now: Instant) -> bool {
    idle.sender.is_ready() && now.saturating_duration_since(idle.since) < IDLE_AT_MOST
}
