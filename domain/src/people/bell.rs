//! Tells processes that something happened in a conversation: an announcement on the customer's Redis stream, like those of
//! jobs, and a word to the dispatcher, since what people are told is a job. It only wakes; lost, it is late, and nothing more.
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    jobs::{Dispatcher, announce_one},
    tenancy::Customer,
};

/// Longest wait for Redis: a visitor's request waits with it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Rings after a commit. Cloning shares the connection.
#[derive(Clone)]
pub struct Bell {
    dispatcher: Dispatcher,
}

impl Bell {
    /// Rings through the dispatcher's connection.
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    /// Something happened in the customer's conversation, and is committed.
    pub async fn ring(&self, customer: &Customer, conversation: Uuid) {
        self.dispatcher.wake();
        let mut redis = self.dispatcher.redis();
        match timeout(PATIENCE, announce_one(&mut redis, customer.id, conversation)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "followers of a conversation look by themselves"),
            Err(_) => tracing::debug!("Redis is slow; followers of a conversation look by themselves"),
        }
    }
}
