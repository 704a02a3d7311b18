//! Crawled pages, their chunks with embeddings and lexical vectors, and structured data found in them.
use crate::tables::{drop_all, protect, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE scraped_pages (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  url text NOT NULL,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  canonical text,
  title text NOT NULL,
  language text,
  markdown text NOT NULL,
  content_hash bytea NOT NULL,
  etag text,
  last_modified text,
  status integer NOT NULL,
  gone_count integer NOT NULL DEFAULT 0,
  tombstoned_at timestamptz,
  fetched_at timestamptz NOT NULL,
  version bigint NOT NULL DEFAULT 1,
  indexed_version bigint NOT NULL DEFAULT 0,
  CONSTRAINT scraped_pages_url_key UNIQUE (customer_id, url_hash)
);
CREATE INDEX idx_scraped_pages_domain ON scraped_pages (customer_id, id);
CREATE TABLE embedding_models (
  id uuid PRIMARY KEY,
  name text NOT NULL CONSTRAINT embedding_models_name_key UNIQUE,
  dimension integer NOT NULL,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('building', 'active', 'retired'))
);
CREATE TABLE page_embeddings (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  page_id uuid NOT NULL REFERENCES scraped_pages ON DELETE CASCADE,
  ordinal integer NOT NULL,
  heading_path text NOT NULL,
  text text NOT NULL,
  text_hash bytea NOT NULL,
  tokens integer NOT NULL,
  model_id uuid REFERENCES embedding_models,
  embedding halfvec,
  lexical tsvector NOT NULL,
  published boolean NOT NULL DEFAULT true,
  CONSTRAINT page_embeddings_ordinal_key UNIQUE (page_id, ordinal),
  CONSTRAINT page_embeddings_vector_has_model CHECK ((embedding IS NULL) = (model_id IS NULL))
);
CREATE INDEX idx_page_embeddings_customer ON page_embeddings (customer_id, page_id);
CREATE INDEX idx_content_search ON page_embeddings USING gin (lexical);
CREATE TABLE structured_extractions (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  page_id uuid NOT NULL REFERENCES scraped_pages ON DELETE CASCADE,
  kind text NOT NULL,
  source text NOT NULL,
  data jsonb NOT NULL
);
CREATE INDEX idx_structured_extractions_page ON structured_extractions (customer_id, page_id);
";

/// The local default model. Its index is partial and cast to the model's dimension, since the column holds vectors of
/// every model; further models get theirs when they are chosen.
const LOCAL_MODEL: &str = "
INSERT INTO embedding_models (id, name, dimension)
VALUES ('019aa000-0000-7000-8000-000000000001', 'all-MiniLM-L6-v2', 384);
CREATE INDEX idx_embeddings_vector_minilm_l6_v2 ON page_embeddings
  USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
  WHERE model_id = '019aa000-0000-7000-8000-000000000001';
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        run(manager, LOCAL_MODEL).await?;
        for table in ["scraped_pages", "page_embeddings", "structured_extractions"] {
            protect(manager, table).await?;
        }
        // Names and dimensions of models belong to nobody: every tenant may read them, and none may be wrong about them.
        protect_where(manager, "embedding_models", "true", "SELECT").await?;
        run(manager, "GRANT INSERT, UPDATE ON embedding_models TO omniops_system").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(
            manager,
            &[
                "structured_extractions",
                "page_embeddings",
                "embedding_models",
                "scraped_pages",
            ],
        )
        .await
    }
}
