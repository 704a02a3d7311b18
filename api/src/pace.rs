//! How long a connection and a request may take.
use std::time::Duration;

/// The times of one server. The service's are [`Pace::default`]; tests are less patient.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A head has this time to come as a whole, and the next one this time to begin on a connection that stays open.
    pub head: Duration,
    /// A connection on which nothing is going on is closed after this time, whatever it speaks.
    pub idle: Duration,
    /// A connection whose reader takes nothing for so long is closed.
    pub reader: Duration,
    /// A body has this time to begin with…
    pub body_start: Duration,
    /// …and more for every byte that has come, at so many bytes a second…
    pub body_rate: u32,
    /// …but never more than this.
    pub body_total: Duration,
    /// From the end of the body to the head of the answer. A stream of events has its head at once.
    pub handler: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            reader: Duration::from_secs(30),
            body_start: Duration::from_secs(10),
            body_rate: 16 << 10,
            body_total: Duration::from_secs(30),
            handler: Duration::from_mins(3),
        }
    }
}
