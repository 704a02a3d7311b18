//! The vector index of a model: partial, and cast to the model's dimension, since one column holds the vectors of every model.
//!
//! Making one is the schema owner's work, so `omniops migrate` does it: a changed `EMBEDDING_MODEL` is met there first. Without it
//! customers of any size are still searched, exactly and the slower the more chunks they have.
use sea_orm::{ConnectionTrait, DatabaseConnection};
use uuid::Uuid;

use crate::{Error, Result, ids, tenancy::sql};

/// Dimensions that an HNSW index of half-precision vectors takes at most (pgvector's limit).
const MOST_DIMENSIONS: usize = 4000;

/// Makes the model's row and its index, unless they are there; whether the index is new. Chunks can be written meanwhile.
pub async fn ensure(owner: &DatabaseConnection, name: &str, dimension: usize) -> Result<bool> {
    const NAME: &str =
        "INSERT INTO embedding_models (id, name, dimension) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    const FIND: &str = "SELECT id, dimension FROM embedding_models WHERE name = $1";
    if dimension > MOST_DIMENSIONS {
        tracing::warn!(
            model = name,
            dimension,
            "no vector index takes so many dimensions; searches compare every chunk"
        );
        return Ok(false);
    }
    owner
        .execute_raw(sql(
            NAME,
            [ids::new_id().into(), name.into(), (dimension as i32).into()],
        ))
        .await?;
    let row = owner.query_one_raw(sql(FIND, [name.into()])).await?;
    let row = row.ok_or_else(|| Error::internal("naming a model", "no row"))?;
    let (id, stored): (Uuid, i32) = (row.try_get("", "id")?, row.try_get("", "dimension")?);
    if stored != dimension as i32 {
        let message = format!("the model {name} is known with dimension {stored}, not {dimension}");
        return Err(Error::conflict("model_dimension", message));
    }
    make(owner, id, dimension).await
}

async fn make(owner: &DatabaseConnection, id: Uuid, dimension: usize) -> Result<bool> {
    const INDEXES: &str = "SELECT i.indexrelid::regclass::text AS name, i.indisvalid AS valid FROM pg_index i
        WHERE i.indrelid = 'page_embeddings'::regclass AND pg_get_expr(i.indpred, i.indrelid) LIKE '%' || $1 || '%'";
    for row in owner.query_all_raw(sql(INDEXES, [id.to_string().into()])).await? {
        if row.try_get("", "valid")? {
            return Ok(false);
        }
        // What a broken-off attempt left.
        let name: String = row.try_get("", "name")?;
        owner
            .execute_unprepared(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))
            .await?;
    }
    let make = format!(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_embeddings_vector_{} ON page_embeddings
         USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops) WHERE model_id = '{id}'",
        id.simple()
    );
    owner.execute_unprepared(&make).await?;
    Ok(true)
}
