//! The numbers of blocks are those that the database computed before: rows of then and of now are counted together.
use domain::pages::blocks::numbers;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::Kit;

/// What `text_blocks(markdown)` was.
const TEXT_BLOCKS: &str = r"
    SELECT ARRAY(SELECT DISTINCT hashtextextended(lower(btrim(b, E' \n\t')), 0) AS block
      FROM unnest((string_to_array($1, E'\n\n'))[1:3000]) AS b
      WHERE left(b, 1) NOT IN ('', '#', ' ') AND length(b) >= 15 AND strpos(b, '```') = 0
        AND (b LIKE '% % %' OR octet_length(b) > 2 * length(b)) ORDER BY block) AS blocks";

#[tokio::test]
async fn a_block_has_the_number_that_the_database_gave_it() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let words = "We deliver to Ålesund, ΣΑΜΟΣ, İzmir and 東京都 for 49 kr within five working days ";
    // All lengths of the last part of what is hashed, with letters of one to four bytes at each place.
    let mut texts: Vec<String> = (0..words.chars().count())
        .map(|n| format!("{}{}", words, words.chars().take(n).collect::<String>()))
        .collect();
    texts.push(words.repeat(3000).replace("kr ", "kr\n\n"));
    texts.extend(
        [
            "",
            "\n\n\n\n",
            "# A heading that is long enough\n\nA label\n\n  indented by two\n\n\tindented by a tab \n\n\n",
            "```\nlet a = b c d;\n```\n\nA text with ``` in its middle\n\n当店では平日の午前九時から午後五時まで営業\n\nAB CD",
            "Fourteen chars\n\nFifteen  chars!\n\n a b c d e f g h i j",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let query = Statement::from_sql_and_values(DbBackend::Postgres, TEXT_BLOCKS, [text.clone().into()]);
        let row = tx.query_one_raw(query).await.unwrap().unwrap();
        let expected: Vec<i64> = row.try_get("", "blocks").unwrap();
        assert_eq!(
            numbers(&text),
            expected,
            "{:?}",
            text.chars().take(200).collect::<String>()
        );
    }
}
