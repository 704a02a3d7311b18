//! What a customer used and what it cost, and what it may cost a day.
use domain::{
    Error,
    answering::{CustomerBudget, DayOfUsage, Models, budget_of, set_budget, usage_between},
    tenancy::get,
};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use time::Date;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Admin, Body, Caller, Conversations},
    openapi::Tag,
};

/// One day.
#[derive(Debug, Object)]
#[expect(clippy::struct_field_names, reason = "the contract's name")]
struct Day {
    day: Date,
    /// Questions that were answered.
    chats: i64,
    tokens_in: i64,
    tokens_out: i64,
    /// USD; nothing where no price is known.
    cost_usd: f64,
    /// Pages that were indexed.
    pages: i64,
    /// Chunks that were embedded.
    embeddings: i64,
}

/// The sums of all days.
#[derive(Debug, Default, Object)]
struct Total {
    chats: i64,
    tokens_in: i64,
    tokens_out: i64,
    cost_usd: f64,
    pages: i64,
    embeddings: i64,
}

/// Use by day, oldest first; days without any are left out.
#[derive(Debug, Object)]
#[oai(rename = "UsageByDay")]
struct Usage {
    days: Vec<Day>,
    total: Total,
    /// The customer's own limits.
    budget: Budget,
}

/// What answers may cost a customer a day, in USD. Without a limit of its own the installation's holds.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Budget {
    /// From here on the small model answers.
    #[oai(nullable)]
    soft_usd: Option<f64>,
    /// Answers that could go over it are extractive.
    #[oai(nullable)]
    hard_usd: Option<f64>,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Read use and cost by day
    ///
    /// From `from` to `to`, both included, at most 366 days; the last 30 days unless said otherwise.
    #[oai(path = "/api/usage", method = "get", tag = "Tag::Operation", operation_id = "usage")]
    async fn usage(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        from: Query<Option<Date>>,
        to: Query<Option<Date>>,
    ) -> Answer<Json<Usage>> {
        let days = usage_between(&context.db, &caller.customer, from.0, to.0).await?;
        let budget = budget_of(&context.db, caller.customer.id).await?;
        Ok(Json(Usage {
            total: days.iter().fold(Total::default(), Total::plus),
            days: days.into_iter().map(Into::into).collect(),
            budget: budget.into(),
        }))
    }

    /// Set what a customer's answers may cost a day
    #[oai(
        path = "/api/customers/:id/budget",
        method = "put",
        tag = "Tag::Administration",
        operation_id = "set_budget"
    )]
    async fn set_budget(
        &self,
        context: Data<&Context>,
        admin: Admin,
        id: Path<Uuid>,
        body: Body<Budget>,
    ) -> Answer<Json<Budget>> {
        let customer = get(&context.db, id.0).await?;
        let Budget { soft_usd, hard_usd } = body.0;
        let limits = soft_usd.is_some() || hard_usd.is_some();
        if let Some(model) = context.answerer.models().and_then(Models::unpriced).filter(|_| limits) {
            let message = format!("CHAT_PRICES has no price for {model}, so that no budget can be kept");
            return Err(Error::conflict("no_price", message).into());
        }
        let budget = CustomerBudget { soft_usd, hard_usd };
        set_budget(&context.db, customer.id, budget, admin.operator()).await?;
        Ok(Json(Budget { soft_usd, hard_usd }))
    }
}

impl Total {
    fn plus(self, day: &DayOfUsage) -> Self {
        Self {
            chats: self.chats + day.chats,
            tokens_in: self.tokens_in + day.tokens_in,
            tokens_out: self.tokens_out + day.tokens_out,
            cost_usd: self.cost_usd + day.cost_usd,
            pages: self.pages + day.pages,
            embeddings: self.embeddings + day.embeddings,
        }
    }
}

impl From<DayOfUsage> for Day {
    fn from(day: DayOfUsage) -> Self {
        Self {
            day: day.day,
            chats: day.chats,
            tokens_in: day.tokens_in,
            tokens_out: day.tokens_out,
            cost_usd: day.cost_usd,
            pages: day.pages,
            embeddings: day.embeddings,
        }
    }
}

impl From<CustomerBudget> for Budget {
    fn from(budget: CustomerBudget) -> Self {
        Self {
            soft_usd: budget.soft_usd,
            hard_usd: budget.hard_usd,
        }
    }
}
