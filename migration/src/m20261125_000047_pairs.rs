//! Words of scripts that write none apart: each two neighbours of a run of Han, katakana or hangul are a word of their own, in texts and in
//! questions, and a sign that stands alone is one. Hiragana, which mostly writes endings and little words, separates them.
//!
//! Before, such a run was one word up to the next punctuation mark, so that hardly any question had a word of any text.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Katakana with its long mark, Han, hangul, and their forms of other widths.
const SIGN: &str =
    r"\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff";

/// `paired` marks the places between words by U+0001, which no text has: first the pairs from each run's first sign on, then those from its
/// second. A sign that is left over was part of a pair of the other half, unless it is its whole run.
const FUNCTIONS: &str = r"
CREATE FUNCTION paired(body text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN CASE WHEN octet_length(body) = length(body) OR body !~ '[{sign}]' THEN body ELSE
    translate(
      regexp_replace(regexp_replace(translate(regexp_replace(body, '[\u3041-\u309f]+', ' ', 'g'), E'\x01', ' '),
        '([{sign}])([{sign}])', E'\x01\\1\\2\x01', 'g'), E'\x01[{sign}](?![{sign}])', E'\x01', 'g')
      || ' ' ||
      regexp_replace(regexp_replace(regexp_replace(regexp_replace(body, '[^{sign}]+', ' ', 'g'), '(^| )[{sign}]', E'\x01', 'g'),
        '([{sign}])([{sign}])', E'\x01\\1\\2\x01', 'g'), E'\x01[{sign}](?![{sign}])', E'\x01', 'g'),
      E'\x01', ' ') END;
";

/// As the step that made them, of `{paired}` texts.
const COUNTS: &str = "
CREATE OR REPLACE FUNCTION word_counts(config text, heading text, body text) RETURNS sparsevec LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (SELECT ('{' || coalesce(string_agg(number || ':' || n, ','), '') || '}/536870912')::sparsevec FROM (
    SELECT word_number(lexeme) AS number, least(sum(in_text), 7) + 8 * max(in_heading) AS n FROM (
      SELECT lexeme, 0 AS in_text, 1 AS in_heading FROM unnest(to_tsvector(config::regconfig, {paired}(heading)))
      UNION ALL SELECT lexeme, cardinality(positions), 0 FROM unnest(to_tsvector(config::regconfig, {paired}(body)))) words
    GROUP BY 1) numbered);
CREATE OR REPLACE FUNCTION word_total(config text, body text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (SELECT coalesce(sum(cardinality(positions)), 0)::integer FROM unnest(to_tsvector(config::regconfig, {paired}(body))));
";

/// What is stored is counted anew where it changes. The owner of tables sees rows only where row-level security isn't forced on it.
const AGAIN: &str = r"
ALTER TABLE page_embeddings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE staged_chunks NO FORCE ROW LEVEL SECURITY;
UPDATE page_embeddings SET text = text WHERE text ~ '[{sign}]' OR heading_path ~ '[{sign}]';
UPDATE staged_chunks SET text = text WHERE text ~ '[{sign}]' OR heading_path ~ '[{sign}]';
ALTER TABLE page_embeddings FORCE ROW LEVEL SECURITY;
ALTER TABLE staged_chunks FORCE ROW LEVEL SECURITY;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &FUNCTIONS.replace("{sign}", SIGN)).await?;
        run(manager, &COUNTS.replace("{paired}", "paired")).await?;
        run(manager, &AGAIN.replace("{sign}", SIGN)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &COUNTS.replace("{paired}", "")).await?;
        run(manager, &AGAIN.replace("{sign}", SIGN)).await?;
        run(manager, "DROP FUNCTION paired(text)").await
    }
}
