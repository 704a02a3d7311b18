//! What jobs are told: ids and settings, never content, so that a payload stays small and tells nothing.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::{Error, Result, tenancy::Scope};

/// The kinds of jobs; each has a queue of its own, so that long crawls never keep embedding waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Crawl a site.
    Scrape,
    /// Chunk and embed pages.
    Embed,
    /// Read a shop's products.
    Sync,
    /// The system's own upkeep.
    Maintenance,
}

/// Every kind; each is a queue.
pub const QUEUES: [Kind; 4] = [Kind::Scrape, Kind::Embed, Kind::Sync, Kind::Maintenance];

impl Kind {
    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::Embed => "embed",
            Self::Sync => "sync",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = QUEUES.into_iter().find(|k| k.as_str() == text);
        known.ok_or_else(|| Error::invalid("kind", "must be scrape, embed, sync or maintenance"))
    }
}

/// A job's payload. Its version is kept beside it, so that a worker still reads what an older one wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// Chunk and embed these pages.
    Embed {
        /// The pages; at most a few dozen, so that the work spreads over workers.
        page_ids: Vec<Uuid>,
        /// Compute vectors again even where the text is unchanged.
        #[serde(default)]
        force: bool,
    },
    /// Change the index to another embedding model: [`crate::pages::model_change`].
    ChangeModel {
        /// The model that it is to have.
        model: Uuid,
    },
    /// Read products of a shop: [`crate::commerce`].
    Sync {
        /// The shop.
        connection: Uuid,
        /// Which products.
        what: SyncWork,
    },
    /// Keep the house in order.
    Maintenance {
        /// Which part of it.
        task: MaintenanceTask,
    },
    /// Crawl; the settings are in `scrape_jobs`.
    Scrape {},
}

/// Which products of a shop are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncWork {
    /// All of them; what is not there any more goes.
    Full,
    /// Those that have changed since the last time.
    Changes,
    /// One, of which the shop said that it has changed.
    Product {
        /// The shop's id of it.
        id: String,
    },
}

/// What the system does for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceTask {
    /// Delete what has been kept long enough.
    Retention,
    /// Look at the proofs of domains whose time has come.
    CheckDomains,
    /// Find customers with golden questions or unanswered ones to look at.
    Learn,
    /// Read what has changed in connected shops.
    SyncShops,
    /// Ask a customer's golden questions.
    GoldenRun,
    /// Gather a customer's unanswered questions.
    Gaps,
    /// End a visitor's wait for a person that has lasted too long.
    EndWait {
        /// The conversation.
        conversation: Uuid,
    },
    /// Write to the customer's people about visitors who wait.
    MailHandoff,
    /// Send an event to a webhook.
    DeliverWebhook {
        /// The delivery.
        delivery: Uuid,
    },
    /// Make a copy of all that is held about a person.
    ExportSubject {
        /// The copy to be.
        export: Uuid,
    },
}

impl MaintenanceTask {
    /// Whose work it is: whoever stops it, or starts it again, needs this besides. None for what belongs to jobs alone.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::ExportSubject { .. } => Some(Scope::Privacy),
            Self::DeliverWebhook { .. } => Some(Scope::Webhooks),
            Self::EndWait { .. } | Self::MailHandoff => Some(Scope::Conversations),
            Self::Retention | Self::CheckDomains | Self::Learn | Self::SyncShops | Self::GoldenRun | Self::Gaps => None,
        }
    }

    /// The first version of payloads that has the task.
    fn version(self) -> u32 {
        match self {
            Self::Retention
            | Self::CheckDomains
            | Self::Learn
            | Self::SyncShops
            | Self::GoldenRun
            | Self::Gaps
            | Self::EndWait { .. }
            | Self::MailHandoff
            | Self::DeliverWebhook { .. }
            | Self::ExportSubject { .. } => 1,
        }
    }
}

impl SyncWork {
    /// The first version of payloads that has it.
    fn version(&self) -> u32 {
        match self {
            Self::Full | Self::Changes | Self::Product { .. } => 1,
        }
    }
}

impl Payload {
    /// The newest version that this build reads.
    pub const VERSION: u32 = 1;

    /// The version that a build must read to do this: 1 for what the first release knows, a greater one, for which
    /// [`Payload::VERSION`] is raised, for what is added later. Workers of an older build leave such a job to newer ones.
    pub fn version(&self) -> u32 {
        match self {
            Self::Scrape {} | Self::Embed { .. } | Self::ChangeModel { .. } => 1,
            Self::Sync { what, .. } => what.version(),
            Self::Maintenance { task } => task.version(),
        }
    }

