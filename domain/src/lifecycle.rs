//! One lifecycle per process: a soft stop that asks, tracked tasks that are waited for, a deadline, a hard stop.
use std::{future::Future, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Shared by everything that runs in a process. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every task ended by itself.
    Clean,
    /// Some were cut off at the deadline or by a second signal.
    Cut,
}

impl Lifecycle {
    /// A lifecycle of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` as a task that shutdown waits for; at the hard stop it is dropped where it stands.
    #[expect(clippy::disallowed_methods, reason = "this is the substitute that the ban names")]
    pub fn spawn<F>(&self, work: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let hard = self.hard.clone();
        tokio::spawn(self.tasks.track_future(async move {
            tokio::select! {
                out = work => Some(out),
                () = hard.cancelled() => None,
            }
        }))
    }

    /// Fires when the process should finish what it does and take nothing new.
    pub fn stopping(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Whether the soft stop has been given.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Gives the soft stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Gives the hard stop: tasks are dropped.
    pub fn kill(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Stops softly, waits for the tasks until `deadline` has passed, then hard.
    pub async fn shutdown(&self, deadline: Duration) -> Ended {
        self.stop();
        self.tasks.close();
        let hard = self.hard.clone();
        let ended = tokio::select! {
            () = self.tasks.wait() => Ended::Clean,
            () = tokio::time::sleep(deadline) => Ended::Cut,
            () = hard.cancelled() => Ended::Cut,
        };
        self.kill();
        self.tasks.wait().await;
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_heeds_the_soft_stop_ends_cleanly() {
        let life = Lifecycle::new();
        let stop = life.stopping();
        let task = life.spawn(async move { stop.cancelled().await });
        assert_eq!(life.shutdown(Duration::from_mins(1)).await, Ended::Clean);
        assert_eq!(task.await.unwrap(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_is_cut_at_the_deadline() {
        let life = Lifecycle::new();
        let task = life.spawn(std::future::pending::<()>());
        assert_eq!(life.shutdown(Duration::from_secs(20)).await, Ended::Cut);
        assert_eq!(task.await.unwrap(), None);
    }
}
