//! Links new lines of the audit log to its chain. Of all workers one at a time does it; a failure holds up nothing but the chain.
use domain::{audit, lifecycle::Lifecycle, secrets::Envelopes};
use std::time::Duration;

use crate::{Context, batch::bounded};

/// Wait between two looks.
const ROUND: Duration = Duration::from_secs(2);
/// Longest time of a look.
const ROUND_LIMIT: Duration = Duration::from_secs(30);

/// Runs until the soft stop.
pub(crate) async fn run(ctx: Context, life: Lifecycle) {
    let envelopes = Envelopes::new(&ctx.config.security.keys);
    let (mut all, mut failing) = (true, false);
    while !life.is_stopping() {
        let mut wait = ROUND;
        let link = Box::pin(bounded(ROUND_LIMIT, audit::seal(&ctx.db, &envelopes, all)));
        // What is cut off here is done by whoever is next.
        let Some(linked) = life.stopping().run_until_cancelled(link).await else {
            return;
        };
        match linked {
            Ok(Some((head, lines))) => {
                // Kept with the logs, it shows one day that the end of the chain was cut off.
                tracing::info!(event = "audit_linked", lines, head = %head, "the audit log was linked");
                metrics::gauge!("omniops_audit_links").set(head.seq as f64);
                wait = Duration::ZERO;
                failing = false;
            }
            Ok(None) => (all, failing) = (false, false),
            Err(error) if !failing => {
                tracing::warn!(
                    event = "audit_unlinked",
                    error = error.story(),
                    "the audit log is not linked; trying until it works"
                );
                failing = true;
            }
            Err(_) => {}
        }
        let _ = life.stopping().run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}
