//! Work that its customer has a limit of: crawls, vectors, a shop's products, many questions at once. Only the handler knows that it starts:
//! after the caller's permission, and after a repeated `Idempotency-Key` has had its old answer. What it has counted stands in the answer's
//! headers.
use domain::{
    Result,
    limits::{Class, Line, Request, Who},
    tenancy::Principal,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

use crate::Context;

/// The limits that a handler has counted on, for the headers of its answer. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Spent(Arc<Mutex<Vec<Line>>>);

impl Spent {
    /// Holds work that `principal` starts for `customer`, which it may do, against the customer's limits.
    pub async fn count(&self, context: &Context, principal: &Principal, customer: Uuid, class: Class) -> Result<()> {
        let Some(gate) = &context.gate else { return Ok(()) };
        let actor = principal.actor();
        let who = match principal {
            Principal::Key { .. } => Who::Key { actor, customer },
            _ => Who::User {
                actor,
                customer: Some(customer),
            },
        };
        let asked = Request {
            class,
            who: &who,
            group: None,
            proof: None,
        };
        let mut passage = gate.check(&asked).await;
        self.held().append(&mut passage.lines);
        passage.refusal.map_or(Ok(()), |refusal| Err(refusal.error))
    }

    /// What was counted.
    pub fn lines(&self) -> Vec<Line> {
        std::mem::take(&mut *self.held())
    }

    fn held(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
