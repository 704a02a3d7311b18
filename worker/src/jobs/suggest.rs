//! Questions to start with, chosen again when the last of a customer's waiting embed jobs is through.
use domain::{Result, answering::Answerer};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::job::Job;

/// Chooses the questions, unless another embed job will. What fails here fails no indexing: the old questions stay.
pub(super) async fn after_build(job: &Job) {
    match job.signal.until(choose(job)).await {
        Ok(Some(count)) => tracing::info!(
            event = "suggestions_chosen",
            questions = count,
            "questions to start with"
        ),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = error.story(), "questions to start with could not be chosen"),
    }
}

async fn choose(job: &Job) -> Result<Option<usize>> {
    const WAITING: &str = "SELECT EXISTS (SELECT FROM jobs WHERE customer_id = $1 AND kind = 'embed' AND id <> $2
                           AND state IN ('scheduled', 'queued', 'running')) AS waiting";
    let customer = job.customer()?;
    let tx = job.read().await?;
    let values = [customer.id.into(), job.id().into()];
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, WAITING, values))
        .await?;
    tx.commit().await?;
    if row.is_some_and(|row| row.try_get("", "waiting").unwrap_or(false)) {
        return Ok(None);
    }
    let answerer = Answerer::new(&job.ctx.db, job.ctx.searcher.clone(), &job.ctx.config.model)?;
    answerer.choose_suggestions(customer).await.map(Some)
}
