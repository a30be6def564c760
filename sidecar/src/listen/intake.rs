//! Reads request bodies within the memory that the process may use.
//!
//! A body of 32 MiB is legal, many at once are not: what is being read or waits for an answer holds a share of 24 MiB.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::deadline::{Deadline, Elapsed};

/// The largest body that is taken.
pub(crate) const BODY_AT_MOST: usize = 32 * 1024 * 1024;
const HELD_AT_MOST: usize = 24 * 1024 * 1024;
const PIECE_WITHIN: Duration = Duration::from_secs(30);

/// Counts the bytes of bodies that are held.
#[derive(Default)]
pub(crate) struct Gate {
    held: Cell<usize>,
}

/// A share of the gate; given back on drop.
pub(crate) struct Held {
    gate: Rc<Gate>,
    bytes: usize,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the request body is larger than {BODY_AT_MOST} bytes")]
    TooLarge,
    #[error("too many bytes of requests are held at this moment")]
    NoRoom,
    #[error("the request body did not come within {} s", PIECE_WITHIN.as_secs())]
    TooSlow,
    #[error("the connection broke while the request body was read")]
    Broken,
}

impl Gate {
    fn enter(self: &Rc<Self>) -> Held {
        Held { gate: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Asks for more; one body alone always fits.
    fn grow(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let held = self.gate.held.get();
        let alone = held == self.bytes;
        if self.bytes + bytes > BODY_AT_MOST {
            return Err(IntakeError::TooLarge);
        }
        if held + bytes > HELD_AT_MOST && !alone {
            return Err(IntakeError::NoRoom);
        }
        self.gate.held.set(held + bytes);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.held.set(self.gate.held.get() - self.bytes);
    }
}

/// Reads a whole body. A body of one piece, the usual case, is not copied.
pub(crate) async fn read(
    mut body: Incoming,
    gate: &Rc<Gate>,
    deadline: &Deadline,
) -> Result<(Bytes, Held), IntakeError> {
    let mut held = gate.enter();
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    held.grow(announced.unwrap_or(0))?;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(piece) = next(&mut body, deadline).await? {
        if announced.is_none() {
            held.grow(piece.len())?;
        }
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(announced.unwrap_or(first.len() * 2 + piece.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&piece);
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, held))
}

async fn next(body: &mut Incoming, deadline: &Deadline) -> Result<Option<Bytes>, IntakeError> {
    if body.is_end_stream() {
        return Ok(None);
    }
    loop {
        match deadline.guard_within(PIECE_WITHIN, body.frame()).await {
            Err(Elapsed) => return Err(IntakeError::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(IntakeError::Broken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_gate_and_one_alone_always_fits() {
        let gate = Rc::new(Gate::default());
        let mut alone = gate.enter();
        assert_eq!(alone.grow(BODY_AT_MOST), Ok(()));
        assert_eq!(alone.grow(1), Err(IntakeError::TooLarge));
        assert_eq!(gate.enter().grow(1), Err(IntakeError::NoRoom));
        drop(alone);
        let mut first = gate.enter();
        let mut second = gate.enter();
        assert_eq!(first.grow(HELD_AT_MOST / 2), Ok(()));
        assert_eq!(second.grow(HELD_AT_MOST / 2), Ok(()));
        assert_eq!(second.grow(1), Err(IntakeError::NoRoom));
        drop(first);
        assert_eq!(second.grow(1), Ok(()));
    }
}
