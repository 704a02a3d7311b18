//! The sessions that texts are embedded in: as many as may work at once, each opened when there is work for one more.
//!
//! Whoever finds none free waits, the first first. Work that has begun is done, also when nobody waits for it any more; its session is
//! free for others only then.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Files, encoder::Encoder};
use crate::Error;

/// Sessions of one kind of text.
pub(super) struct Pool {
    files: Files,
    size: usize,
    free: Mutex<Vec<Encoder>>,
    turns: Arc<Semaphore>,
}

impl Pool {
    /// None is open yet.
    pub fn new(files: &Files, size: usize) -> Self {
        let size = size.max(1);
        Self {
            files: files.clone(),
            size,
            free: Mutex::default(),
            turns: Arc::new(Semaphore::new(size)),
        }
    }

    /// Sessions that work at once.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Opens the first session, to know whether that can be done.
    pub fn open(&self) -> Result<(), Error> {
        let encoder = self.taken()?;
        self.put_back(encoder);
        Ok(())
    }

    /// Does `work` with a session, on a thread for such.
    pub async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&mut Encoder) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let stopped = |why: &dyn std::fmt::Display| Error::Inference(format!("the computing stopped: {why}"));
        let turn = self.turns.clone().acquire_owned().await.map_err(|e| stopped(&e))?;
        let done = spawn_blocking(move || {
            let mut encoder = self.taken()?;
            let result = work(&mut encoder);
            self.put_back(encoder);
            drop(turn);
            result
        });
        done.await.unwrap_or_else(|e| Err(stopped(&e)))
    }

    fn taken(&self) -> Result<Encoder, Error> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.map_or_else(|| Encoder::open(&self.files.library, &self.files.model), Ok)
    }

    fn put_back(&self, encoder: Encoder) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
    }
}
