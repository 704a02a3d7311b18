//! One piece of work for equal questions that are asked at the same time.
//!
//! The work is a task of its own that belongs to nobody: everybody who asks has a seat and hears its text as it comes, the first
//! no better than the last. A seat that is given up, because its visitor left, ends the work only if it was the last one. So
//! whoever began it can neither fail nor hang those who followed, and work that nobody waits for is not paid for.
mod seat;
#[cfg(test)]
mod tests;

pub use self::seat::Seat;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Key;
use crate::{
    Error, Result,
    answering::{answerer::Part, draft::Draft},
    error::Kind,
};

/// The text of longer answers is held once.
const LONG: usize = 4096;
/// Seats of one flight.
const SEATS: usize = 256;

/// The work under way, by what it is for. Cloning shares.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<Board>>);

#[derive(Default)]
struct Board {
    flights: HashMap<Key, Flight>,
    /// Of the last flight.
    number: u64,
}

struct Flight {
    number: u64,
    seats: usize,
    heard: watch::Receiver<Heard>,
    /// Ends the work.
    empty: CancellationToken,
}

/// What has been heard of a flight.
#[derive(Default)]
struct Heard {
    /// Nothing any more where the answer that has landed says all of it: readers may be slow, and many.
    parts: Vec<Part>,
    is_told: bool,
    landed: Option<Landed>,
}

impl Heard {
    /// Whether a long `text` is what has been heard.
    fn says(&self, text: &str) -> bool {
        let mut rest = Some(text).filter(|text| text.len() > LONG);
        for Part::Token(part) in &self.parts {
            rest = rest.and_then(|rest| rest.strip_prefix(part.as_str()));
        }
        rest == Some("")
    }
}

#[derive(Clone)]
enum Landed {
    Well(Arc<Draft>, Arc<AtomicBool>),
    Badly(Arc<Error>),
}

impl Flights {
    /// A seat on the flight for `key`; with a pilot if there was none, who must fly it.
    pub fn board(&self, key: &Key) -> Result<(Seat, Option<Pilot>)> {
        let mut board = self.board_now();
        let mut pilot = None;
        if !board.flights.contains_key(key) {
            board.number += 1;
            let (telling, heard) = watch::channel(Heard::default());
            let flight = Flight {
                number: board.number,
                seats: 0,
                heard,
                empty: CancellationToken::new(),
            };
            pilot = Some(Pilot {
                end: self.end(key, flight.number),
                empty: flight.empty.clone(),
                telling,
            });
            board.flights.insert(key.clone(), flight);
        }
        let full = || {
            let retry_after = Duration::from_secs(2);
            Error::new(
                Kind::TooMany { retry_after },
                "busy",
                "many ask this right now; try again in a moment",
            )
        };
        let flight = board
            .flights
            .get_mut(key)
            .filter(|flight| flight.seats < SEATS)
            .ok_or_else(full)?;
        flight.seats += 1;
        let seat = Seat {
            heard: flight.heard.clone(),
            end: self.end(key, flight.number),
        };
        Ok((seat, pilot))
    }

    /// How many flights are in the air.
    #[cfg(test)]
    pub fn aloft(&self) -> usize {
        self.board_now().flights.len()
    }

    fn end(&self, key: &Key, number: u64) -> End {
        End {
            flights: self.clone(),
            key: key.clone(),
            number,
        }
    }

    fn board_now(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a flight leaves the board.
struct End {
    flights: Flights,
    key: Key,
    number: u64,
}

impl End {
    /// Nobody boards it any more.
    fn landed(&self) {
        let mut board = self.flights.board_now();
        if board
            .flights
            .get(&self.key)
            .is_some_and(|flight| flight.number == self.number)
        {
            board.flights.remove(&self.key);
        }
    }

    /// One seat fewer; the last one ends the work.
    fn left(&self) {
        let mut board = self.flights.board_now();
        let Some(flight) = board
            .flights
            .get_mut(&self.key)
            .filter(|flight| flight.number == self.number)
        else {
            return;
        };
        flight.seats -= 1;
        if flight.seats == 0
            && let Some(flight) = board.flights.remove(&self.key)
        {
            flight.empty.cancel();
        }
    }
}

/// Does the work. Dropped before it has landed, it fails those who wait.
pub struct Pilot {
    telling: watch::Sender<Heard>,
    empty: CancellationToken,
    end: End,
}

impl Pilot {
    /// Waits for what `made` makes and passes its `parts` on; calls `landed` before those who wait learn that it is there.
    /// None if it failed, or everybody left before.
    pub async fn fly(
        self,
        made: impl Future<Output = Result<Draft>>,
        mut parts: mpsc::Receiver<Part>,
        landed: impl FnOnce(&Draft),
    ) -> Option<Arc<Draft>> {
        let flown = self.empty.run_until_cancelled(async {
            let mut made = pin!(made);
            loop {
                tokio::select! {
                    biased;
                    Some(part) = parts.recv() => self.say(part),
                    made = &mut made => break made,
                }
            }
        });
        let made = flown.await?;
        while let Ok(part) = parts.try_recv() {
            self.say(part);
        }
        match made {
            Ok(draft) => {
                if draft.cached.is_some() {
                    self.say(draft.told());
                }
                landed(&draft);
                let draft = Arc::new(draft);
                self.land(Landed::Well(draft.clone(), Arc::default()));
                Some(draft)
            }
            Err(error) => {
                self.land(Landed::Badly(Arc::new(error)));
                None
            }
        }
    }

    fn say(&self, part: Part) {
        self.telling.send_modify(|heard| heard.parts.push(part));
    }

    /// Leaves the board first, so that whoever comes after a failure begins anew.
    fn land(&self, landed: Landed) {
        self.end.landed();
        self.telling.send_modify(|heard| {
            if let Landed::Well(draft, _) = &landed
                && heard.says(&draft.written.text)
            {
                (heard.parts, heard.is_told) = (Vec::new(), true);
            }
            heard.landed = Some(landed);
        });
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.end.landed();
    }
}
