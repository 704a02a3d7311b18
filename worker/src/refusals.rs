//! How long something has gone wrong that does not pass by itself: each try of it is refused, though whoever refuses is there.
use domain::{Result, error::Kind};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The refusals since the last success. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Option<Span>>>);

/// The first refusal and the last one.
#[derive(Clone, Copy)]
struct Span {
    first: Instant,
    last: Instant,
}

impl Refusals {
    /// Notes how a try ended. One that could not be made, since a server is away, says nothing of the next.
    pub fn note<T>(&self, tried: &Result<T>) {
        match tried {
            Err(error) if !matches!(error.kind(), Kind::Unavailable { .. }) => self.refused(),
            _ => self.forget(),
        }
    }

    /// Notes a refusal.
    pub fn refused(&self) {
        let (mut span, now) = (self.span(), Instant::now());
        let first = span.map_or(now, |span| span.first);
        *span = Some(Span { first, last: now });
    }

    /// Begins again.
    pub fn forget(&self) {
        *self.span() = None;
    }

    /// From the first refusal to the last, without any success between them.
    pub fn lasted(&self) -> Duration {
        self.span().map_or(Duration::ZERO, |span| span.last - span.first)
    }

    fn span(&self) -> MutexGuard<'_, Option<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Error;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_again_and_again_is_told_from_what_failed_once() {
        let refusals = Refusals::default();
        let refused = || Err::<(), _>(Error::internal("a claim", "permission denied"));
        refusals.note(&refused());
        advance(60 * SECOND).await;
        assert_eq!(refusals.lasted(), Duration::ZERO, "nobody has tried since");
        refusals.note(&refused());
        assert_eq!(refusals.lasted(), 60 * SECOND);
        refusals.note(&Ok(()));
        assert_eq!(refusals.lasted(), Duration::ZERO);

        refusals.note(&refused());
        advance(SECOND).await;
        let away = Error::unavailable("database_unavailable", "away", "away");
        refusals.note::<()>(&Err(away));
        refusals.note(&refused());
        assert_eq!(refusals.lasted(), Duration::ZERO, "an outage between them begins anew");
    }
}
