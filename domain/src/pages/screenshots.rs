//! Pictures of pages that a crawl's browser could make nothing of, for whoever asks why. They go with the crawl's decisions.
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::{
    Error, Result, jobs,
    tenancy::{TenantTx, sql},
};

/// Pictures of one crawl: a broken site shows itself in a few.
const MOST: i64 = 50;
/// Pictures of one customer; the oldest go first.
pub const MOST_OF_ALL: i64 = 200;
/// Bytes of a picture; a larger one is not kept.
pub const MAX_BYTES: usize = 1 << 20;

/// A picture of a page.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Screenshot {
    /// `image/jpeg`.
    pub media_type: String,
    /// The file.
    pub image: Vec<u8>,
}

/// Keeps a picture of `url`, unless the crawl has enough of them or this one is too large. A second one replaces the first.
pub async fn keep(tx: &TenantTx, job: Uuid, url: &str, picture: &Screenshot) -> Result<()> {
    const INSERT: &str = "INSERT INTO job_screenshots (job_id, customer_id, url, media_type, image)
        SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM job_screenshots WHERE job_id = $1) < $6
        ON CONFLICT (job_id, url_hash) DO UPDATE SET media_type = excluded.media_type, image = excluded.image, at = excluded.at";
    const THIN_OUT: &str =
        "DELETE FROM job_screenshots WHERE (job_id, url_hash) IN (SELECT job_id, url_hash FROM job_screenshots
        WHERE customer_id = $1 ORDER BY seq DESC OFFSET $2)";
    if picture.image.len() > MAX_BYTES {
        return Ok(());
    }
    let values = [
        job.into(),
        tx.customer().into(),
        url.into(),
        picture.media_type.clone().into(),
        picture.image.clone().into(),
        MOST.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    tx.execute_raw(sql(THIN_OUT, [tx.customer().into(), MOST_OF_ALL.into()]))
        .await?;
    Ok(())
}

/// The picture that a crawl kept of `url`.
pub async fn of_url(tx: &TenantTx, job: Uuid, url: &str) -> Result<Screenshot> {
    const FIND: &str = "SELECT media_type, image FROM job_screenshots
        WHERE job_id = $1 AND url_hash = hash_url($2) AND customer_id = $3";
    jobs::get(tx, job).await?;
    let values = [job.into(), url.into(), tx.customer().into()];
    Screenshot::find_by_statement(sql(FIND, values))
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("screenshot"))
}
