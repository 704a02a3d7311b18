//! The face towards apalis: hands out what is in the book, and starts, watches and joins the queue's own task.

use crate::{config::Config, errand::Errand, health::Health, keeper, shared::Shared, verdict::VerdictLayer};
use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use futures::FutureExt;
use redis_link::Address;
use std::{
    convert::Infallible,
    panic::resume_unwind,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{sync::watch, task::JoinHandle};

/// An apalis backend for one worker on one stream. The task id of what it hands out is the id of the stream entry.
///
/// Its error type is `Infallible`, so no trouble with Redis can end the worker. A panic in the queue's own task goes on in the
/// worker, where Monitor's `should_restart` decides.
pub struct Queue {
    shared: Arc<Shared>,
    task: Option<OwnTask>,
}

/// The task ends when `open` is dropped, which a dropped [`Queue`] does as well.
struct OwnTask {
    open: Option<watch::Sender<()>>,
    handle: JoinHandle<()>,
}

impl Queue {
    /// Connects and joins the group when the worker first polls; Redis may be away until then, and then.
    pub fn new(address: Address, config: Config) -> Self {
        Self::with_health(address, config, Health::default())
    }

    /// Like [`Queue::new`], reporting to a handle that exists already: Monitor builds a new queue at each restart.
    pub fn with_health(address: Address, config: Config, health: Health) -> Self {
        Self {
            shared: Arc::new(Shared::new(address, config, health)),
            task: None,
        }
    }

    /// A view for a liveness probe.
    pub fn health(&self) -> Health {
        self.shared.health.clone()
    }

    /// At the first poll and not before: Monitor builds and layers a worker long before it runs it.
    #[expect(
        clippy::disallowed_methods,
        reason = "joined in `poll_close`; its panics are watched in `watch`"
    )]
    fn start(&mut self, worker: &WorkerContext) -> &mut OwnTask {
        self.task.get_or_insert_with(|| {
            let (open, closed) = watch::channel(());
            let handle = tokio::spawn(keeper::run(self.shared.clone(), worker.clone(), closed));
            OwnTask {
                open: Some(open),
                handle,
            }
        })
    }
}

impl OwnTask {
    /// Lets a panic of the task go on here; otherwise registers to be polled again when the task ends.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.handle.poll_unpin(cx)) {
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            _ => Poll::Ready(()),
        }
    }
}

impl Backend for Queue {
    type Task = Task<Errand>;
    type Error = Infallible;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        match self.start(worker).watch(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            // Without a panic it ends here only if the whole runtime does.
            Poll::Ready(()) => Poll::Pending,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Errand>, Infallible>>> {
        // Before looking, or a wake between the two is lost.
        self.shared.work.register(cx.waker());
        match self.shared.take() {
            Some((entry, errand)) => Poll::Ready(Some(Ok(TaskBuilder::new(errand)
                .task_id(TaskId::from_string(entry))
                .build()))),
            None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        if let Some(task) = &mut self.task {
            task.open = None;
            ready!(task.watch(cx));
            self.task = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Queue {
    type Args = Errand;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Config;
    type Layer = VerdictLayer;

    fn config(&self) -> &Config {
        &self.shared.config
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> VerdictLayer {
        VerdictLayer::new(self.shared.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apalis_core::{monitor::Monitor, worker::builder::WorkerBuilder};

    #[expect(clippy::disallowed_methods, reason = "a stand-in for the queue's own task")]
    fn queue_with_a_bug() -> Queue {
        let mut queue = Queue::new(
            Address::parse("redis+unix:///nowhere").unwrap(),
            Config::new("stream", 1),
        );
        let handle = tokio::spawn(async { panic!("a bug in the keeper") });
        queue.task = Some(OwnTask { open: None, handle });
        queue
    }

    #[tokio::test]
    async fn a_panic_of_the_own_task_ends_the_worker_so_that_monitor_can_restart_it() {
        let monitor = Monitor::new()
            .register(|_| {
                WorkerBuilder::new("worker")
                    .backend(queue_with_a_bug())
                    .build(async |_: Errand| ())
            })
            .should_restart(|worker, error| {
                assert!(error.to_string().contains("a bug in the keeper"), "{error}");
                worker.restarts() < 2
            });
        let workers = monitor.context().workers().clone();
        assert!(monitor.run().await.is_err());
        assert_eq!(workers[0].restarts(), 2);
    }
}
