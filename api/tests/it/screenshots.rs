//! Pictures of pages that a crawl could make nothing of: for their customer, and for nobody else.
use domain::pages::screenshots::{self, Screenshot};
use serde_json::json;
use uuid::Uuid;

use crate::app::App;

#[tokio::test]
async fn a_picture_is_shown_to_its_customer_only() {
    let app = App::start().await;
    let body = json!({ "url": "https://shop.example/" });
    let made = app.post("/api/scrape", &body).bearer(&app.key).send().await.expect(202);
    let job: Uuid = made["job_id"].as_str().unwrap().parse().unwrap();
    let tx = app.kit.db.tenant(&app.shop).await.unwrap();
    let picture = |bytes: &[u8]| Screenshot {
        media_type: "image/jpeg".into(),
        image: bytes.to_vec(),
    };
    let url = "https://shop.example/a?b=c&d=%20";
    screenshots::keep(&tx, job, url, &picture(b"first")).await.unwrap();
    screenshots::keep(&tx, job, url, &picture(b"\xff\xd8 second"))
        .await
        .unwrap();
    let large = vec![0; screenshots::MAX_BYTES + 1];
    screenshots::keep(&tx, job, "https://shop.example/large", &picture(&large))
        .await
        .unwrap();
    for n in 0..60 {
        let url = format!("https://shop.example/{n}");
        screenshots::keep(&tx, job, &url, &picture(b"x")).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(app.kit.count("SELECT count(*) FROM job_screenshots").await, 50);

    let path = format!(
        "/api/jobs/{job}/urls/screenshot?url={}",
        "https%3A%2F%2Fshop.example%2Fa%3Fb%3Dc%26d%3D%2520"
    );
    let got = app.get(&path).bearer(&app.key).send().await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "image/jpeg"));
    assert!(got.text.ends_with(" second"));
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    let none = format!("/api/jobs/{job}/urls/screenshot?url=https%3A%2F%2Fshop.example%2Flarge");
    assert_eq!(app.get(&none).bearer(&app.key).send().await.problem(404), "not_found");
    let bare = format!("/api/jobs/{job}/urls/screenshot");
    assert_eq!(
        app.get(&bare).bearer(&app.key).send().await.problem(400),
        "invalid_request"
    );
    assert_eq!(
        app.get(&path).bearer(&app.other_key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(app.get(&path).send().await.problem(401), "missing_credential");
}

#[tokio::test]
async fn a_customers_oldest_pictures_go_first() {
    let app = App::start().await;
    let mut jobs = Vec::new();
    for n in 0..5 {
        let body = json!({ "url": format!("https://shop.example/{n}/") });
        let made = app.post("/api/scrape", &body).bearer(&app.key).send().await.expect(202);
        let job: Uuid = made["job_id"].as_str().unwrap().parse().unwrap();
        let tx = app.kit.db.tenant(&app.shop).await.unwrap();
        for n in 0..50 {
            let picture = Screenshot {
                media_type: "image/jpeg".into(),
                image: b"x".to_vec(),
            };
            let url = format!("https://shop.example/{n}");
            screenshots::keep(&tx, job, &url, &picture).await.unwrap();
        }
        tx.commit().await.unwrap();
        jobs.push(job);
    }
    for (job, left) in jobs.iter().zip([0, 50, 50, 50, 50]) {
        let count = format!("SELECT count(*) FROM job_screenshots WHERE job_id = '{job}'");
        assert_eq!(app.kit.count(&count).await, left);
    }
}
