//! A question as it comes: whose it is to answer, what it means after what was said before, and, where it begins a conversation, what the
//! database has of an answer that was given before. All of that is one transaction.
use uuid::Uuid;

use super::{
    answerer::{Answerer, Question},
    asked::Asked,
    cache::Seen,
    conversation,
};
use crate::{
    Result,
    language::{self, Locale},
    people::{self, Received, Reception},
    tenancy::{Customer, TenantTx},
};

/// A question that is the bot's to answer.
pub(super) struct Taken {
    pub asked: Asked,
    pub seen: Seen,
}

impl Answerer {
    /// Takes a question, unless people have.
    pub(super) async fn receive(
        &self,
        customer: &Customer,
        question: &Question,
        text: &str,
    ) -> Result<Result<Taken, Received>> {
        let tx = self.db.tenant(customer).await?;
        let said_in = language::detect(text).or(question.locale);
        match people::receive(&tx, customer, question.session, text, said_in).await? {
            Reception::People(received) => {
                tx.commit().await?;
                Ok(Err(received))
            }
            // Nothing was written, so nobody waits for the transaction's end.
            Reception::Bot(None) => {
                let asked = self.understand(customer, text, question.locale, Vec::new()).await;
                let seen = self.seen(&tx, customer, &asked).await;
                Ok(Ok(Taken { asked, seen }))
            }
            Reception::Bot(Some(conversation)) => {
                let (locale, history) = before(&tx, question, conversation).await?;
                tx.commit().await?;
                let asked = self.understand(customer, text, locale, history).await;
                let seen = Seen::Unasked;
                Ok(Ok(Taken { asked, seen }))
            }
        }
    }
}

/// The visitor's language and the turns before.
async fn before(
    tx: &TenantTx,
    question: &Question,
    conversation: Uuid,
) -> Result<(Option<Locale>, Vec<conversation::Turn>)> {
    let history = conversation::recent(tx, conversation).await?;
    let locale = match question.locale {
        None if !history.is_empty() => conversation::spoken(tx, question.session).await?,
        named => named,
    };
    Ok((locale, history))
}
