//! The job ledger with its events, and the worklist and decision rows of crawls.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  customer_id uuid REFERENCES customer_configs ON DELETE CASCADE,
  parent_id uuid,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  payload_version integer NOT NULL DEFAULT 1,
  state text NOT NULL CHECK (state IN
    ('scheduled', 'queued', 'running', 'needs_confirmation', 'done', 'failed', 'dead', 'cancelled')),
  priority smallint NOT NULL DEFAULT 0,
  run_at timestamptz NOT NULL DEFAULT now(),
  starts integer NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL DEFAULT 5,
  lease_token uuid,
  lease_until timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false,
  progress jsonb NOT NULL DEFAULT '{}',
  result jsonb,
  error jsonb,
  dedupe_key text,
  dispatched_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
);
CREATE UNIQUE INDEX idx_jobs_live_dedupe ON jobs (customer_id, kind, dedupe_key)
  WHERE dedupe_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation');
CREATE INDEX idx_jobs_customer ON jobs (customer_id, created_at DESC);
CREATE INDEX idx_jobs_parent ON jobs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_jobs_undispatched ON jobs (kind, priority DESC, run_at) WHERE state = 'queued' AND dispatched_at IS NULL;
CREATE INDEX idx_jobs_dispatched ON jobs (dispatched_at) WHERE state = 'queued';
CREATE INDEX idx_jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
CREATE INDEX idx_jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE TABLE job_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id uuid REFERENCES customer_configs ON DELETE CASCADE,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  kind text NOT NULL,
  data jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
);
CREATE INDEX idx_job_events_job ON job_events (job_id, id);
CREATE INDEX idx_job_events_unpublished ON job_events (id) WHERE published_at IS NULL;
CREATE TABLE scrape_jobs (
  job_id uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  start_url text NOT NULL,
  mode text NOT NULL,
  max_pages integer NOT NULL,
  max_depth integer NOT NULL,
  include text[] NOT NULL DEFAULT '{}',
  exclude text[] NOT NULL DEFAULT '{}',
  refetch boolean NOT NULL DEFAULT false
);
CREATE TABLE crawl_frontier (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  url text NOT NULL,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  depth integer NOT NULL,
  found_from text,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'fetching', 'done', 'later')),
  attempts integer NOT NULL DEFAULT 0,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (job_id, url_hash)
);
CREATE INDEX idx_crawl_frontier_open ON crawl_frontier (job_id, seq) WHERE state <> 'done';
CREATE TABLE job_urls (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  url text NOT NULL,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  decision text NOT NULL,
  reason text,
  status integer,
  ms integer,
  bytes bigint,
  depth integer NOT NULL,
  via text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job_id, url_hash)
);
CREATE INDEX idx_job_urls_job ON job_urls (job_id, seq);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        for table in ["jobs", "job_events", "scrape_jobs", "crawl_frontier", "job_urls"] {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(
            manager,
            &["job_urls", "crawl_frontier", "scrape_jobs", "job_events", "jobs"],
        )
        .await
    }
}
