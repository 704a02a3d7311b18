//! How the cosines of a model are to be read that nobody has calibrated: measured once ([`embedding::scale`]), kept beside the model's
//! name, and read by every process. Until that has worked, its cosines are taken as they are.
use embedding::{Calibration, Embedder, scale};
use std::{sync::OnceLock, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use crate::{Result, pages::index, tenancy::Db};

/// A model that could not be asked is left alone for so long.
const PAUSE: Duration = Duration::from_mins(1);

/// A model's scale, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Scale {
    known: OnceLock<Calibration>,
    tried: Mutex<Option<Instant>>,
}

impl Scale {
    /// What is known.
    pub fn known(&self) -> Option<Calibration> {
        self.known.get().copied()
    }

    /// Finds it out, if it is not known: from what was kept, else by the model. One asks, the others wait for that.
    pub async fn learn(&self, db: &Db, id: Uuid, embedder: &dyn Embedder) {
        if self.known().is_some() {
            return;
        }
        let mut tried = self.tried.lock().await;
        if self.known().is_some() || tried.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        *tried = Some(Instant::now());
        match find(db, id, embedder).await {
            Ok(Some(found)) => {
                let _ = self.known.set(found);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error = error.story(),
                "the scale of an embedding model is not known yet"
            ),
        }
    }
}

async fn find(db: &Db, id: Uuid, embedder: &dyn Embedder) -> Result<Option<Calibration>> {
    if let Some(kept) = index::scale_of(db, id).await? {
        return Ok(Some(kept));
    }
    let name = &embedder.model().name;
    let (means, _) = match scale::measure(embedder).await {
        Ok(measured) => measured,
        Err(error) => {
            tracing::warn!(%error, model = name, "the scale of an embedding model can't be measured yet");
            return Ok(None);
        }
    };
    let Some(found) = means.calibration() else {
        tracing::warn!(
            related = means.related,
            unrelated = means.unrelated,
            model = name,
            "an embedding model hardly tells related texts from unrelated ones"
        );
        return Ok(None);
    };
    tracing::info!(
        event = "embedding_scale",
        model = name,
        zero = found.zero,
        one = found.one
    );
    index::keep_scale(db, id, found).await.map(Some)
}
