//! A job in the hands of its handler: what it is, whether it should stop, and the fenced way to write.
use domain::{
    Error, Result,
    jobs::{self, Lease, NewJob},
    tenancy::{Customer, TenantTx},
};
use serde::Serialize;
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Context;

/// Why a handler should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Somebody cancelled the job.
    Cancelled,
    /// The process is stopping: another worker goes on.
    Stopping,
    /// Another worker has the job.
    Lost,
}

/// Tells a handler to stop, once.
#[derive(Clone, Debug, Default)]
pub struct Signal {
    token: CancellationToken,
    lost: CancellationToken,
    why: Arc<OnceLock<Interrupt>>,
}

impl Signal {
    /// Gives the signal; the first reason stands.
    pub fn give(&self, why: Interrupt) {
        let _ = self.why.set(why);
        self.token.cancel();
        if why == Interrupt::Lost {
            self.lost.cancel();
        }
    }

    /// Waits until the job is lost, whatever the handler was told before.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// The reason, if the signal was given.
    pub fn why(&self) -> Option<Interrupt> {
        self.why.get().copied()
    }

    /// Waits for the signal.
    pub async fn given(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work`, and drops it where it stands when the signal comes.
    pub async fn until<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.given() => Err(interrupted()),
            out = work => out,
        }
    }
}

/// What a handler returns when it stopped for the signal; the signal itself knows the reason.
pub fn interrupted() -> Error {
    Error::conflict("interrupted", "the job was asked to stop")
}

/// A claimed job.
#[derive(Clone)]
pub struct Job {
    /// What the process works with.
    pub ctx: Arc<Context>,
    /// The row as it was claimed.
    pub row: Arc<entity::job::Model>,
    /// Whose job it is; none for the system's own.
    customer: Option<Customer>,
    /// Whether to stop.
    pub signal: Signal,
    lease: Lease,
    /// One writer at a time: the fence is a shared lock on the job's row, and progress and cancellation, which change the row,
    /// would wait for ever behind an unbroken row of sharers.
    gate: Arc<Mutex<()>>,
}

impl Job {
    /// Puts together what a claim brought.
    pub(crate) fn new(ctx: Arc<Context>, claimed: jobs::Claimed) -> Self {
        Self {
            ctx,
            row: Arc::new(claimed.job),
            customer: claimed.customer,
            signal: Signal::default(),
            lease: claimed.lease,
            gate: Arc::default(),
        }
    }

    /// The job's id.
    pub fn id(&self) -> Uuid {
        self.lease.job
    }

    /// Whose job it is; an error for the system's own.
    pub fn customer(&self) -> Result<&Customer> {
        self.customer.as_ref().ok_or_else(|| Error::not_found("customer"))
    }

    /// A transaction that reads.
    pub async fn read(&self) -> Result<TenantTx> {
        self.ctx.db.tenant(self.customer()?).await
    }

    /// A transaction that writes the job's work. It is refused when the lease is lost.
    pub async fn write(&self) -> Result<Fenced> {
        let gate = self.gate.clone().lock_owned().await;
        let tx = self.ctx.db.tenant(self.customer()?).await?;
        jobs::fence(&*tx, self.lease).await?;
        Ok(Fenced { tx, _gate: gate })
    }

    /// Writes jobs that this one starts, makes them visible with all that the transaction holds, and has them dispatched. None once somebody
    /// has cancelled it: the cancel has ended what it met.
    pub async fn hand_out(&self, tx: Fenced, new: &[NewJob]) -> Result<()> {
        if jobs::is_cancelled(&tx, self.id()).await? {
            tx.commit().await?;
            self.signal.give(Interrupt::Cancelled);
            return Err(interrupted());
        }
        let made = jobs::submit_all(&**tx, new).await?;
        tx.commit().await?;
        if !made.is_empty() {
            self.ctx.dispatcher.dispatch(&made).await;
        }
        Ok(())
    }

    /// Whether another job has waited for this one's place and would get it: while Redis takes nothing, none would.
    pub async fn is_awaited(&self) -> Result<bool> {
        Ok(jobs::others_wait(&self.ctx.db, &self.row).await? && self.ctx.dispatcher.takes().await.is_ok())
    }

    /// Saves progress, in a transaction of its own: the fence of another one would deadlock with it.
    pub async fn progress(&self, progress: &(impl Serialize + Sync)) -> Result<()> {
        let progress = serde_json::to_value(progress)?;
        let _gate = self.gate.lock().await;
        let tx = self.ctx.db.tenant(self.customer()?).await?;
        jobs::save_progress(&*tx, self.lease, &progress).await?;
        tx.commit().await
    }

    /// Saves progress in the transaction of what it counts, so that neither is there without the other.
    pub async fn progress_within(&self, tx: &Fenced, progress: &(impl Serialize + Sync)) -> Result<()> {
        let progress = serde_json::to_value(progress)?;
        jobs::save_progress(&***tx, self.lease, &progress).await
    }
}

/// A transaction of the lease's holder.
pub struct Fenced {
    tx: TenantTx,
    _gate: OwnedMutexGuard<()>,
}

impl Fenced {
    /// Makes the changes visible.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await
    }
}

impl Deref for Fenced {
    type Target = TenantTx;

    fn deref(&self) -> &TenantTx {
        &self.tx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_to_stop_stands_and_work_is_dropped() {
        let signal = Signal::default();
        assert_eq!(signal.until(async { Ok(1) }).await.unwrap(), 1);
        signal.give(Interrupt::Cancelled);
        signal.give(Interrupt::Stopping);
        assert_eq!(signal.why(), Some(Interrupt::Cancelled));
        signal.give(Interrupt::Lost);
        assert_eq!(signal.why(), Some(Interrupt::Cancelled));
        signal.lost().await;
        let never = signal.until(std::future::pending::<Result<()>>()).await;
        assert_eq!(never.unwrap_err().code(), "interrupted");
    }
}
