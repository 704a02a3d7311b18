//! Jobs, and what the installation needs for them.
use super::{
    Data::{Setting, Site, Technical},
    Kept, Table, other,
};
use crate::privacy::retention as keep;

pub(super) const TABLES: &[Table] = &[
    other(
        "scrape_jobs",
        "what a crawl was told",
        Kept::With("jobs"),
        &[
            ("start_url", Site),
            ("mode", Technical),
            ("include", Setting),
            ("exclude", Setting),
            ("off_peak", Setting),
            ("sitemaps", Site),
            ("moved_to", Site),
        ],
    ),
    other(
        "crawl_frontier",
        "a URL that a crawl has yet to see",
        Kept::With("jobs"),
        &[
            ("url", Site),
            ("url_hash", Technical),
            ("found_from", Site),
            ("state", Technical),
            ("canonical", Site),
        ],
    ),
    other(
        "job_urls",
        "what a crawl decided about a URL",
        Kept::Days(keep::JOB_URLS, "after the decision"),
        &[
            ("url", Site),
            ("url_hash", Technical),
            ("decision", Technical),
            ("reason", Technical),
            ("via", Technical),
            ("found_from", Site),
            ("retires", Technical),
        ],
    ),
    other(
        "job_screenshots",
        "a picture of a page that could not be read",
        Kept::Days(keep::JOB_URLS, "after it was made"),
        &[
            ("url", Site),
            ("url_hash", Technical),
            ("media_type", Technical),
            ("image", Site),
        ],
    ),
    other(
        "job_events",
        "what happened to a job",
        Kept::Days(keep::JOB_EVENTS, "after it happened"),
        &[("kind", Technical), ("data", Technical)],
    ),
    other("event_relay", "how far events were announced", Kept::Installation, &[]),
    other(
        "queue_controls",
        "what holds a queue back",
        Kept::Installation,
        &[("kind", Technical)],
    ),
    other(
        "workers",
        "a worker process, until an hour after it was last heard of",
        Kept::Installation,
        &[("host", Setting), ("version", Technical)],
    ),
    other(
        "embedding_models",
        "a model for search",
        Kept::Installation,
        &[("name", Technical), ("state", Technical)],
    ),
];
