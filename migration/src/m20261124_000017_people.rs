//! Conversations with people: who waits for a person and since when, what is told to followers, notifications and their delivery,
//! and words to search messages by.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// `search` is per message and simple, since one customer's visitors write in many languages. It has no index of its own: under
/// row-level security Postgres may not look tenants' words up before it knows whose they are, so the customer's messages are
/// gone through by `idx_messages_customer`.
const COLUMNS: &str = "
ALTER TABLE conversations
  ADD COLUMN agent text,
  ADD COLUMN reason text,
  ADD COLUMN waiting_since timestamptz,
  ADD COLUMN told_at timestamptz,
  ADD COLUMN notified_at timestamptz,
  ADD COLUMN unanswered_since timestamptz,
  ADD COLUMN closed_at timestamptz;
CREATE INDEX idx_conversations_recent ON conversations (customer_id, updated_at DESC, id DESC);
CREATE INDEX idx_conversations_people ON conversations (customer_id, state, updated_at DESC, id DESC) WHERE state <> 'bot';
ALTER TABLE messages
  ADD COLUMN author text,
  ADD COLUMN feedback_at timestamptz,
  ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple', left(text, 100000))) STORED;
CREATE INDEX idx_messages_feedback ON messages (customer_id, conversation_id) WHERE feedback IS NOT NULL;
";

const TABLES: &str = "
CREATE TABLE conversation_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('message', 'state')),
  message_id uuid REFERENCES messages ON DELETE CASCADE,
  data jsonb NOT NULL DEFAULT '{}',
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_conversation_events_conversation ON conversation_events (conversation_id, id);
CREATE INDEX idx_conversation_events_message ON conversation_events (message_id) WHERE message_id IS NOT NULL;
CREATE TABLE outbound_webhooks (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  url text NOT NULL,
  events text[] NOT NULL,
  secret bytea NOT NULL,
  secret_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_outbound_webhooks_customer ON outbound_webhooks (customer_id);
CREATE TABLE webhook_deliveries (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  webhook_id uuid NOT NULL REFERENCES outbound_webhooks ON DELETE CASCADE,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  job_id uuid,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  status integer,
  error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempted_at timestamptz,
  delivered_at timestamptz
);
CREATE INDEX idx_webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id DESC);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, COLUMNS).await?;
        run(manager, TABLES).await?;
        for table in ["conversation_events", "outbound_webhooks", "webhook_deliveries"] {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(
            manager,
            &["webhook_deliveries", "outbound_webhooks", "conversation_events"],
        )
        .await?;
        run(
            manager,
            "DROP INDEX idx_messages_feedback; DROP INDEX idx_conversations_people; DROP INDEX idx_conversations_recent;
             ALTER TABLE messages DROP COLUMN search, DROP COLUMN feedback_at, DROP COLUMN author;
             ALTER TABLE conversations DROP COLUMN closed_at, DROP COLUMN unanswered_since, DROP COLUMN notified_at, DROP COLUMN told_at,
               DROP COLUMN waiting_since, DROP COLUMN reason, DROP COLUMN agent;",
        )
        .await
    }
}
