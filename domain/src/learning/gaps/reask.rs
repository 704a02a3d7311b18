//! Asking the questions of gaps again, when the index has changed: what the site answers now is no gap any more.
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    ByGap,
    gather::{Gathered, Gatherer, nearest},
};
use crate::{
    Result,
    answering::Examined,
    tenancy::{Customer, TenantTx, sql},
};

/// Gaps that one run asks again, those asked most often first; the others wait for the next.
const GAPS: i64 = 200;
/// Different questions of a gap that are asked: its earliest and its last.
const ASKED: i64 = 3;

/// A question of a gap, and what it rested on when it got no good answer.
#[derive(Clone, Debug, FromQueryResult)]
struct Member {
    gap_id: Uuid,
    state: String,
    question: String,
    page_id: Option<Uuid>,
    page_version: Option<i64>,
}

impl Gatherer {
    /// Asks the gaps' questions of the index as it is now. Most of a gap's questions have to be answered for the gap to be resolved, each
    /// from another page than the one that was nearest when it got no good answer, or another version of it. A resolved gap of whose
    /// questions most are refused again is open again.
    pub(super) async fn ask_again(&self, customer: &Customer, done: &mut Gathered) -> Result<()> {
        let tx = self.db.tenant(customer).await?;
        let version = version(&tx).await?;
        let gaps = waiting(&tx, version).await?;
        tx.commit().await?;
        for (gap, members) in gaps {
            let mut answered: Vec<Uuid> = Vec::new();
            let mut refused = 0;
            let mut first: Option<Examined> = None;
            for member in &members {
                let met = self.answerer.examine_answer(customer, &member.question).await?;
                refused += usize::from(met.refusal.is_some());
                answered.extend(member.answered_by(&met));
                first.get_or_insert(met);
            }
            let (Some(first), Some(member)) = (first, members.first()) else {
                continue;
            };
            let by = (2 * answered.len() > members.len()).then(|| most(&answered)).flatten();
            let gone = member.state == "resolved" && 2 * refused > members.len();
            let tx = self.db.tenant(customer).await?;
            match settle(&tx, gap, version, by, gone, &first).await? {
                Some("resolved") if member.state == "open" => done.resolved += 1,
                Some("open") if member.state == "resolved" => done.reopened += 1,
                _ => {}
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

impl Member {
    /// The page that answers it now.
    fn answered_by(&self, met: &Examined) -> Option<Uuid> {
        let page = met.pages.first().filter(|_| met.refusal.is_none())?;
        let before = self.page_id.zip(self.page_version);
        (before != Some((page.page, page.version))).then_some(page.page)
    }
}

/// The page that answers most of them; of several, the one that came first.
fn most(pages: &[Uuid]) -> Option<Uuid> {
    let mut counted: HashMap<Uuid, usize> = HashMap::new();
    for page in pages {
        *counted.entry(*page).or_default() += 1;
    }
    let count = counted.values().copied().max()?;
    pages.iter().copied().find(|page| counted.get(page) == Some(&count))
}

async fn version(tx: &TenantTx) -> Result<i64> {
    let find = "SELECT index_version FROM customer_configs WHERE id = $1";
    let row = tx.query_one_raw(sql(find, [tx.customer().into()])).await?;
    Ok(row
        .map(|row| row.try_get("", "index_version"))
        .transpose()?
        .unwrap_or_default())
}

/// Gaps that were not asked of this version yet, with the questions to ask.
async fn waiting(tx: &TenantTx, version: i64) -> Result<ByGap<Member>> {
    const FIND: &str = "
        WITH gaps AS (
          SELECT g.id, g.state FROM question_gaps g JOIN question_gap_members m ON m.gap_id = g.id
          WHERE g.customer_id = $1 AND g.state IN ('open', 'resolved') AND g.checked_version < $2
          GROUP BY g.id ORDER BY g.state = 'open' DESC, count(*) DESC, g.id LIMIT $3)
        SELECT g.id AS gap_id, g.state, m.question, m.page_id, m.page_version
        FROM gaps g CROSS JOIN LATERAL (
          SELECT d.* FROM (
            SELECT e.*, row_number() OVER (ORDER BY e.asked_at, e.message_id) AS place, row_number() OVER (ORDER BY e.asked_at DESC, e.message_id DESC) AS back
            FROM (SELECT DISTINCT ON (q.question) q.* FROM question_gap_members q WHERE q.gap_id = g.id ORDER BY q.question, q.asked_at DESC, q.message_id DESC) e) d
          WHERE d.place = 1 OR d.back < $4 ORDER BY d.place) m
        ORDER BY g.id, m.place";
    let values = [tx.customer().into(), version.into(), GAPS.into(), ASKED.into()];
    let mut gaps: ByGap<Member> = HashMap::new();
    for member in Member::find_by_statement(sql(FIND, values)).all(&**tx).await? {
        gaps.entry(member.gap_id).or_default().push(member);
    }
    Ok(gaps)
}

/// Notes what came of it, unless somebody has set the gap aside meanwhile; returns how it stands.
async fn settle(
    tx: &TenantTx,
    gap: Uuid,
    version: i64,
    by: Option<Uuid>,
    gone: bool,
    first: &Examined,
) -> Result<Option<&'static str>> {
    const SETTLE: &str = "
        UPDATE question_gaps SET checked_version = $3, nearest = $4,
          state = CASE WHEN $5::uuid IS NOT NULL THEN 'resolved' WHEN $6 THEN 'open' ELSE state END,
          resolved_by = CASE WHEN $5::uuid IS NOT NULL THEN $5::uuid WHEN $6 THEN NULL ELSE resolved_by END,
          resolved_at = CASE WHEN $5::uuid IS NOT NULL THEN coalesce(resolved_at, now()) WHEN $6 THEN NULL ELSE resolved_at END
        WHERE customer_id = $1 AND id = $2 AND state IN ('open', 'resolved') RETURNING state";
    let values = [
        tx.customer().into(),
        gap.into(),
        version.into(),
        nearest(first).into(),
        by.into(),
        gone.into(),
    ];
    let row = tx.query_one_raw(sql(SETTLE, values)).await?;
    let state: Option<String> = row.map(|row| row.try_get("", "state")).transpose()?;
    Ok(match state.as_deref() {
        Some("resolved") => Some("resolved"),
        Some("open") => Some("open"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::{Met, Refusal};

    fn met(page: u128, version: i64, refusal: Option<Refusal>) -> Examined {
        Examined {
            pages: vec![Met {
                page: Uuid::from_u128(page),
                version,
                url: String::new(),
                title: String::new(),
                score: 1.0,
            }],
            refusal,
            text: String::new(),
        }
    }

    fn member(before: Option<(u128, i64)>) -> Member {
        Member {
            gap_id: Uuid::nil(),
            state: "open".into(),
            question: "Do you ship to Norway?".into(),
            page_id: before.map(|(page, _)| Uuid::from_u128(page)),
            page_version: before.map(|(_, version)| version),
        }
    }

    #[test]
    fn a_bad_answer_is_mended_by_another_page_or_another_version_only() {
        let (nothing, disliked) = (member(None), member(Some((1, 4))));
        assert_eq!(nothing.answered_by(&met(1, 4, None)), Some(Uuid::from_u128(1)));
        assert_eq!(disliked.answered_by(&met(1, 4, None)), None);
        assert_eq!(disliked.answered_by(&met(1, 5, None)), Some(Uuid::from_u128(1)));
        assert_eq!(disliked.answered_by(&met(2, 4, None)), Some(Uuid::from_u128(2)));
        assert_eq!(disliked.answered_by(&met(2, 4, Some(Refusal::NotAnswered))), None);
    }

    #[test]
    fn the_page_that_answers_most_is_named() {
        let id = Uuid::from_u128;
        assert_eq!(most(&[id(1), id(2), id(2)]), Some(id(2)));
        assert_eq!(most(&[id(3), id(2)]), Some(id(3)));
        assert_eq!(most(&[]), None);
    }
}
