//! What answers may cost a customer a day.
//!
//! Before a model is asked, the most that the answer can cost is set aside in the day's row of `usage_daily`; Postgres lets one
//! change that row after the other, so that questions that come together can't go over the limit together. After the call the
//! actual cost takes its place. A process that dies leaves what it had set aside: the day counts it as spent, which is the safe side.
use metrics::{counter, gauge};
use sea_orm::ConnectionTrait;
use serde_json::json;
use time::Date;

use uuid::Uuid;

use super::Tab;
use crate::{
    Error, Result,
    answering::answerer::Usage,
    audit,
    config::Budget,
    jobs::Operator,
    lifecycle::Lifecycle,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// What was set aside for one answer, and what has been spent of it.
pub(super) struct Spending {
    db: Db,
    life: Option<Lifecycle>,
    customer: Customer,
    day: Option<Date>,
    reserved: f64,
    late: bool,
    /// What an earlier try cost that gave way to this one.
    before: Spent,
    spent: Spent,
    settled: bool,
    tab: Option<Tab>,
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub usd: f64,
}

/// Why nothing was set aside.
#[derive(Debug)]
pub(super) enum Refused {
    /// The answer could go over the limit.
    Budget,
    /// The database does not answer.
    Own(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl From<sea_orm::DbErr> for Refused {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Own(error.into())
    }
}

impl Spending {
    /// Sets `usd` aside, if the day's limit allows it.
    pub async fn reserve(
        db: &Db,
        life: Option<&Lifecycle>,
        customer: &Customer,
        usd: f64,
        budget: &Budget,
    ) -> Result<Self, Refused> {
        const LIMITED: &str = "
            SELECT coalesce(budget_soft_usd, budget_hard_usd, $2, $3) IS NOT NULL AS limited FROM customer_configs WHERE id = $1";
        const RESERVE: &str = "
            WITH budget AS (
              SELECT coalesce(budget_soft_usd, budget_hard_usd * 0.8, $3, 'infinity') AS soft,
                coalesce(budget_hard_usd, $4, 'infinity') AS hard
              FROM customer_configs WHERE id = $1)
            INSERT INTO usage_daily AS u (customer_id, day, reserved_usd, warned_at)
            SELECT $1, current_date, $2, CASE WHEN $2 > soft THEN now() END FROM budget WHERE $2 <= hard
            ON CONFLICT (customer_id, day) DO UPDATE SET reserved_usd = u.reserved_usd + $2,
              warned_at = CASE WHEN u.cost_usd + u.reserved_usd + $2 > (SELECT soft FROM budget) THEN coalesce(u.warned_at, now()) ELSE u.warned_at END
            WHERE u.cost_usd + u.reserved_usd + $2 <= (SELECT hard FROM budget)
            RETURNING day, coalesce(u.cost_usd + u.reserved_usd > (SELECT soft FROM budget), false) AS late,
              coalesce(u.warned_at = now(), false) AS first";
        let mut spending = Self {
            db: db.clone(),
            life: life.cloned(),
            customer: customer.clone(),
            day: None,
            reserved: usd,
            late: false,
            before: Spent::default(),
            spent: Spent::default(),
            settled: false,
            tab: None,
        };
        // What costs nothing has no limit.
        if usd <= 0.0 {
            return Ok(spending);
        }
        let (soft, hard) = (budget.soft_usd, budget.hard_usd);
        if customer.unlimited && soft.is_none() && hard.is_none() {
            spending.reserved = 0.0;
            return Ok(spending);
        }
        // A crash of Postgres may take back what is set aside, but not what the call will have cost: that is added at its end.
        let tx = db.tenant_relaxed(customer).await?;
        let limited = tx
            .query_one_raw(sql(LIMITED, [customer.id.into(), soft.into(), hard.into()]))
            .await?;
        // All calls of a customer meet in the day's row, so it is left alone where nothing is limited.
        if !limited.map_or(Ok(false), |row| row.try_get("", "limited"))? {
            spending.reserved = 0.0;
            return Ok(spending);
        }
        let values = [customer.id.into(), usd.into(), soft.into(), hard.into()];
        let row = tx.query_one_raw(sql(RESERVE, values)).await?;
        let Some(row) = row else {
            stopped(customer, &tx).await?;
            tx.commit().await?;
            return Err(Refused::Budget);
        };
        spending.day = row.try_get("", "day")?;
        spending.late = row.try_get("", "late")?;
        let first: bool = row.try_get("", "first")?;
        let proved = first && proved(customer, &tx).await?;
        tx.commit().await?;
        if first {
            tell(customer, proved, "soft");
        }
        Ok(spending)
    }

    /// Whether the soft limit is passed.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// What the call has cost so far.
    pub fn spend(&mut self, tokens_in: u64, tokens_out: u64, usd: f64) {
        let before = self.before;
        self.spent = Spent {
            tokens_in: before.tokens_in + tokens_in,
            tokens_out: before.tokens_out + tokens_out,
            usd: before.usd + usd,
        };
    }

    /// What was spent stays spent: another model is tried.
    pub fn go_on(&mut self) {
        self.before = self.spent;
    }

    /// Adds what was spent to a message's sum as well, at the end.
    #[must_use]
    pub fn on(mut self, tab: &Tab) -> Self {
        self.tab = Some(tab.clone());
        self
    }

    /// The customer who pays.
    pub fn domain(&self) -> &str {
        &self.customer.domain
    }

    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// Puts what was spent in the place of what was set aside.
    pub async fn settle(&mut self) -> Result<Spent> {
        self.note();
        let Some(settlement) = self.settlement() else {
            return Ok(self.spent);
        };
        let settled = settlement.write().await;
        self.settled = settled.is_ok();
        settled.map(|()| self.spent)
    }

    /// Once, to the message's sum.
    fn note(&mut self) {
        if let Some(tab) = self.tab.take() {
            tab.add(Usage {
                tokens_in: self.spent.tokens_in,
                tokens_out: self.spent.tokens_out,
                cost_usd: self.spent.usd,
            });
        }
    }

    fn settlement(&self) -> Option<Settlement> {
        if self.settled {
            return None;
        }
        Some(Settlement {
            db: self.db.clone(),
            customer: self.customer.clone(),
            day: self.day,
            reserved: self.reserved,
            spent: self.spent,
        })
    }
}

impl Drop for Spending {
    /// Nobody waited for the end.
    fn drop(&mut self) {
        self.note();
        if let (Some(settlement), Some(life)) = (self.settlement(), &self.life) {
            life.spawn(async move {
                if let Err(error) = settlement.write().await {
                    tracing::warn!(error = error.story(), "the cost of an abandoned answer is not counted");
                }
            });
        }
    }
}

/// What is to be written of one call.
struct Settlement {
    db: Db,
    customer: Customer,
    day: Option<Date>,
    reserved: f64,
    spent: Spent,
}

impl Settlement {
    async fn write(&self) -> Result<()> {
        const SETTLE: &str = "
            INSERT INTO usage_daily AS u (customer_id, day, tokens_in, tokens_out, cost_usd)
            VALUES ($1, coalesce($2, current_date), $3, $4, $5)
            ON CONFLICT (customer_id, day) DO UPDATE SET tokens_in = u.tokens_in + excluded.tokens_in,
              tokens_out = u.tokens_out + excluded.tokens_out, cost_usd = u.cost_usd + excluded.cost_usd,
              reserved_usd = greatest(u.reserved_usd - $6, 0)
            RETURNING EXISTS (SELECT FROM customer_domains d WHERE d.customer_id = $1 AND d.host = $7 AND d.verified_at IS NOT NULL) AS proved";
        let spent = self.spent;
        let values = [
            self.customer.id.into(),
            self.day.into(),
            (spent.tokens_in as i64).into(),
            (spent.tokens_out as i64).into(),
            spent.usd.into(),
            self.reserved.into(),
            self.customer.domain.as_str().into(),
        ];
        // What is stored of the answer is committed durably after it, and the log of Postgres keeps the order.
        let tx = self.db.tenant_relaxed(&self.customer).await?;
        let row = tx.query_one_raw(sql(SETTLE, values)).await?;
        let proved = row.map_or(Ok(false), |row| row.try_get("", "proved"))?;
        tx.commit().await?;
        // Only ever increased, as its name says; counters of the recorder are whole numbers.
        gauge!("omniops_cost_usd_total", "domain" => label(&self.customer, proved)).increment(spent.usd);
        Ok(())
    }
}

/// Notes that the hard limit stopped an answer; operators are told once a day.
async fn stopped(customer: &Customer, tx: &TenantTx) -> Result<()> {
    const STOP: &str = "INSERT INTO usage_daily AS u (customer_id, day, stopped_at) VALUES ($1, current_date, now())
        ON CONFLICT (customer_id, day) DO UPDATE SET stopped_at = now() WHERE u.stopped_at IS NULL RETURNING 1 AS first";
    if tx.query_one_raw(sql(STOP, [customer.id.into()])).await?.is_some() {
        tell(customer, proved(customer, tx).await?, "hard");
    }
    Ok(())
}

/// Whether the customer has proved its domain, so that figures may name it.
async fn proved(customer: &Customer, tx: &TenantTx) -> Result<bool> {
    const PROVED: &str =
        "SELECT 1 AS proved FROM customer_domains WHERE customer_id = $1 AND host = $2 AND verified_at IS NOT NULL";
    let values = [customer.id.into(), customer.domain.as_str().into()];
    Ok(tx.query_one_raw(sql(PROVED, values)).await?.is_some())
}

/// The domain in figures: names that anybody may claim are no labels.
fn label(customer: &Customer, proved: bool) -> String {
    let label = if proved { customer.domain.as_str() } else { "unverified" };
    label.to_owned()
}

fn tell(customer: &Customer, proved: bool, limit: &'static str) {
    tracing::warn!(
        event = "budget_reached",
        customer.domain = customer.domain,
        limit,
        "a customer's answers reached a limit of the day's costs"
    );
    counter!("omniops_budget_reached_total", "domain" => label(customer, proved), "limit" => limit).increment(1);
}

/// A customer's own limits; where there is none, the installation's holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CustomerBudget {
    /// USD a day from which on the small model answers.
    pub soft_usd: Option<f64>,
    /// USD a day that are never exceeded.
    pub hard_usd: Option<f64>,
}

/// A customer's own limits.
pub async fn budget_of(db: &Db, customer: Uuid) -> Result<CustomerBudget> {
    const READ: &str = "SELECT budget_soft_usd, budget_hard_usd FROM customer_configs WHERE id = $1";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(READ, [customer.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("customer"))?;
    Ok(CustomerBudget {
        soft_usd: row.try_get("", "budget_soft_usd")?,
        hard_usd: row.try_get("", "budget_hard_usd")?,
    })
}

/// Sets a customer's own limits; it is an operator's decision.
pub async fn set_budget(db: &Db, customer: Uuid, budget: CustomerBudget, by: Operator<'_>) -> Result<()> {
    const WRITE: &str = "UPDATE customer_configs SET budget_soft_usd = $2, budget_hard_usd = $3 WHERE id = $1";
    let CustomerBudget { soft_usd, hard_usd } = budget;
    for (field, usd) in [("soft_usd", soft_usd), ("hard_usd", hard_usd)] {
        if usd.is_some_and(|usd| !(0.0..=1e6).contains(&usd)) {
            return Err(Error::invalid(field, "must be between 0 and 1000000"));
        }
    }
    if let (Some(soft), Some(hard)) = (soft_usd, hard_usd)
        && soft > hard
    {
        return Err(Error::invalid("soft_usd", "must not be more than hard_usd"));
    }
    let tx = db.system().await?;
    let done = tx
        .execute_raw(sql(WRITE, [customer.into(), soft_usd.into(), hard_usd.into()]))
        .await?;
    if done.rows_affected() == 0 {
        return Err(Error::not_found("customer"));
    }
    let entry = audit::Entry {
        customer: Some(customer),
        actor: by.actor,
        action: "customer.budget_set",
        resource: &customer.to_string(),
        metadata: json!({ "soft_usd": soft_usd, "hard_usd": hard_usd }),
        ip: by.ip,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await
}
