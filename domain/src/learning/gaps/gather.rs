//! From unanswered questions to gaps.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Result,
    answering::{Answerer, Examined},
    ids,
    language::detect,
    learning::{
        cluster::{self, Question, Scale},
        scrub::scrubbed,
    },
    pages::index::vector_text,
    people::notify,
    retrieval::Searcher,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// Questions that are read together.
const TOGETHER: usize = 200;
/// Rounds of one run; what is left then waits for the next.
const ROUNDS: usize = 20;
/// Gaps of one customer at most: those asked least, and longest ago, go first.
const MOST: i64 = 1000;
/// Pages that are kept as the nearest ones.
const NEAREST: usize = 3;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gathered {
    /// Questions that were added to gaps.
    pub questions: usize,
    /// Gaps that are new.
    pub gaps: usize,
    /// Gaps that a page answers now.
    pub resolved: usize,
    /// Gaps that are open again.
    pub reopened: usize,
}

/// Gathers a customer's gaps.
#[derive(Clone)]
pub struct Gatherer {
    pub(super) db: Db,
    pub(super) searcher: Searcher,
    pub(super) answerer: Answerer,
}

/// A question that got no answer, or a bad one.
#[derive(Clone, Debug, FromQueryResult)]
struct Unanswered {
    message: Uuid,
    question: String,
    cause: String,
    asked_at: OffsetDateTime,
    seen_at: OffsetDateTime,
    page_id: Option<Uuid>,
    page_version: Option<i64>,
}

/// The earliest member of a gap.
struct Leader {
    gap: Uuid,
    question: Question,
}

impl Gatherer {
    /// Gathers as `answerer` searches.
    pub fn new(db: Db, searcher: Searcher, answerer: Answerer) -> Self {
        Self { db, searcher, answerer }
    }

    /// Reads what is new, gathers it, and asks again what the index may answer by now. Ended anywhere, it has lost nothing: what is not
    /// gathered yet is found by the next run.
    pub async fn gather(&self, customer: &Customer) -> Result<Gathered> {
        let mut done = Gathered::default();
        let tx = self.db.tenant(customer).await?;
        let indexed = has_index(&tx).await?;
        tx.commit().await?;
        if !indexed {
            return Ok(done);
        }
        for _ in 0..ROUNDS {
            let tx = self.db.tenant(customer).await?;
            forget(&tx).await?;
            let new = unanswered(&tx).await?;
            tx.commit().await?;
            let full = new.len() == TOGETHER;
            self.add(customer, new, &mut done).await?;
            if !full {
                break;
            }
        }
        self.ask_again(customer, &mut done).await?;
        Ok(done)
    }

    async fn add(&self, customer: &Customer, new: Vec<Unanswered>, done: &mut Gathered) -> Result<()> {
        let texts: Vec<String> = new.iter().map(|new| scrubbed(&new.question)).collect();
        let model = self.searcher.models().configured().cloned();
        let vectors = match &model {
            Some(_) if !texts.is_empty() => self.searcher.embed_query(Some(customer), &texts).await?,
            _ => None,
        };
        let scale = Scale {
            calibration: model
                .as_ref()
                .map(crate::retrieval::IndexModel::calibration)
                .unwrap_or_default(),
            multilingual: model.as_ref().is_some_and(|model| model.embedder.model().multilingual),
        };
        let id = model.as_ref().map(|model| model.id);
        let tx = self.db.tenant(customer).await?;
        let outdated = stale(&tx, id).await?;
        tx.commit().await?;
        let renewed = match id {
            Some(_) if !outdated.is_empty() => {
                let texts: Vec<String> = outdated.iter().map(|(_, text)| text.clone()).collect();
                self.searcher.embed_query(Some(customer), &texts).await?
            }
            _ => None,
        };
        let tx = self.db.tenant(customer).await?;
        alone(&tx).await?;
        if let (Some(model), Some(renewed)) = (id, &renewed) {
            renew(&tx, model, &outdated, renewed).await?;
        }
        let mut leaders = leaders(&tx, id).await?;
        let last = new.last().map(|last| last.seen_at);
        let full = new.len() == TOGETHER;
        let mut made = Vec::new();
        for (n, (new, text)) in new.into_iter().zip(texts).enumerate() {
            let question = Question {
                language: detect(&text).map(|locale| locale.code().to_owned()),
                vector: vectors.as_ref().and_then(|vectors| vectors.get(n).cloned()),
                text,
            };
            let joins = cluster::nearest(leaders.iter().map(|leader| &leader.question), &question, scale);
            let gap = match joins {
                Some(at) => leaders[at].gap,
                None => make(&tx, &question).await?,
            };
            let added = join(&tx, gap, &new, &question, id.filter(|_| question.vector.is_some())).await?;
            done.questions += usize::from(added);
            if joins.is_none() {
                done.gaps += 1;
                made.push(gap);
                leaders.push(Leader { gap, question });
            } else if added && reopen(&tx, gap, new.asked_at).await? {
                done.reopened += 1;
            }
        }
        mark(&tx, last.filter(|_| full)).await?;
        bound(&tx).await?;
        notify::gaps_found(&tx, &made).await?;
        tx.commit().await
    }
}