    /// The kind of job.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Scrape {} => Kind::Scrape,
            Self::Embed { .. } | Self::ChangeModel { .. } => Kind::Embed,
            Self::Sync { .. } => Kind::Sync,
            Self::Maintenance { .. } => Kind::Maintenance,
        }
    }

    /// Reads a stored payload.
    pub fn read(kind: Kind, stored: &serde_json::Value) -> Result<Self> {
        match kind {
            Kind::Scrape => Ok(Self::Scrape {}),
            Kind::Embed | Kind::Sync | Kind::Maintenance => {
                let read: Self = serde_json::from_value(stored.clone())?;
                if read.kind() == kind {
                    Ok(read)
                } else {
                    Err(Error::invalid("payload", format!("is no payload of a {kind} job")))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fmt::Debug;

    /// What stands in ledgers that an earlier build wrote. A line is never changed: a payload that has to be told otherwise gets a
    /// new version and a new line.
    #[test]
    fn every_payload_that_was_ever_stored_is_read() {
        let id = Uuid::from_u128(7);
        let task = |task| Payload::Maintenance { task };
        let sync = |what| Payload::Sync { connection: id, what };
        let stored = [
            (json!({}), Payload::Scrape {}),
            (
                json!({ "page_ids": [id] }),
                Payload::Embed {
                    page_ids: vec![id],
                    force: false,
                },
            ),
            (
                json!({ "page_ids": [id], "force": true }),
                Payload::Embed {
                    page_ids: vec![id],
                    force: true,
                },
            ),
            (json!({ "model": id }), Payload::ChangeModel { model: id }),
            (json!({ "connection": id, "what": "full" }), sync(SyncWork::Full)),
            (json!({ "connection": id, "what": "changes" }), sync(SyncWork::Changes)),
            (
                json!({ "connection": id, "what": { "product": { "id": "17" } } }),
                sync(SyncWork::Product { id: "17".into() }),
            ),
            (json!({ "task": "retention" }), task(MaintenanceTask::Retention)),
            (json!({ "task": "check_domains" }), task(MaintenanceTask::CheckDomains)),
            (json!({ "task": "learn" }), task(MaintenanceTask::Learn)),
            (json!({ "task": "sync_shops" }), task(MaintenanceTask::SyncShops)),
            (json!({ "task": "golden_run" }), task(MaintenanceTask::GoldenRun)),
            (json!({ "task": "gaps" }), task(MaintenanceTask::Gaps)),
            (
                json!({ "task": { "end_wait": { "conversation": id } } }),
                task(MaintenanceTask::EndWait { conversation: id }),
            ),
            (json!({ "task": "mail_handoff" }), task(MaintenanceTask::MailHandoff)),
            (
                json!({ "task": { "deliver_webhook": { "delivery": id } } }),
                task(MaintenanceTask::DeliverWebhook { delivery: id }),
            ),
            (
                json!({ "task": { "export_subject": { "export": id } } }),
                task(MaintenanceTask::ExportSubject { export: id }),
            ),
        ];
        for (stored, payload) in stored {
            assert_eq!(Payload::read(payload.kind(), &stored).unwrap(), payload, "{stored}");
            // And what is written now can be read by then.
            let mut written = serde_json::to_value(&payload).unwrap();
            let had = stored.as_object().unwrap();
            written
                .as_object_mut()
                .unwrap()
                .retain(|name, _| had.contains_key(name));
            assert_eq!(written, stored);
            assert_eq!(payload.version(), 1, "{stored}");
        }
    }

    /// The tasks and the work on shops that builds of version 1 can read, which is never changed. What is added later has a greater
    /// version, so that an older worker leaves it to newer ones, instead of making a dead letter of what it can't read.
    const FIRST: [&[&str]; 2] = [
        &[
            "retention",
            "check_domains",
            "learn",
            "sync_shops",
            "golden_run",
            "gaps",
            "end_wait",
            "mail_handoff",
            "deliver_webhook",
            "export_subject",
        ],
        &["full", "changes", "product"],
    ];

    /// What is there besides the first version's, each by an example: a line for every one that is added.
    fn later() -> Vec<Payload> {
        vec![]
    }

    /// All names of an enum, from what serde says about one that is none of them.
    fn names<T: serde::de::DeserializeOwned + Debug>() -> Vec<String> {
        let told = serde_json::from_value::<T>(json!("none of them"))
            .unwrap_err()
            .to_string();
        let (_, names) = told.split_once("expected one of").unwrap();
        let names = names.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect()
    }

    #[test]
    fn what_was_added_after_the_first_version_has_a_greater_one() {
        let name = |payload: &Payload| {
            let told = serde_json::to_value(payload).unwrap();
            let told = told.get("task").or(told.get("what")).unwrap().clone();
            match told {
                serde_json::Value::String(name) => name,
                other => other.as_object().unwrap().keys().next().unwrap().clone(),
            }
        };
        let later = later();
        for payload in &later {
            assert!(payload.version() > 1, "{payload:?}");
        }
        let known = later
            .iter()
            .map(name)
            .chain(FIRST.concat().into_iter().map(str::to_owned));
        let known: std::collections::BTreeSet<String> = known.collect();
        let all = [names::<MaintenanceTask>(), names::<SyncWork>()].concat();
        assert_eq!(known, all.into_iter().collect());
        let newest = later.iter().map(Payload::version).max();
        assert_eq!(Payload::VERSION, newest.unwrap_or(1));
    }
}
