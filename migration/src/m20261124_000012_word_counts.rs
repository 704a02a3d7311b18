//! How often each chunk has which words, for BM25; which language its words are in; and what a chunk was made of.
//!
//! `words` takes the place of a `tsvector` and its GIN index: row-level security keeps an operator like `@@` from being looked up in
//! an index, so that every search read all `tsvector`s of a customer and ranked them one by one. A `sparsevec` is half as long, and one
//! inner product with a question's words says how often a chunk has each of them (`domain::retrieval::words`).
//!
//! The number of a word depends on its spelling alone. A word's entry is how often the text has it, at most 7, and 8 more if the
//! heading path has it; `word_total` is how many words the text has. Vectors and words stay within their rows (`STORAGE MAIN`), since a search reads both of each chunk.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// They are bound to the objects that they name when they are made, so that a restored backup finds them whatever its search path.
const FUNCTIONS: &str = "
CREATE FUNCTION word_number(word text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (1 + (hashtextextended(word, 0) & 536870911))::integer;
CREATE FUNCTION word_counts(config text, heading text, body text) RETURNS sparsevec LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (SELECT ('{' || coalesce(string_agg(number || ':' || n, ','), '') || '}/536870912')::sparsevec FROM (
    SELECT word_number(lexeme) AS number, least(sum(in_text), 7) + 8 * max(in_heading) AS n FROM (
      SELECT lexeme, 0 AS in_text, 1 AS in_heading FROM unnest(to_tsvector(config::regconfig, heading))
      UNION ALL SELECT lexeme, cardinality(positions), 0 FROM unnest(to_tsvector(config::regconfig, body))) words
    GROUP BY 1) numbered);
CREATE FUNCTION word_total(config text, body text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (SELECT coalesce(sum(cardinality(positions)), 0)::integer FROM unnest(to_tsvector(config::regconfig, body)));
";

/// The owner of tables sees rows only where row-level security isn't forced on it.
const COLUMNS: &str = "
ALTER TABLE page_embeddings
  ADD COLUMN config text NOT NULL DEFAULT 'english',
  ADD COLUMN kind text NOT NULL DEFAULT 'content' CHECK (kind IN ('content', 'faq', 'product'));
ALTER TABLE page_embeddings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE scraped_pages NO FORCE ROW LEVEL SECURITY;
UPDATE page_embeddings c SET config = l.config FROM scraped_pages p JOIN (VALUES ('de', 'german'), ('fr', 'french'), ('es', 'spanish'),
    ('it', 'italian'), ('pt', 'portuguese'), ('nl', 'dutch'), ('sv', 'swedish'), ('da', 'danish'), ('no', 'norwegian'), ('nb', 'norwegian'),
    ('nn', 'norwegian'), ('fi', 'finnish'), ('ru', 'russian'), ('hu', 'hungarian'), ('ro', 'romanian'), ('tr', 'turkish')) l (code, config)
    ON l.code = left(p.language, 2) WHERE p.id = c.page_id;
UPDATE page_embeddings c SET config = 'simple' FROM scraped_pages p
  WHERE p.id = c.page_id AND c.config = 'english' AND left(p.language, 2) <> 'en';
ALTER TABLE page_embeddings FORCE ROW LEVEL SECURITY;
ALTER TABLE scraped_pages FORCE ROW LEVEL SECURITY;
ALTER TABLE page_embeddings
  DROP COLUMN lexical,
  ADD COLUMN words sparsevec NOT NULL GENERATED ALWAYS AS (word_counts(config, heading_path, text)) STORED,
  ADD COLUMN word_total integer NOT NULL GENERATED ALWAYS AS (word_total(config, text)) STORED,
  ALTER COLUMN words SET STORAGE MAIN,
  ALTER COLUMN embedding SET STORAGE MAIN;
CREATE INDEX idx_page_embeddings_config ON page_embeddings (customer_id, config);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, FUNCTIONS).await?;
        run(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const BACK: &str = "
            DROP INDEX idx_page_embeddings_config;
            ALTER TABLE page_embeddings NO FORCE ROW LEVEL SECURITY;
            ALTER TABLE page_embeddings ADD COLUMN lexical tsvector;
            UPDATE page_embeddings SET lexical = to_tsvector(config::regconfig, heading_path || E'\\n' || text);
            DELETE FROM page_embeddings WHERE kind <> 'content';
            ALTER TABLE page_embeddings FORCE ROW LEVEL SECURITY;
            ALTER TABLE page_embeddings ALTER COLUMN lexical SET NOT NULL, DROP COLUMN words, DROP COLUMN word_total, DROP COLUMN config, DROP COLUMN kind,
              ALTER COLUMN embedding SET STORAGE EXTERNAL;
            CREATE INDEX idx_content_search ON page_embeddings USING gin (lexical);
            DROP FUNCTION word_counts(text, text, text);
            DROP FUNCTION word_total(text, text);
            DROP FUNCTION word_number(text);";
        run(manager, BACK).await
    }
}