/// The nearest pages, as they are kept.
pub(super) fn nearest(met: &Examined) -> Value {
    let pages = met.pages.iter().take(NEAREST);
    pages
        .map(|met| json!({ "page": met.page, "score": (met.score * 1000.0).round() / 1000.0 }))
        .collect()
}

/// One run of a customer's at a time changes its gaps.
async fn alone(tx: &TenantTx) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('gaps of ' || $1::text, 0))";
    tx.execute_raw(sql(LOCK, [tx.customer().into()])).await?;
    Ok(())
}

/// Forgets members whose visitor took the thumb back, and gaps without any.
async fn forget(tx: &TenantTx) -> Result<()> {
    const MEMBERS: &str = "
        DELETE FROM question_gap_members g USING messages m WHERE m.id = g.message_id AND g.customer_id = $1
          AND NOT m.refused AND m.feedback IS DISTINCT FROM 'down'";
    const GAPS: &str = "
        DELETE FROM question_gaps g WHERE g.customer_id = $1 AND NOT EXISTS (SELECT FROM question_gap_members m WHERE m.gap_id = g.id)";
    alone(tx).await?;
    tx.execute_raw(sql(MEMBERS, [tx.customer().into()])).await?;
    tx.execute_raw(sql(GAPS, [tx.customer().into()])).await?;
    Ok(())
}

/// Whether anything is searched: where nothing is, nothing can be missing from it yet.
async fn has_index(tx: &TenantTx) -> Result<bool> {
    const FIND: &str = "SELECT FROM page_embeddings WHERE customer_id = $1 AND published LIMIT 1";
    Ok(tx.query_one_raw(sql(FIND, [tx.customer().into()])).await?.is_some())
}

/// What is new since the customer was looked at last, oldest first.
async fn unanswered(tx: &TenantTx) -> Result<Vec<Unanswered>> {
    const FIND: &str = "
        WITH mark AS (SELECT coalesce((SELECT looked_at FROM learning_marks WHERE customer_id = $1), '-infinity'::timestamptz) AS at),
        found AS (
          SELECT m.id, m.conversation_id, m.refused, m.created_at, m.created_at AS seen_at FROM messages m, mark
          WHERE m.customer_id = $1 AND m.refused AND m.created_at > mark.at
          UNION ALL
          SELECT m.id, m.conversation_id, m.refused, m.created_at, m.feedback_at FROM messages m, mark
          WHERE m.customer_id = $1 AND m.feedback = 'down' AND NOT m.refused AND m.feedback_at > mark.at)
        SELECT f.id AS message, coalesce(r.standalone_question, asked.text) AS question, f.created_at AS asked_at, f.seen_at,
          CASE WHEN f.refused THEN 'refused' ELSE 'thumbs_down' END AS cause,
          (r.passages -> 0 ->> 'page')::uuid AS page_id, (r.passages -> 0 ->> 'page_version')::bigint AS page_version
        FROM found f JOIN answer_receipts r ON r.message_id = f.id CROSS JOIN LATERAL (
          SELECT q.text FROM messages q WHERE q.conversation_id = f.conversation_id AND q.role = 'visitor'
            AND (q.created_at, q.id) < (f.created_at, f.id) ORDER BY q.created_at DESC, q.id DESC LIMIT 1) asked
        WHERE r.model <> 'small_talk'
          AND NOT EXISTS (SELECT FROM question_gap_members g WHERE g.message_id = f.id)
        ORDER BY f.seen_at, f.id LIMIT $2";
    let values = [tx.customer().into(), (TOGETHER as i64).into()];
    Ok(Unanswered::find_by_statement(sql(FIND, values)).all(&**tx).await?)
}

/// Notes up to when the customer has been looked at: less a time in which a transaction that began before may still end.
async fn mark(tx: &TenantTx, up_to: Option<OffsetDateTime>) -> Result<()> {
    const MARK: &str = "
        INSERT INTO learning_marks AS l (customer_id, looked_at) VALUES ($1, coalesce($2::timestamptz, now()) - interval '5 minutes')
        ON CONFLICT (customer_id) DO UPDATE SET looked_at = greatest(l.looked_at, excluded.looked_at)";
    tx.execute_raw(sql(MARK, [tx.customer().into(), up_to.into()])).await?;
    Ok(())
}

/// The earliest member of each gap, with its vector if that is of `model`.
async fn leaders(tx: &TenantTx, model: Option<Uuid>) -> Result<Vec<Leader>> {
    const FIND: &str = "
        SELECT DISTINCT ON (g.id) g.id, g.language, m.question, CASE WHEN m.model_id = $2 THEN m.embedding::text END AS vector
        FROM question_gaps g JOIN question_gap_members m ON m.gap_id = g.id
        WHERE g.customer_id = $1 ORDER BY g.id, m.asked_at, m.message_id";
    let rows = tx
        .query_all_raw(sql(FIND, [tx.customer().into(), model.into()]))
        .await?;
    let mut leaders = Vec::with_capacity(rows.len());
    for row in rows {
        let vector: Option<String> = row.try_get("", "vector")?;
        leaders.push(Leader {
            gap: row.try_get("", "id")?,
            question: Question {
                language: row.try_get("", "language")?,
                text: row.try_get("", "question")?,
                vector: vector.as_deref().map(numbers),
            },
        });
    }
    Ok(leaders)
}

