//! Passages with what stands around them, for a reader that has to understand them: a long section was cut where it was full, not
//! where a thought ends.
use sea_orm::FromQueryResult;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::{Kind, Passage, Searcher};
use crate::{
    Result,
    tenancy::{Customer, sql},
};

/// Passages that are completed: the best ones.
const COMPLETED: usize = 4;

/// A chunk beside a passage, of the same section.
#[derive(Debug, FromQueryResult)]
struct Neighbour {
    page_id: Uuid,
    ordinal: i32,
    text: String,
}

impl Searcher {
    /// The passages in their order, the best of them with the chunk before and the chunk after in the same section; what has come with a
    /// better one doesn't come again.
    pub async fn in_context(&self, customer: &Customer, passages: &[Passage]) -> Result<Vec<Passage>> {
        const BESIDE: &str = "
            SELECT c.page_id, c.ordinal, c.text FROM page_embeddings c JOIN unnest($2::uuid[], $3::int[], $4::text[]) AS p (page, ordinal, heading)
              ON c.page_id = p.page AND c.ordinal IN (p.ordinal - 1, p.ordinal + 1) AND c.heading_path = p.heading
            WHERE c.customer_id = $1 AND c.published AND c.kind = 'content'";
        let best = parts(passages);
        if best.is_empty() {
            return Ok(passages.to_vec());
        }
        let values = [
            customer.id.into(),
            best.iter().map(|p| p.page).collect::<Vec<_>>().into(),
            best.iter().map(|p| p.ordinal).collect::<Vec<_>>().into(),
            best.iter().map(|p| p.heading_path.clone()).collect::<Vec<_>>().into(),
        ];
        let tx = self.db().tenant(customer).await?;
        let rows = Neighbour::find_by_statement(sql(BESIDE, values)).all(&*tx).await?;
        Ok(joined(passages, rows))
    }
}

/// The best passages that are not their whole section: something stands beside them.
fn parts(passages: &[Passage]) -> Vec<&Passage> {
    let best = passages.iter().take(COMPLETED);
    best.filter(|p| p.kind == Kind::Content && p.section != 1).collect()
}

fn joined(passages: &[Passage], neighbours: Vec<Neighbour>) -> Vec<Passage> {
    let texts: HashMap<(Uuid, i32), String> = neighbours
        .into_iter()
        .map(|n| ((n.page_id, n.ordinal), n.text))
        .collect();
    let mut told: HashSet<(Uuid, i32)> = HashSet::new();
    let mut out = Vec::with_capacity(passages.len());
    for (at, passage) in passages.iter().enumerate() {
        if !told.insert((passage.page, passage.ordinal)) {
            continue;
        }
        let mut beside = |ordinal: i32| {
            let wanted = at < COMPLETED && passage.kind == Kind::Content;
            let text = texts.get(&(passage.page, ordinal)).filter(|_| wanted)?;
            told.insert((passage.page, ordinal)).then_some(text.as_str())
        };
        let (before, after) = (beside(passage.ordinal - 1), beside(passage.ordinal + 1));
        let parts: Vec<&str> = [before, Some(passage.text.as_str()), after]
            .into_iter()
            .flatten()
            .collect();
        out.push(Passage {
            text: parts.join("\n\n"),
            ..passage.clone()
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_section_has_nothing_beside_it() {
        let of = |ordinal: i32, section: i32| Passage {
            ordinal,
            section,
            ..Passage::default()
        };
        let passages = [of(0, 1), of(1, 2), of(2, 0), of(3, 1), of(4, 9)];
        let ordinals: Vec<i32> = parts(&passages).iter().map(|p| p.ordinal).collect();
        assert_eq!(ordinals, [1, 2], "the best four, also where nobody has counted");
    }

    #[test]
    fn a_passage_comes_with_its_neighbours_and_nothing_comes_twice() {
        let of = |page: u128, ordinal: i32| Passage {
            page: Uuid::from_u128(page),
            ordinal,
            text: format!("{page}.{ordinal}"),
            ..Passage::default()
        };
        let beside = |page: u128, ordinal: i32| Neighbour {
            page_id: Uuid::from_u128(page),
            ordinal,
            text: format!("{page}.{ordinal}"),
        };
        let passages = [of(1, 5), of(1, 6), of(2, 1), of(1, 8), of(3, 0)];
        let found = joined(
            &passages,
            vec![beside(1, 4), beside(1, 6), beside(1, 7), beside(2, 2), beside(3, 1)],
        );
        let texts: Vec<&str> = found.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(texts, ["1.4\n\n1.5\n\n1.6", "2.1\n\n2.2", "1.7\n\n1.8", "3.0"]);
    }
}
