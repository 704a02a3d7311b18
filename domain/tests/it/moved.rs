//! Start pages that lead to another host, and what a crawl makes of the first one's pages.
use domain::{
    pages::{
        losses::{self, Losses},
        record,
        request::{self, ScrapeRequest},
        store::{self, Decision},
    },
    tenancy::Customer,
};
use testkit::Kit;

const SHOP: &str = "https://a.example";
const DOCS: &str = "https://docs.example";

async fn save(kit: &Kit, customer: &Customer, urls: impl IntoIterator<Item = String>) {
    let tx = kit.db.tenant(customer).await.unwrap();
    for url in urls {
        store::save(&tx, &testkit::page(&url, "Page", &url)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The end of a crawl that was led from `from` to `to` for good and met these pages gone; what it would lose, and how many pages went.
async fn led(kit: &Kit, customer: &Customer, run: usize, from: &str, to: &str, gone: &[String]) -> (Losses, u64) {
    let row = |url: &str, decision, reason, status, via| Decision {
        status: Some(status),
        via,
        ..testkit::decision(url, decision, reason)
    };
    let tx = kit.db.tenant(customer).await.unwrap();
    let request = ScrapeRequest::of(format!("{SHOP}/{run}"));
    let job = request::request_scrape(&tx, &request).await.unwrap().id;
    store::move_start(&tx, job, to).await.unwrap();
    let mut rows = vec![
        row(from, "redirected", Some(to), 301, "start"),
        row(to, "not_modified", None, 304, "start"),
    ];
    rows.extend(gone.iter().map(|url| row(url, "gone", None, 404, "loop")));
    record::decide_all(&tx, job, &rows).await.unwrap();
    tx.commit().await.unwrap();
    let tx = kit.db.tenant(customer).await.unwrap();
    let losses = losses::weigh(&tx, job).await.unwrap();
    let retired = losses::retire(&tx, job).await.unwrap();
    tx.commit().await.unwrap();
    (losses, retired)
}

#[tokio::test]
async fn a_section_that_moved_to_a_host_of_its_own_takes_nothing_else_along() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let both = [SHOP, DOCS].map(|host| ["/", "/about"].map(|path| format!("{host}{path}")));
    save(&kit, &customer, both.concat()).await;
    let (section, root) = (format!("{SHOP}/docs"), format!("{DOCS}/"));
    for run in 0..2 {
        assert_eq!(led(&kit, &customer, run, &section, &root, &[]).await.1, 0);
    }
    // The whole host leads to the other one, path by path.
    let same = format!("{DOCS}/docs");
    for (run, expected) in [(2, 0), (3, 2)] {
        assert_eq!(led(&kit, &customer, run, &section, &same, &[]).await.1, expected);
    }
}

#[tokio::test]
async fn a_host_that_only_led_to_another_does_not_thin_out_what_is_lost_there() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let pages = |host: &str, count| (0..count).map(|n| format!("{host}/{n}")).collect::<Vec<_>>();
    save(&kit, &customer, pages(SHOP, 100)).await;
    save(&kit, &customer, pages(DOCS, 10)).await;
    let (from, to) = (format!("{SHOP}/docs"), format!("{DOCS}/0"));
    let gone = &pages(DOCS, 10)[6..];
    for (run, lost) in [(0, 0), (1, 4)] {
        let (losses, _) = led(&kit, &customer, run, &from, &to, gone).await;
        assert_eq!((losses.lost, losses.live), (lost, 10));
        assert_eq!(losses.is_suspicious(), lost > 0);
    }
}
