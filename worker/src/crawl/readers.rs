//! Turns at reading pages. A page may take a second of a processor, by accident or on purpose, and is not interrupted: so no crawl reads on
//! all processors at once, and what waits of a site that is hard to read waits behind its own pages.
use std::{
    num::NonZero,
    sync::{Arc, LazyLock},
    thread::available_parallelism,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that this process reads at once, of all its crawls: as many as there are processors, or their trees only fill the memory.
static ALL: LazyLock<(usize, Arc<Semaphore>)> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(2, NonZero::get);
    (processors, Arc::new(Semaphore::new(processors)))
});

/// A crawl's turns.
pub(super) struct Readers {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

/// A turn; it ends when it is dropped.
pub(super) struct Reader {
    _permits: Option<[OwnedSemaphorePermit; 2]>,
}

impl Readers {
    /// Of one more crawl of this process.
    pub fn of_a_crawl() -> Self {
        Self::of(ALL.0, ALL.1.clone())
    }

    fn of(processors: usize, all: Arc<Semaphore>) -> Self {
        let own = Arc::new(Semaphore::new(processors.saturating_sub(1).max(1)));
        Self { all, own }
    }

    /// Waits for a turn: first behind the crawl's own pages, then behind all.
    pub async fn turn(&self) -> Reader {
        let own = self.own.clone().acquire_owned().await.ok();
        let all = self.all.clone().acquire_owned().await.ok();
        Reader {
            _permits: own.zip(all).map(|(own, all)| [own, all]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn one_crawl_leaves_a_processor_to_the_others() {
        for processors in [2, 8] {
            let all = Arc::new(Semaphore::new(processors));
            let (hard, other) = (Readers::of(processors, all.clone()), Readers::of(processors, all));
            let held: Vec<_> = (1..processors).map(|_| hard.turn().now_or_never().unwrap()).collect();
            let waits = hard.turn().now_or_never();
            assert!(waits.is_none(), "{processors} processors");
            let turn = other.turn().now_or_never();
            assert!(turn.is_some(), "{processors} processors");
            drop((held, turn));
            assert!(hard.turn().now_or_never().is_some());
        }
        let alone = Readers::of(1, Arc::new(Semaphore::new(1)));
        assert!(alone.turn().now_or_never().is_some());
    }
}
