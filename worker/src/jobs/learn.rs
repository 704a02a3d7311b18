//! Golden questions that are asked, gaps that are gathered, and when: by the clock, and after an index has changed.
use domain::{
    Result,
    answering::Answerer,
    learning::{self, Cause, Circumstances, Examiner, gaps::Gatherer},
    retrieval::Version,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::Ending;
use crate::job::Job;

/// Asks golden questions as the product searches.
pub(super) fn examiner(job: &Job) -> Result<Examiner> {
    Ok(Examiner::new(job.ctx.db.clone(), answerer(job)?))
}

fn answerer(job: &Job) -> Result<Answerer> {
    Answerer::new(&job.ctx.db, job.ctx.searcher.clone(), &job.ctx.config.model)
}

/// Makes jobs for all customers with something to learn.
pub(super) async fn plan(job: &Job) -> Result<Ending> {
    let made = job.signal.until(learning::plan(&job.ctx.db)).await?;
    job.ctx.dispatcher.dispatch(&made).await;
    Ok(Ending::Done(
        json!({ "jobs": made.iter().filter(|made| made.fresh).count() }),
    ))
}

/// Asks the customer's golden questions of what answers are made from.
pub(super) async fn golden_run(job: &Job) -> Result<Ending> {
    let customer = job.customer()?;
    let run = job
        .signal
        .until(examiner(job)?.ask(customer, Version::Published))
        .await?;
    let tx = job.write().await?;
    let circumstances = Circumstances {
        cause: if job.row.priority > 0 {
            Cause::Asked
        } else {
            Cause::Change
        },
        job: job.id(),
        staged: false,
        published: true,
        lost: &Value::Array(Vec::new()),
    };
    let id = learning::keep(&tx, &run, circumstances).await?;
    tx.commit().await?;
    let mut told = run.told();
    told["run_id"] = json!(id);
    tracing::info!(job.id = %job.id(), event = "golden_run", questions = run.outcomes.len(), passed = run.passed());
    Ok(Ending::Done(told))
}

/// Gathers the customer's gaps.
pub(super) async fn gaps(job: &Job) -> Result<Ending> {
    let gaps = Gatherer::new(job.ctx.db.clone(), job.ctx.searcher.clone(), answerer(job)?);
    let gathered = job.signal.until(gaps.gather(job.customer()?)).await?;
    tracing::info!(job.id = %job.id(), event = "gaps_gathered", questions = gathered.questions, gaps = gathered.gaps, resolved = gathered.resolved);
    Ok(Ending::Done(json!(gathered)))
}

/// Has the customer's questions asked of the index as it is now, unless more embed jobs wait. What fails here fails no indexing: the clock
/// finds it again.
pub(super) async fn after_index(job: &Job) {
    if let Err(error) = job.signal.until(submit(job)).await {
        tracing::warn!(error = error.story(), "golden questions and gaps are looked at later");
    }
}

async fn submit(job: &Job) -> Result<()> {
    const WAITING: &str = "SELECT EXISTS (SELECT FROM jobs WHERE customer_id = $1 AND kind = 'embed' AND id <> $2
                           AND state IN ('scheduled', 'queued', 'running')) AS waiting";
    let tx = job.write().await?;
    let values = [job.customer()?.id.into(), job.id().into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, WAITING, values);
    let row = tx.query_one_raw(statement).await?;
    if row.is_some_and(|row| row.try_get("", "waiting").unwrap_or(false)) {
        return Ok(());
    }
    let made = learning::after_index(&tx).await?;
    tx.commit().await?;
    job.ctx.dispatcher.dispatch(&made).await;
    Ok(())
}
