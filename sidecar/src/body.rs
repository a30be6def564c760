//! The bodies that travel: slices of bytes, or a stream that watches itself.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pointsman_wire::body::Spliced;

use crate::forward::ChatStream;

/// A whole body as the slices that it was cut into: a request upstream, or a buffered answer. Cloning copies nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    spliced: Spliced,
    next: usize,
    left: u64,
}

impl From<Spliced> for Pieces {
    fn from(spliced: Spliced) -> Self {
        let left = spliced.len as u64;
        Self { spliced, next: 0, left }
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Spliced::from(bytes).into()
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.next;
        let Some(part) = self.spliced.parts.get_mut(next) else {
            return Poll::Ready(None);
        };
        let part = std::mem::take(part);
        self.next += 1;
        self.left -= part.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The body of an answer.
pub(crate) enum Outgoing {
    /// All of it is here.
    Whole(Pieces),
    /// It comes as it comes.
    Stream(Box<ChatStream>),
}

impl<T: Into<Pieces>> From<T> for Outgoing {
    fn from(whole: T) -> Self {
        Self::Whole(whole.into())
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(pieces) => Pin::new(pieces).poll_frame(cx),
            Self::Stream(stream) => {
                stream.poll_next(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces) => pieces.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces) => pieces.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
