//! Who runs jobs, what holds queues back, and schedules; events get an order that a reader can follow without marks.
//!
//! A job's lease is its worker's life (`workers.alive_until`), so that renewing costs one statement a process and never
//! touches a job's row. Events carry the transaction that wrote them: "everything below the oldest running transaction" has no
//! gaps, so the relay keeps one cursor instead of marking every row. They go with their job by a trigger of the statement: a
//! foreign key would look its job up for every event, which costs as much as the event. What is dispatched is what is on the
//! streams, so no column says it.
use crate::tables::{drop_all, protect, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE workers (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  alive_until timestamptz NOT NULL,
  stopping boolean NOT NULL DEFAULT false
);
CREATE TABLE queue_controls (
  kind text PRIMARY KEY,
  paused_at timestamptz,
  max_running integer CHECK (max_running > 0),
  max_running_per_customer integer CHECK (max_running_per_customer > 0)
);
CREATE TABLE schedules (
  id uuid PRIMARY KEY,
  customer_id uuid REFERENCES customer_configs ON DELETE CASCADE,
  name text NOT NULL,
  kind text NOT NULL,
  options jsonb NOT NULL DEFAULT '{}',
  cron text NOT NULL,
  time_zone text NOT NULL DEFAULT 'UTC',
  enabled boolean NOT NULL DEFAULT true,
  next_run_at timestamptz NOT NULL,
  last_run_at timestamptz,
  last_job_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (customer_id, name)
);
CREATE INDEX idx_schedules_due ON schedules (next_run_at) WHERE enabled;
CREATE TABLE event_relay (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  xid xid8 NOT NULL DEFAULT '0',
  event_id bigint NOT NULL DEFAULT 0
);
INSERT INTO event_relay DEFAULT VALUES;

DROP INDEX idx_jobs_live_dedupe;
CREATE UNIQUE INDEX idx_jobs_live_dedupe ON jobs (customer_id, kind, dedupe_key) NULLS NOT DISTINCT
  WHERE dedupe_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation');
DROP INDEX idx_jobs_leases, idx_jobs_undispatched, idx_jobs_dispatched;
ALTER TABLE jobs DROP COLUMN lease_until, DROP COLUMN dispatched_at, ADD COLUMN worker_id uuid;
CREATE INDEX idx_jobs_running ON jobs (worker_id) WHERE state = 'running';
CREATE INDEX idx_jobs_backlog ON jobs (kind, customer_id, priority DESC, run_at, id) WHERE state = 'queued';
CREATE INDEX idx_jobs_suspects ON jobs (run_at) WHERE state = 'queued' AND starts >= 2;
CREATE INDEX idx_jobs_dead ON jobs (kind, finished_at) WHERE state = 'dead';
ALTER TABLE jobs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

DROP INDEX idx_job_events_unpublished, idx_job_events_job;
ALTER TABLE job_events DROP COLUMN published_at, DROP CONSTRAINT job_events_customer_id_fkey, DROP CONSTRAINT job_events_job_id_fkey,
  DROP CONSTRAINT job_events_pkey,
  ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(), ADD PRIMARY KEY (job_id, id);
CREATE INDEX idx_job_events_relay ON job_events (xid, id);
CREATE FUNCTION forget_job_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  DELETE FROM job_events e USING gone WHERE e.job_id = gone.id;
  RETURN NULL;
END $$;
ALTER FUNCTION forget_job_events() OWNER TO omniops_system;
CREATE TRIGGER forget_events AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION forget_job_events();
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        protect(manager, "schedules").await?;
        // The system's own. Tenants may see what holds queues back, since a new job asks whether it may start at once.
        for table in ["workers", "event_relay"] {
            protect_where(manager, table, "false", "SELECT, INSERT, UPDATE, DELETE").await?;
        }
        protect_where(manager, "queue_controls", "true", "SELECT").await?;
        run(
            manager,
            "GRANT INSERT, UPDATE, DELETE ON queue_controls TO omniops_system",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const BACK: &str = "
            DROP TRIGGER forget_events ON jobs;
            DROP FUNCTION forget_job_events();
            ALTER TABLE job_events DROP CONSTRAINT job_events_pkey, DROP COLUMN xid, ADD FOREIGN KEY (job_id) REFERENCES jobs ON DELETE CASCADE, ADD COLUMN published_at timestamptz DEFAULT now(),
              ADD PRIMARY KEY (id), ADD CONSTRAINT job_events_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer_configs ON DELETE CASCADE;
            ALTER TABLE job_events ALTER COLUMN published_at DROP DEFAULT;
            CREATE INDEX idx_job_events_job ON job_events (job_id, id);
            CREATE INDEX idx_job_events_unpublished ON job_events (id) WHERE published_at IS NULL;
            DROP INDEX idx_jobs_running, idx_jobs_suspects, idx_jobs_backlog, idx_jobs_dead;
            ALTER TABLE jobs RESET (fillfactor, autovacuum_vacuum_scale_factor);
            ALTER TABLE jobs DROP COLUMN worker_id, ADD COLUMN lease_until timestamptz, ADD COLUMN dispatched_at timestamptz;
            CREATE INDEX idx_jobs_undispatched ON jobs (kind, priority DESC, run_at) WHERE state = 'queued' AND dispatched_at IS NULL;
            CREATE INDEX idx_jobs_dispatched ON jobs (dispatched_at) WHERE state = 'queued';
            CREATE INDEX idx_jobs_leases ON jobs (lease_until) WHERE state = 'running';";
        run(manager, BACK).await?;
        drop_all(manager, &["event_relay", "schedules", "queue_controls", "workers"]).await
    }
}
