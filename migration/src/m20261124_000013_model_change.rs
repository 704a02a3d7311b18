//! Changing the embedding model: which one a customer's index has, and the vectors of the one that it is changing to.
//!
//! `next_embeddings` fills up beside the index while searches go on; when every chunk has its next vector, one transaction puts
//! them into the chunks and names the model in `customer_configs`. multilingual-e5-small, the other local model, gets its row
//! and its vector index here; a provider's model gets its index when `omniops migrate` meets its name.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
ALTER TABLE customer_configs ADD COLUMN embedding_model_id uuid REFERENCES embedding_models;
UPDATE customer_configs c SET embedding_model_id = (SELECT e.model_id FROM page_embeddings e
  WHERE e.customer_id = c.id AND e.model_id IS NOT NULL GROUP BY e.model_id ORDER BY count(*) DESC LIMIT 1);
CREATE TABLE next_embeddings (
  chunk_id uuid PRIMARY KEY REFERENCES page_embeddings ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  model_id uuid NOT NULL REFERENCES embedding_models,
  embedding halfvec NOT NULL
);
CREATE INDEX idx_next_embeddings_customer ON next_embeddings (customer_id);
CREATE INDEX idx_page_embeddings_bare ON page_embeddings (customer_id) WHERE model_id IS NULL;
INSERT INTO embedding_models (id, name, dimension)
VALUES ('019aa000-0000-7000-8000-000000000002', 'multilingual-e5-small', 384) ON CONFLICT DO NOTHING;
DO $$ BEGIN
  EXECUTE format('CREATE INDEX idx_embeddings_vector_e5_small ON page_embeddings
    USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops) WHERE model_id = %L',
    (SELECT id FROM embedding_models WHERE name = 'multilingual-e5-small'));
END $$;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        protect(manager, "next_embeddings").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["next_embeddings"]).await?;
        run(
            manager,
            "DROP INDEX idx_page_embeddings_bare, idx_embeddings_vector_e5_small;
             ALTER TABLE customer_configs DROP COLUMN embedding_model_id;",
        )
        .await
    }
}
