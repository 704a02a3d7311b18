//! What visitors choose about their data.
use domain::{
    privacy::{Choices, consent},
    tenancy::TenantTx,
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, payload::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Visitor},
    openapi::Tag,
};

/// What a visitor chooses; what is left out stays as it is.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Choice {
    /// To keep the visitor's address for an answer. A no takes it back.
    #[oai(nullable)]
    consent: Option<bool>,
    /// That nothing is sold or shared. A browser's `Sec-GPC: 1` says it, too, and counts more than a no.
    #[oai(nullable)]
    do_not_sell: Option<bool>,
}

/// What a visitor has chosen.
#[derive(Debug, Object)]
#[oai(rename = "Consent")]
struct Chosen {
    /// Null: not asked, or not answered.
    #[oai(nullable)]
    consent: Option<bool>,
    do_not_sell: bool,
    #[oai(nullable)]
    at: Option<OffsetDateTime>,
}

impl From<Choices> for Chosen {
    fn from(choices: Choices) -> Self {
        Self {
            consent: choices.consent,
            do_not_sell: choices.do_not_sell,
            at: choices.at,
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Choose what is kept and shared
    #[oai(
        path = "/api/consent",
        method = "post",
        tag = "Tag::Privacy",
        operation_id = "choose_consent"
    )]
    async fn choose(
        &self,
        req: &Request,
        context: Data<&Context>,
        visitor: Visitor,
        body: Body<Choice>,
    ) -> Answer<Json<Chosen>> {
        let Choice { consent, do_not_sell } = body.0;
        // The browser says it with every message, so a no beside it would last until the next one.
        let do_not_sell = if signal(req) { Some(true) } else { do_not_sell };
        let tx = context.db.tenant(&visitor.customer).await?;
        let chosen = consent::choose(&tx, visitor.session.session, consent, do_not_sell).await?;
        tx.commit().await?;
        Ok(Json(chosen.into()))
    }
}

/// Keeps the browser's wish before anybody is told of what its visitor does in this transaction.
pub async fn heed(req: &Request, tx: &TenantTx, session: Uuid) -> domain::Result<()> {
    if signal(req) {
        consent::heed_signal(tx, session).await?;
    }
    Ok(())
}

/// Whether the visitor's browser asks by Global Privacy Control that nothing is sold or shared.
pub fn signal(req: &Request) -> bool {
    req.headers()
        .get("sec-gpc")
        .is_some_and(|value| value.as_bytes() == b"1")
}
