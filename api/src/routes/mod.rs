//! The calls of the contract, one resource a file. A handler extracts, calls one function of `domain`, and maps its answer;
//! the shapes stand beside the handlers that speak them.
mod admin;
pub mod admin_pages;
mod audit;
mod cache;
mod chat;
mod citations;
mod connections;
mod consent;
mod conversations;
mod customers;
mod dead;
mod domains;
mod embed;
mod feedback;
pub mod files;
mod gaps;
mod gdpr;
mod golden;
mod health;
mod job_urls;
mod jobs;
mod keys;
mod legal;
mod limits;
mod outbound_webhooks;
mod pages;
pub mod pages_html;
mod people;
mod products;
mod queue;
mod receipts;
mod schedules;
mod scrape;
mod screenshots;
mod search;
mod settings;
mod shop_tests;
mod sse;
mod sync;
mod usage;
mod users;
mod webhooks_in;
mod widget;

pub use queue::stats_json as queue_stats_json;

/// Every resource, in the contract's order; in groups where one tuple would be too long.
pub type Apis = (
    widget::Api,
    (chat::Api, cache::Api),
    (
        (conversations::Api, receipts::Api),
        people::Api,
        feedback::Api,
        outbound_webhooks::Api,
    ),
    (search::Api, settings::Api, (gdpr::Api, consent::Api)),
    (pages::Api, citations::Api, gaps::Api, golden::Api),
    (
        connections::Api,
        shop_tests::Api,
        webhooks_in::Api,
        (products::Api, sync::Api),
    ),
    scrape::Api,
    schedules::Api,
    embed::Api,
    (jobs::Api, job_urls::Api, screenshots::Api),
    queue::Api,
    dead::Api,
    (customers::Api, usage::Api, audit::Api),
    domains::Api,
    (keys::Api, users::Api, admin::Api),
    (health::Api, limits::Api),
);

/// All of them; a resource has no state of its own.
pub fn apis() -> Apis {
    (
        widget::Api,
        (chat::Api, cache::Api),
        (
            (conversations::Api, receipts::Api),
            people::Api,
            feedback::Api,
            outbound_webhooks::Api,
        ),
        (search::Api, settings::Api, (gdpr::Api, consent::Api)),
        (pages::Api, citations::Api, gaps::Api, golden::Api),
        (
            connections::Api,
            shop_tests::Api,
            webhooks_in::Api,
            (products::Api, sync::Api),
        ),
        scrape::Api,
        schedules::Api,
        embed::Api,
        (jobs::Api, job_urls::Api, screenshots::Api),
        queue::Api,
        dead::Api,
        (customers::Api, usage::Api, audit::Api),
        domains::Api,
        (keys::Api, users::Api, admin::Api),
        (health::Api, limits::Api),
    )
}
