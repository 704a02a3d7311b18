//! Visitors, their conversations, and what every answer was made from.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE visitors (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  session_id uuid NOT NULL,
  email text,
  consent boolean,
  do_not_sell boolean NOT NULL DEFAULT false,
  locale text,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT visitors_session_key UNIQUE (customer_id, session_id)
);
CREATE TABLE conversations (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  visitor_id uuid NOT NULL REFERENCES visitors ON DELETE CASCADE,
  session_id uuid NOT NULL,
  state text NOT NULL DEFAULT 'bot' CHECK (state IN ('bot', 'waiting', 'human', 'closed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT conversations_session_key UNIQUE (customer_id, session_id)
);
CREATE INDEX idx_conversations_domain ON conversations (customer_id, created_at DESC);
CREATE TABLE messages (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('visitor', 'assistant', 'human')),
  text text NOT NULL,
  sources jsonb NOT NULL DEFAULT '[]',
  refused boolean NOT NULL DEFAULT false,
  feedback text CHECK (feedback IN ('up', 'down')),
  feedback_reason text,
  usage jsonb,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_messages_conversation ON messages (conversation_id, created_at DESC);
CREATE INDEX idx_messages_customer ON messages (customer_id, created_at DESC);
CREATE TABLE answer_receipts (
  message_id uuid PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  model text NOT NULL,
  prompt_version text NOT NULL,
  passages jsonb NOT NULL,
  refusal_reason text,
  timings jsonb NOT NULL,
  cost_usd double precision NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_answer_receipts_customer ON answer_receipts (customer_id, created_at DESC);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        for table in ["visitors", "conversations", "messages", "answer_receipts"] {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["answer_receipts", "messages", "conversations", "visitors"]).await
    }
}
