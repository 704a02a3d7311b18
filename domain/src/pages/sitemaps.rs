//! What became of a site's sitemaps and feeds, which no decision row tells: kept beside the crawl's settings.
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// Files that were not read, of which so many are named.
const NAMED: usize = 5;

/// What became of the sitemaps and feeds of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sitemaps {
    /// Files that were read.
    pub read: i64,
    /// URLs in them.
    pub entries: i64,
    /// URLs among these that lie on another host, and so are no part of the crawl.
    pub entries_elsewhere: i64,
    /// Files that the site names and that could not be had or read.
    pub failed: i64,
    /// Files that the site names and that lie on another host; they were not asked for.
    pub elsewhere: i64,
    /// Whether files or entries were left out because there are too many.
    pub truncated: bool,
    /// Some of the files that were not read.
    pub unread: Vec<Unread>,
}

/// A sitemap or feed that was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its URL.
    pub url: String,
    /// Why not, for people.
    pub why: String,
}

impl Sitemaps {
    /// Notes a file that could not be had or read.
    pub fn fail(&mut self, url: &str, why: impl Into<String>) {
        self.failed += 1;
        self.name(url, why.into());
    }

    /// Notes a file on another host.
    pub fn leave(&mut self, url: &str) {
        self.elsewhere += 1;
        self.name(url, "another host".to_owned());
    }

    fn name(&mut self, url: &str, why: String) {
        if self.unread.len() < NAMED {
            let url = url.to_owned();
            self.unread.push(Unread { url, why });
        }
    }
}

/// Keeps what became of a crawl's sitemaps; said again, it replaces what was said.
pub async fn note(tx: &TenantTx, job: Uuid, sitemaps: &Sitemaps) -> Result<()> {
    const NOTE: &str = "UPDATE scrape_jobs SET sitemaps = $3 WHERE job_id = $1 AND customer_id = $2";
    let values = [job.into(), tx.customer().into(), json!(sitemaps).into()];
    tx.execute_raw(sql(NOTE, values)).await?;
    Ok(())
}

/// What became of a crawl's sitemaps; none before they have been read.
pub async fn of(tx: &TenantTx, job: Uuid) -> Result<Option<Sitemaps>> {
    const FIND: &str =
        "SELECT sitemaps FROM scrape_jobs WHERE job_id = $1 AND customer_id = $2 AND sitemaps IS NOT NULL";
    let row = tx.query_one_raw(sql(FIND, [job.into(), tx.customer().into()])).await?;
    let told: Option<Value> = row.map(|row| row.try_get("", "sitemaps")).transpose()?;
    Ok(told.and_then(|told| serde_json::from_value(told).ok()))
}
