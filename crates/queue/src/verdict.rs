//! The outermost layer around every handler: notes what became of it. The only way an entry in the book stops running.

use crate::{errand::Errand, shared::Shared};
use apalis_core::{error::BoxDynError, task::Task};
use futures::{FutureExt, future::BoxFuture};
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tower_layer::Layer;
use tower_service::Service;

/// Put around the handler by apalis itself, on behalf of [`Queue`](crate::Queue).
#[derive(Clone)]
pub struct VerdictLayer(Arc<Shared>);

impl VerdictLayer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl<S> Layer<S> for VerdictLayer {
    type Service = VerdictService<S>;

    fn layer(&self, inner: S) -> VerdictService<S> {
        VerdictService {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// See [`VerdictLayer`].
#[derive(Clone)]
pub struct VerdictService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Task<Errand>> for VerdictService<S>
where
    S: Service<Task<Errand>>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<S::Response, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Errand>) -> Self::Future {
        let entry = task.task_id().map(ToString::to_string).unwrap_or_default();
        let mut verdict = Verdict {
            entry,
            began: Instant::now(),
            settled: false,
            shared: self.shared.clone(),
        };
        // A panic must not unwind through the worker, which would take the other handlers with it.
        let handler = AssertUnwindSafe(self.inner.call(task)).catch_unwind();
        async move {
            let outcome = match handler.await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_) => Err("the handler panicked".into()),
            };
            verdict.pronounce(outcome.is_ok());
            outcome
        }
        .boxed()
    }
}

/// Passed when it is dropped, so that a handler that never finishes its future has one, too: not settled.
struct Verdict {
    entry: String,
    began: Instant,
    settled: bool,
    shared: Arc<Shared>,
}

impl Verdict {
    /// A method, so that the handler's future captures the whole verdict: naming the field would capture a copy of the field, and
    /// drop the verdict before the handler has run.
    fn pronounce(&mut self, settled: bool) {
        self.settled = settled;
    }
}

impl Drop for Verdict {
    fn drop(&mut self) {
        self.shared.judge(&self.entry, self.settled, self.began.elapsed());
    }
}
