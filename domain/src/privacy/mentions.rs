//! Addresses that stand in texts: a visitor may type one into the chat, or quote somebody else's. Where a person is forgotten by
//! address, the address goes from the texts of all others, and the rest of those texts stays theirs.
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{map::tables, spots};
use crate::{
    Error, Result,
    tenancy::{TenantTx, sql},
};

/// What stands in the place of an address.
const GONE: &str = "[erased]";
/// Texts of one look.
const PAGE: i64 = 500;
/// More texts than this are looked through by a job.
const AT_ONCE: i64 = 20_000;

/// The text without those addresses that `whose` knows by their key; none if there are none.
pub(super) fn without(text: &str, whose: &(impl Fn(&str) -> bool + ?Sized)) -> Option<String> {
    let (mut left, mut taken) = (String::new(), 0);
    while let Some(found) = spots::next(text, taken, whose) {
        left.push_str(text.get(taken..found.start)?);
        left.push_str(GONE);
        taken = found.end;
    }
    if taken == 0 {
        return None;
    }
    left.push_str(text.get(taken..)?);
    Some(left)
}

/// A text that mentions a person.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    pub table: &'static str,
    pub column: &'static str,
    pub key: &'static str,
    pub row: Uuid,
    pub text: String,
    pub without: String,
}

/// The customer's texts that have an address in them that `whose` knows, given the row's id. `LIKE` leaves few of them to be read.
pub(super) async fn find(tx: &TenantTx, whose: &(impl Fn(&str, Uuid) -> bool + Sync + ?Sized)) -> Result<Vec<Mention>> {
    let mut mentions = Vec::new();
    for table in tables() {
        let Some((key, columns)) = table.words() else { continue };
        for column in columns {
            let look = format!(
                "SELECT {key} AS row, {column} AS text FROM {} WHERE customer_id = $1 AND {key} > $2
                   AND ({column} LIKE '%@%' OR {column} LIKE '%＠%' OR {column} LIKE '%﹫%' OR {column} LIKE '%\\%40%') ORDER BY {key} LIMIT $3",
                table.name
            );
            let mut after = Uuid::nil();
            loop {
                let rows = tx
                    .query_all_raw(sql(&look, [tx.customer().into(), after.into(), PAGE.into()]))
                    .await?;
                for row in &rows {
                    after = row.try_get("", "row")?;
                    let text: String = row.try_get("", "text")?;
                    if let Some(without) = without(&text, &|address: &str| whose(address, after)) {
                        let table = table.name;
                        mentions.push(Mention {
                            table,
                            column,
                            key,
                            row: after,
                            text,
                            without,
                        });
                    }
                }
                if rows.len() < PAGE as usize {
                    break;
                }
            }
        }
    }
    Ok(mentions)
}

/// Whether the customer has more texts than somebody who waits should wait for.
pub(super) async fn many(tx: &TenantTx) -> Result<bool> {
    for table in tables().filter(|table| table.words().is_some()) {
        let count = format!(
            "SELECT count(*) AS n FROM (SELECT 1 FROM {} WHERE customer_id = $1 LIMIT $2) AS texts",
            table.name
        );
        let values = [tx.customer().into(), (AT_ONCE + 1).into()];
        let row = tx.query_one_raw(sql(&count, values)).await?;
        let n: Option<i64> = row.map(|row| row.try_get("", "n")).transpose()?;
        if n.is_some_and(|n| n > AT_ONCE) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the addresses out of these texts; returns how many texts have changed.
pub(super) async fn redact(tx: &TenantTx, mentions: &[Mention]) -> Result<u64> {
    let mut changed = 0;
    for Mention {
        table,
        column,
        key,
        row,
        text,
        without,
    } in mentions
    {
        let update =
            format!("UPDATE {table} SET {column} = $3 WHERE customer_id = $1 AND {key} = $2 AND {column} = $4");
        let values = [
            tx.customer().into(),
            (*row).into(),
            without.as_str().into(),
            text.as_str().into(),
        ];
        let done = tx.execute_raw(sql(&update, values)).await.map_err(Error::from)?;
        changed += done.rows_affected();
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_from_a_text_in_every_form_and_nothing_else_does() {
        let ada = |key: &str| key == "ada@mail.example";
        for (text, left) in [
            ("Write to ada@mail.example.", "Write to [erased]."),
            ("ADA@Mail.Example, please", "[erased], please"),
            ("<ada＠mail.example>", "<[erased]>"),
            ("(ada@mail.example)", "([erased])"),
            ("mailto:ada@mail.example?subject=x", "mailto:[erased]?subject=x"),
            ("**ada@mail.example**", "**[erased]**"),
            (
                "„ada@mail.example“ or bob@mail.example",
                "„[erased]“ or bob@mail.example",
            ),
            ("'ada@mail.example'", "'[erased]'"),
            ("ada@mail.example ada@mail.example!", "[erased] [erased]!"),
            // No space and no bracket around it.
            ("请联系ada@mail.example谢谢", "请联系[erased]谢谢"),
            ("пишитеada@mail.exampleспасибо", "пишите[erased]спасибо"),
            ("请联系ada@mail.example。谢谢", "请联系[erased]。谢谢"),
            (
                "https://shop.example/unsub?email=ada@mail.example&x=1",
                "https://shop.example/unsub?email=[erased]&x=1",
            ),
            ("?to=ada%40mail.example&x=1", "?to=[erased]&x=1"),
            ("mail=ada@mail.example", "mail=[erased]"),
            ("ada@mail.example-", "[erased]-"),
            ("ada@mail.example...", "[erased]..."),
            ("~~ada@mail.example~~", "~~[erased]~~"),
            ("_ada@mail.example_", "_[erased]_"),
            ("ada@mail.example😀", "[erased]😀"),
            ("😀ada@mail.example", "😀[erased]"),
        ] {
            assert_eq!(without(text, &ada).as_deref(), Some(left), "{text}");
        }
        assert_eq!(
            without("Ask o'neil@shop.example", &|key: &str| key == "o'neil@shop.example").unwrap(),
            "Ask [erased]"
        );
        for text in [
            "ada+shop@mail.example",
            "wada@mail.example",
            "ada@mail.example.org",
            "ada@mail.example-shop.org",
            "not-ada@mail.example",
            "j.ada@mail.example",
            "müada@mail.example",
            "ada@mail.examples",
            "ada at mail.example",
            "@ada @mail.example",
            "",
        ] {
            assert_eq!(without(text, &ada), None, "{text}");
        }
    }
}
