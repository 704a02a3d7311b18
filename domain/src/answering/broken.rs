//! What is left of a question whose answer broke off: nothing of the answer, but the question, so that people who read the conversation
//! see it, and that the bot has failed once more.
use std::time::Instant;
use uuid::Uuid;

use super::{answerer::Answerer, asked::Asked, conversation};
use crate::{
    Error, Result,
    people::{self, Reception},
    tenancy::Customer,
};

/// A provider's answer that ended in its middle, after some of it was shown.
pub(super) const BROKE_OFF: &str = "provider_broke_off";

impl Answerer {
    /// Keeps the question; the error offers a person where the bot has failed often enough.
    pub(super) async fn broke_off(
        &self,
        customer: &Customer,
        session: Uuid,
        asked: &Asked,
        began: Instant,
        error: Error,
    ) -> Error {
        match self.keep_question(customer, session, asked, began).await {
            Ok(true) => error.offering_people(),
            Ok(false) => error,
            Err(failed) => {
                tracing::warn!(error = failed.story(), "a question whose answer broke off is not kept");
                error
            }
        }
    }

    async fn keep_question(&self, customer: &Customer, session: Uuid, asked: &Asked, began: Instant) -> Result<bool> {
        let tx = self.db.tenant(customer).await?;
        // A person who has taken the word meanwhile is offered already.
        let mut offered = false;
        if let Reception::Bot(_) = people::receive(&tx, customer, session, &asked.said, asked.locale).await? {
            let conversation = conversation::keep_unanswered(&tx, session, asked, began.elapsed()).await?;
            offered = people::offered(&tx, customer, conversation).await?.offered;
        }
        tx.commit().await?;
        Ok(offered)
    }
}