/// Reads pgvector's text form.
fn numbers(text: &str) -> Vec<f32> {
    let inner = text.trim_matches(['[', ']']);
    inner.split(',').filter_map(|number| number.parse().ok()).collect()
}

/// Leaders whose vectors are of another model, or were made without one.
async fn stale(tx: &TenantTx, model: Option<Uuid>) -> Result<Vec<(Uuid, String)>> {
    const FIND: &str = "
        SELECT message_id, question FROM (
          SELECT DISTINCT ON (m.gap_id) m.message_id, m.question, m.model_id FROM question_gap_members m
          WHERE m.customer_id = $1 ORDER BY m.gap_id, m.asked_at, m.message_id) leaders
        WHERE model_id IS DISTINCT FROM $2";
    let Some(model) = model else { return Ok(Vec::new()) };
    let rows = tx
        .query_all_raw(sql(FIND, [tx.customer().into(), model.into()]))
        .await?;
    let read = |row: &sea_orm::QueryResult| Ok((row.try_get("", "message_id")?, row.try_get("", "question")?));
    rows.iter().map(read).collect()
}

async fn renew(tx: &TenantTx, model: Uuid, stale: &[(Uuid, String)], vectors: &[Vec<f32>]) -> Result<()> {
    const RENEW: &str = "
        UPDATE question_gap_members m SET model_id = $2, embedding = n.vector::halfvec
        FROM jsonb_to_recordset($3) AS n (id uuid, vector text) WHERE m.message_id = n.id AND m.customer_id = $1";
    let rows = stale.iter().zip(vectors);
    let rows: Value = rows
        .map(|((id, _), vector)| json!({ "id": id, "vector": vector_text(vector) }))
        .collect();
    tx.execute_raw(sql(RENEW, [tx.customer().into(), model.into(), rows.into()]))
        .await?;
    Ok(())
}

/// A gap that is not asked yet.
async fn make(tx: &TenantTx, question: &Question) -> Result<Uuid> {
    const MAKE: &str = "INSERT INTO question_gaps (id, customer_id, language, checked_version) VALUES ($2, $1, $3, -1)";
    let id = ids::new_id();
    let values = [tx.customer().into(), id.into(), question.language.clone().into()];
    tx.execute_raw(sql(MAKE, values)).await?;
    Ok(id)
}

async fn join(tx: &TenantTx, gap: Uuid, new: &Unanswered, question: &Question, model: Option<Uuid>) -> Result<bool> {
    // The visitor may have been erased meanwhile.
    const JOIN: &str = "
        INSERT INTO question_gap_members (message_id, gap_id, customer_id, question, cause, asked_at, model_id, embedding, page_id, page_version)
        SELECT m.id, $3, $1, $4, $5, $6, $7, $8::halfvec, $9, $10 FROM messages m WHERE m.id = $2
        ON CONFLICT (message_id) DO NOTHING";
    let vector = question.vector.as_deref().filter(|_| model.is_some()).map(vector_text);
    let values = [
        tx.customer().into(),
        new.message.into(),
        gap.into(),
        question.text.clone().into(),
        new.cause.clone().into(),
        new.asked_at.into(),
        model.into(),
        vector.into(),
        new.page_id.into(),
        new.page_version.into(),
    ];
    Ok(tx.execute_raw(sql(JOIN, values)).await?.rows_affected() > 0)
}

/// Opens a gap again that was resolved before this was asked; whether it was.
async fn reopen(tx: &TenantTx, gap: Uuid, asked_at: OffsetDateTime) -> Result<bool> {
    const REOPEN: &str = "
        UPDATE question_gaps g SET state = 'open', resolved_by = NULL, resolved_at = NULL, checked_version = c.index_version
        FROM customer_configs c WHERE c.id = g.customer_id AND g.customer_id = $1 AND g.id = $2 AND g.state = 'resolved' AND g.resolved_at < $3";
    let values = [tx.customer().into(), gap.into(), asked_at.into()];
    Ok(tx.execute_raw(sql(REOPEN, values)).await?.rows_affected() > 0)
}

/// Drops gaps beyond what a customer has at most.
async fn bound(tx: &TenantTx) -> Result<()> {
    const BOUND: &str = "
        DELETE FROM question_gaps WHERE id IN (
          SELECT g.id FROM question_gaps g JOIN question_gap_members m ON m.gap_id = g.id WHERE g.customer_id = $1
          GROUP BY g.id ORDER BY count(*) DESC, max(m.asked_at) DESC, g.id DESC OFFSET $2)";
    tx.execute_raw(sql(BOUND, [tx.customer().into(), MOST.into()])).await?;
    Ok(())
}
