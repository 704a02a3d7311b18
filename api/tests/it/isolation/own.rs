//! Paths of calls that lead to what a customer has.
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeMap;

use super::{
    contract::Operation,
    scene::{OWN, Scene},
};

/// The rows that paths lead to, each with the beginning of a search for it.
const ROWS: [(&str, &str); 7] = [
    ("/api/outbound-webhooks/", "outbound_webhooks WHERE"),
    ("/api/outbound-webhooks/{id}/deliveries/", "webhook_deliveries WHERE"),
    ("/api/connections/", "store_connections WHERE"),
    ("/api/keys/", "api_keys WHERE"),
    ("/api/pages/", "scraped_pages WHERE"),
    ("/api/gaps/", "question_gaps WHERE"),
    ("/api/golden/", "golden_questions WHERE"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Mine,
    Others,
}

/// What is a customer's own, by what stands before its place in a path.
pub struct Own {
    things: BTreeMap<&'static str, String>,
}

impl Own {
    /// `shop` has a row in every table afterwards; `other` must have.
    pub async fn of(scene: &Scene, whose: Whose) -> Self {
        let (customer, host, conversation, job) = match whose {
            Whose::Mine => (&scene.app.shop, "shop.example", &scene.conversation, &scene.job),
            Whose::Others => (
                &scene.app.other,
                "other.example",
                &scene.other_conversation,
                &scene.other_job,
            ),
        };
        if whose == Whose::Mine {
            // What belongs to nobody first: some of the customer's rows refer to it.
            scene.catalogue.fill(None, "nobody's").await;
            scene.catalogue.fill(Some(customer.id), OWN).await;
        }
        let mut things = BTreeMap::from([
            ("/api/customers/", customer.id.to_string()),
            ("/api/customers/{id}/domains/", host.to_owned()),
            ("/api/conversations/", conversation.clone()),
            ("/api/jobs/", job.clone()),
        ]);
        let answered = format!("messages WHERE conversation_id = '{conversation}' AND role = 'assistant' AND");
        for (path, table) in [("/api/messages/", answered.as_str())].into_iter().chain(ROWS) {
            let rows = format!("{table} customer_id = '{}'", customer.id);
            things.insert(path, scene.id_in(&rows).await);
        }
        Self { things }
    }

    /// The values of a call's path.
    pub fn path(&self, operation: &Operation) -> Vec<String> {
        let path = self.try_path(operation);
        path.unwrap_or_else(|| panic!("something of the caller's own for {}", operation.path))
    }

    /// The same; none if it leads to something that is not known here.
    pub fn try_path(&self, operation: &Operation) -> Option<Vec<String>> {
        let places = operation.path.match_indices('{');
        places
            .map(|(at, _)| self.things.get(&operation.path[..at]).cloned())
            .collect()
    }

    /// A connected shop.
    pub fn connection(&self) -> &str {
        &self.things["/api/connections/"]
    }

    /// Something else at a place.
    pub fn put(&mut self, place: &'static str, value: impl Into<String>) {
        self.things.insert(place, value.into());
    }
}

impl Scene {
    /// The id of some row: `table WHERE condition`.
    async fn id_in(&self, rows: &str) -> String {
        let query = format!("SELECT id::text AS id FROM {rows} ORDER BY id LIMIT 1");
        let tx = self.app.kit.db.system().await.unwrap();
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
            .await;
        row.unwrap()
            .unwrap_or_else(|| panic!("a row in {rows}"))
            .try_get("", "id")
            .unwrap()
    }
}
