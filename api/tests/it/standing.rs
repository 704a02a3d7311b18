//! The operator's token and the scheduler's secret while they are changed.
use serde_json::Value;
use testkit::{ADMIN_TOKEN, CRON_SECRET};

use crate::app::App;

const BEFORE: &str = "the-one-before-of-more-than-32-characters";

#[tokio::test]
async fn a_token_and_the_one_before_it_are_both_taken_while_they_overlap() {
    for overlap in [true, false] {
        let old = if overlap { BEFORE } else { "" };
        let app = App::with(&[("OMNIOPS_ADMIN_TOKEN_OLD", old), ("CRON_SECRET_OLD", old)]).await;
        for (token, taken) in [(ADMIN_TOKEN, true), (BEFORE, overlap), ("", false)] {
            let status = app.get("/api/customers").bearer(token).send().await.status;
            assert_eq!(status, if taken { 200 } else { 401 }, "{token}");
        }
        for (token, taken) in [(CRON_SECRET, true), (BEFORE, overlap)] {
            let fired = app
                .post("/api/scrape/scheduled", &Value::Null)
                .bearer(token)
                .send()
                .await;
            assert_eq!(fired.status, if taken { 202 } else { 401 }, "{token}");
        }
    }
}
