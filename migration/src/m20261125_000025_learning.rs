//! What a customer's site is measured by and what it lacks: golden questions with their runs, and questions that got no answer,
//! gathered into gaps; and chunks of a crawl that wait until its golden questions have been asked.
//!
//! `staged_pages` and `staged_chunks` hold what a crawl will show: `version`, `repeats`, `structured_hash` and `navigational` are
//! what a page's staged chunks were made of. They are tables of their own, so that a search reads nothing of them, and a vector
//! enters the index only when it is shown. `shown_title` is what answers call a page until its new title is shown, `shown_by`
//! the former twin whose chunks still speak for it. Of structured
//! data, answers read what is `shown`, the indexer what is `latest`.
//!
//! A gap has no text of its own: its question is that of its earliest member, so that it goes with the messages that it is of.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const STAGING: &str = "
ALTER TABLE scrape_jobs ADD COLUMN staged boolean;
ALTER TABLE scraped_pages ADD COLUMN shown_title text, ADD COLUMN shown_by uuid;
ALTER TABLE structured_extractions
  ADD COLUMN shown boolean NOT NULL DEFAULT true,
  ADD COLUMN latest boolean NOT NULL DEFAULT true,
  ADD CONSTRAINT structured_extractions_edition CHECK (shown OR latest);
CREATE INDEX idx_structured_extractions_waiting ON structured_extractions (customer_id, page_id) WHERE NOT (shown AND latest);
CREATE TABLE staged_pages (
  page_id uuid PRIMARY KEY REFERENCES scraped_pages ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  job_id uuid NOT NULL,
  version bigint NOT NULL,
  repeats bigint[] NOT NULL,
  structured_hash bytea,
  navigational boolean NOT NULL
);
CREATE INDEX idx_staged_pages_job ON staged_pages (customer_id, job_id);
CREATE TABLE staged_chunks (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  job_id uuid NOT NULL,
  page_id uuid NOT NULL REFERENCES staged_pages ON DELETE CASCADE,
  ordinal integer NOT NULL,
  heading_path text NOT NULL,
  text text NOT NULL,
  text_hash bytea NOT NULL,
  tokens integer NOT NULL,
  model_id uuid REFERENCES embedding_models,
  embedding halfvec,
  config text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('content', 'faq', 'product')),
  words sparsevec NOT NULL GENERATED ALWAYS AS (word_counts(config, heading_path, text)) STORED,
  word_total integer NOT NULL GENERATED ALWAYS AS (word_total(config, text)) STORED,
  CONSTRAINT staged_chunks_ordinal_key UNIQUE (page_id, ordinal),
  CONSTRAINT staged_chunks_vector_has_model CHECK ((embedding IS NULL) = (model_id IS NULL))
);
CREATE INDEX idx_staged_chunks_job ON staged_chunks (customer_id, job_id);
CREATE INDEX idx_staged_chunks_input ON staged_chunks (customer_id, text_hash);
";

const LEARNING: &str = "
CREATE TABLE golden_questions (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  question text NOT NULL,
  urls text[] NOT NULL CHECK (cardinality(urls) > 0),
  phrases text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT golden_questions_question_key UNIQUE (customer_id, question)
);
CREATE TABLE golden_runs (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  cause text NOT NULL CHECK (cause IN ('asked', 'crawl', 'change')),
  job_id uuid,
  staged boolean NOT NULL,
  published boolean NOT NULL,
  index_version bigint NOT NULL,
  fingerprint text NOT NULL,
  questions integer NOT NULL,
  passed integer NOT NULL,
  recall_1 double precision NOT NULL,
  recall_5 double precision NOT NULL,
  mrr double precision NOT NULL,
  lost jsonb NOT NULL DEFAULT '[]',
  results jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_golden_runs_customer ON golden_runs (customer_id, id DESC);
CREATE TABLE question_gaps (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  language text,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'ignored')),
  nearest jsonb NOT NULL DEFAULT '[]',
  resolved_by uuid REFERENCES scraped_pages ON DELETE SET NULL,
  resolved_at timestamptz,
  checked_version bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_question_gaps_customer ON question_gaps (customer_id, state);
CREATE INDEX idx_question_gaps_resolved ON question_gaps (resolved_by) WHERE resolved_by IS NOT NULL;
CREATE TABLE question_gap_members (
  message_id uuid PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
  gap_id uuid NOT NULL REFERENCES question_gaps ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  question text NOT NULL,
  cause text NOT NULL CHECK (cause IN ('refused', 'thumbs_down')),
  asked_at timestamptz NOT NULL,
  model_id uuid REFERENCES embedding_models,
  embedding halfvec,
  page_id uuid,
  page_version bigint
);
CREATE INDEX idx_question_gap_members_gap ON question_gap_members (gap_id, asked_at, message_id);
CREATE INDEX idx_question_gap_members_customer ON question_gap_members (customer_id);
CREATE TABLE learning_marks (
  customer_id uuid PRIMARY KEY REFERENCES customer_configs ON DELETE CASCADE,
  looked_at timestamptz NOT NULL
);
CREATE INDEX idx_messages_refused ON messages (customer_id, created_at) WHERE refused;
CREATE INDEX idx_messages_thumbs_down ON messages (customer_id, feedback_at) WHERE feedback = 'down';
";

const TABLES: [&str; 7] = [
    "learning_marks",
    "question_gap_members",
    "question_gaps",
    "golden_runs",
    "golden_questions",
    "staged_chunks",
    "staged_pages",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, STAGING).await?;
        run(manager, LEARNING).await?;
        for table in TABLES {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What was never shown goes with the tables that knew of it; the next crawl finds those pages waiting.
        const BACK: &str = "
            DROP INDEX idx_messages_thumbs_down, idx_messages_refused;
            ALTER TABLE structured_extractions NO FORCE ROW LEVEL SECURITY;
            DELETE FROM structured_extractions WHERE NOT latest;
            ALTER TABLE structured_extractions FORCE ROW LEVEL SECURITY;
            ALTER TABLE structured_extractions DROP COLUMN shown, DROP COLUMN latest;
            ALTER TABLE scraped_pages DROP COLUMN shown_title, DROP COLUMN shown_by;
            ALTER TABLE scrape_jobs DROP COLUMN staged;";
        drop_all(manager, &TABLES).await?;
        run(manager, BACK).await
    }
}
