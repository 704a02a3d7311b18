//! What a customer used, day by day.
use sea_orm::{ConnectionTrait, FromQueryResult};
use time::Date;

use crate::{
    Error, Result,
    tenancy::{Customer, Db, sql},
};

/// Most days that can be read at once.
const DAYS: i64 = 366;

/// One day of a customer.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct DayOfUsage {
    /// The day, as the database's clock has it.
    pub day: Date,
    /// Questions that were answered.
    pub chats: i64,
    /// Tokens that models were asked with.
    pub tokens_in: i64,
    /// Tokens that they answered with.
    pub tokens_out: i64,
    /// What they cost; nothing where no price is known.
    pub cost_usd: f64,
    /// Pages that were indexed.
    pub pages: i64,
    /// Chunks that were embedded.
    pub embeddings: i64,
}

/// Days with any use from `from` to `to`, oldest first; the last 30 days where they are not given.
pub async fn usage_between(
    db: &Db,
    customer: &Customer,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<Vec<DayOfUsage>> {
    const READ: &str = "SELECT day, chats, tokens_in, tokens_out, cost_usd, pages, embeddings FROM usage_daily
        WHERE customer_id = $1 AND day BETWEEN coalesce($2, coalesce($3, current_date) - 29) AND coalesce($3, current_date) ORDER BY day";
    if let (Some(from), Some(to)) = (from, to) {
        if from > to {
            return Err(Error::invalid("from", "must not be after `to`"));
        }
        if (to - from).whole_days() >= DAYS {
            return Err(Error::invalid(
                "from",
                format!("must be less than {DAYS} days before `to`"),
            ));
        }
    }
    let tx = db.tenant_read(customer).await?;
    let read = sql(READ, [customer.id.into(), from.into(), to.into()]);
    let rows = tx.query_all_raw(read).await?;
    Ok(rows
        .iter()
        .map(|row| DayOfUsage::from_query_result(row, ""))
        .collect::<Result<_, _>>()?)
}
