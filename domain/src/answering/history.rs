//! What was said before: the last turns of one conversation, as much of them as is of use.
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// Turns that are remembered.
const TURNS: i64 = 6;
/// Characters of one turn, and of all.
const TURN: usize = 1200;
const ALL: usize = 4000;

/// One turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Turn {
    /// `visitor`, `assistant` or `human`.
    pub role: String,
    /// The text; its beginning where it is long.
    pub text: String,
    /// An answer that says that there is none.
    pub refused: bool,
    /// Of an answer: the question that it answers, by itself, where the visitor's words were not enough.
    pub standalone: Option<String>,
    /// Of an answer: the title of its first source.
    pub source: Option<String>,
    /// Of an answer: the heading of the section that it was made of.
    pub heading: Option<String>,
}

/// The last turns of a conversation of this customer, oldest first. Only the conversation may choose the index: a plan that went by
/// the customer's newest messages would read all of them for a conversation that has none among them.
pub async fn recent(tx: &TenantTx, conversation: Uuid) -> Result<Vec<Turn>> {
    const FIND: &str = "
        SELECT m.role, left(m.text, $3) AS text, m.refused, r.standalone_question AS standalone, m.sources -> 0 ->> 'title' AS source,
          (SELECT e.heading_path FROM jsonb_array_elements(r.passages) WITH ORDINALITY AS used (passage, n)
           JOIN page_embeddings e ON e.id = (used.passage ->> 'chunk')::uuid
           JOIN scraped_pages p ON p.id = e.page_id AND p.url = m.sources -> 0 ->> 'url'
           ORDER BY used.n LIMIT 1) AS heading
        FROM (SELECT * FROM messages WHERE conversation_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2) m
        LEFT JOIN answer_receipts r ON r.message_id = m.id
        ORDER BY m.created_at DESC, m.id DESC";
    let values = [conversation.into(), TURNS.into(), (TURN as i32 + 1).into()];
    let newest_first = Turn::find_by_statement(sql(FIND, values)).all(&**tx).await?;
    let mut turns = bounded(newest_first);
    turns.reverse();
    Ok(turns)
}

/// The newest turns that fit, the first of `turns` being the newest.
fn bounded(turns: Vec<Turn>) -> Vec<Turn> {
    let mut left = ALL;
    let mut kept = Vec::new();
    for mut turn in turns {
        if turn.text.chars().count() > TURN {
            turn.text = turn.text.chars().take(TURN).chain(['…']).collect();
        }
        let length = turn.text.chars().count();
        if length > left {
            break;
        }
        left -= length;
        kept.push(turn);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_conversation_is_remembered_as_far_as_it_fits() {
        let turn = |text: String| Turn {
            text,
            ..Turn::default()
        };
        let long = "ä".repeat(TURN + 1);
        let kept = bounded(vec![
            turn("newest".into()),
            turn(long.clone()),
            turn(long.clone()),
            turn(long.clone()),
            turn(long),
        ]);
        assert_eq!(kept[0].text, "newest");
        assert_eq!(kept[1].text.chars().count(), TURN + 1);
        assert!(kept[1].text.ends_with('…'));
        let all: usize = kept.iter().map(|t| t.text.chars().count()).sum();
        assert!(kept.len() == 4 && all <= ALL, "{} turns, {all} characters", kept.len());
    }
}
