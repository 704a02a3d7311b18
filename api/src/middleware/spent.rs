//! Work that its customer has a limit of: crawls, vectors, a shop's products, many questions at once. Only the handler knows that it starts:
//! after the caller's permission, and after a repeated `Idempotency-Key` has had its old answer. What it has counted stands in the answer's
//! headers.
//!
//! Such a call is a change of its caller as well. The two are counted together, in one round trip to Redis; where the handler ends
//! before it has counted, and so before it has done anything, the change is counted by itself.
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
pub struct Spent(Arc<Mutex<Account>>);

#[derive(Debug, Default)]
struct Account {
    lines: Vec<Line>,
    /// The change has not been counted yet.
    owes: bool,
}

impl Spent {
    /// Of a call whose change has not been counted yet, or has.
    pub fn of(owes: bool) -> Self {
        let lines = Vec::new();
        Self(Arc::new(Mutex::new(Account { lines, owes })))
    }

    /// Whether the change is still to be counted; afterwards it is not.
    pub fn owed(&self) -> bool {
        std::mem::take(&mut self.held().owes)
    }

    /// Holds what `principal` starts for `customer`, which it may do, against the customer's limits, and the change against its own.
    pub async fn count(&self, context: &Context, principal: &Principal, customer: Uuid, class: Class) -> Result<()> {
        let owed = self.owed();
        if class == Class::Change && !owed {
            return Ok(());
        }
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
            changes: owed && class != Class::Change,
            who: &who,
            group: None,
            proof: None,
        };
        let mut passage = gate.check(&asked).await;
        self.held().lines.append(&mut passage.lines);
        passage.refusal.map_or(Ok(()), |refusal| Err(refusal.error))
    }

    /// What was counted.
    pub fn lines(&self) -> Vec<Line> {
        std::mem::take(&mut self.held().lines)
    }

    fn held(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
