//! A place among those who wait for a flight's answer.
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::{mpsc, watch};

use super::{End, Heard, Landed};
use crate::{
    Error,
    answering::{
        answerer::Part,
        cache::{Layer, count},
        draft::Draft,
    },
};

/// Bytes of a piece of text that has landed already.
const PIECE: usize = 1024;

/// A place among those who wait; given up when it is dropped.
pub struct Seat {
    pub(super) heard: watch::Receiver<Heard>,
    pub(super) end: End,
}

/// What became of a flight that did not end well.
pub struct Failed {
    /// Why.
    pub error: Error,
    /// Something had been heard of it.
    pub heard: bool,
}

/// How far a seat has come.
#[derive(Default)]
struct Known {
    parts: usize,
    bytes: usize,
}

impl Known {
    /// What comes next of what was heard. One piece at a time: whoever reads slowly holds no more than that.
    fn next(&mut self, heard: &Heard) -> Option<Part> {
        let part = match &heard.landed {
            Some(Landed::Well(draft, _)) if heard.is_told => piece(draft.written.text.get(self.bytes..)?)?,
            _ => heard.parts.get(self.parts)?.clone(),
        };
        let Part::Token(text) = &part;
        (self.parts, self.bytes) = (self.parts + 1, self.bytes + text.len());
        Some(part)
    }
}

fn piece(text: &str) -> Option<Part> {
    let end = text.ceil_char_boundary(PIECE);
    (!text.is_empty()).then(|| Part::Token(text[..end].to_owned()))
}

impl Seat {
    /// Passes the text on as it comes, and returns the answer: to the first one as it was made, to the others as a copy.
    pub async fn ride(mut self, parts: Option<&mpsc::Sender<Part>>) -> Result<Draft, Failed> {
        let mut known = Known::default();
        loop {
            let (next, landed) = {
                let heard = self.heard.borrow_and_update();
                let next = known.next(&heard);
                let landed = heard.landed.as_ref().filter(|_| next.is_none()).cloned();
                (next, landed)
            };
            if let Some(part) = next {
                if let Some(parts) = parts {
                    // Nobody listens any more: the caller drops this future.
                    let _ = parts.send(part).await;
                }
                continue;
            }
            let heard = known.parts > 0 && parts.is_some();
            match landed {
                Some(Landed::Well(draft, taken)) => {
                    let first = !taken.swap(true, Ordering::Relaxed);
                    let draft = Arc::unwrap_or_clone(draft);
                    return Ok(match draft.cached {
                        None if !first => {
                            count(Layer::Flight, "hit");
                            draft.copy(Layer::Flight.as_str())
                        }
                        _ => draft,
                    });
                }
                Some(Landed::Badly(error)) => {
                    let error = error.again();
                    return Err(Failed { error, heard });
                }
                None if self.heard.changed().await.is_err() => {
                    let error = Error::unavailable("stopping", "the answer was not finished", "its task ended");
                    return Err(Failed { error, heard });
                }
                None => {}
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end.left();
    }
}
