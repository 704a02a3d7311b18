//! Requests of people about their data: a copy, and to be forgotten. Who asks is proved to the customer, who calls here.
use bytes::Bytes;
use domain::{
    error::Kind,
    jobs::Operator,
    privacy::{Copy, Erased, ExportJob, Subject, Tombstone},
};
use futures::stream;
use poem::{Body, IntoResponse, Response, web::Data};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path},
    payload::{Json, Payload},
    registry::{MetaSchemaRef, Registry},
};
use serde_json::Value;
use std::{collections::BTreeMap, io, time::Duration};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body as JsonBody, Caller, Privacy},
    openapi::Tag,
};

/// Bytes of a copy that are handed on at once.
const PIECE: usize = 64 << 10;

/// The person that a request is about: exactly one of the two.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Person {
    /// Whoever gave this address in the widget; compared without case and in one Unicode form, with its tag (`+shop`) if it has one.
    #[oai(nullable, validator(min_length = 1, max_length = 1000))]
    email: Option<String>,
    /// Whoever has this widget session.
    #[oai(nullable)]
    session_id: Option<Uuid>,
}

impl Person {
    fn subject(&self) -> domain::Result<Subject> {
        Subject::read(self.email.as_deref(), self.session_id)
    }
}

/// Whose visitor it is.
#[derive(Debug, Object)]
struct ExportedCustomer {
    id: Uuid,
    domain: String,
    name: String,
}

/// A text of somebody else in which the address stands.
#[derive(Debug, Object)]
struct ExportedMention {
    table: String,
    column: String,
    id: Uuid,
    text: String,
}

/// All that is held about a person.
#[derive(Debug, Object)]
struct SubjectExport {
    /// `omniops.subject-export/1`.
    schema: String,
    made_at: OffsetDateTime,
    customer: ExportedCustomer,
    /// `email` or `session`.
    subject_kind: String,
    /// The sessions that were found.
    sessions: Vec<Uuid>,
    /// How many rows of each table.
    counts: BTreeMap<String, u64>,
    /// The rows by table, oldest first: `visitors`, `conversations`, `messages`, `answer_receipts`, `conversation_events`,
    /// `webhook_deliveries`, `audit_logs`, `subject_exports` and what else the data map names. The fields are those of the data map in
    /// docs/PRIVACY.md; moments are RFC 3339.
    held: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    /// Texts of others in which the address stands; looked for by address, and where the copy is made at once.
    mentions: Vec<ExportedMention>,
}

/// A copy as it was made, which nobody reads on its way: it may be large.
struct Made(Body);

impl Payload for Made {
    const CONTENT_TYPE: &'static str = <Json<SubjectExport> as Payload>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        <Json<SubjectExport> as Payload>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        <Json<SubjectExport> as Payload>::register(registry);
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        Response::builder().content_type(Self::CONTENT_TYPE).body(self.0)
    }
}

#[derive(ApiResponse)]
enum DocumentResponse {
    /// The copy.
    #[oai(status = 200)]
    Made(Made),
}

/// A copy that a job makes.
#[derive(Debug, Object)]
#[oai(rename = "SubjectExportJob")]
struct Planned {
    export_id: Uuid,
    #[oai(nullable)]
    job_id: Option<Uuid>,
    /// `pending`, or `done`: then `GET /api/gdpr/exports/{id}/document` has it.
    state: String,
    created_at: OffsetDateTime,
    /// Until when it can be had.
    expires_at: OffsetDateTime,
}

impl From<ExportJob> for Planned {
    fn from(job: ExportJob) -> Self {
        Self {
            export_id: job.id,
            job_id: job.job,
            state: if job.done { "done" } else { "pending" }.to_owned(),
            created_at: job.created_at,
            expires_at: job.expires_at,
        }
    }
}

#[derive(ApiResponse)]
enum ExportResponse {
    /// The copy.
    #[oai(status = 200)]
    Made(Made),
    /// There is much: a job makes the copy.
    #[oai(status = 202)]
    Planned(Json<Planned>, #[oai(header = "Location")] String),
}

/// That a person was forgotten.
#[derive(Debug, Object)]
struct ErasureReceipt {
    id: Uuid,
    customer_id: Uuid,
    /// `email` or `session`.
    subject_kind: String,
    /// A keyed hash that names the person to this installation and to nobody else.
    subject: String,
    erased_at: OffsetDateTime,
    /// Rows that went, by table; `mentions` are texts of others that the address was taken out of.
    counts: BTreeMap<String, u64>,
    /// The same, signed. Keep it: it proves the erasure, and `omniops erasures replay` does it again after a restore.
    receipt: String,
}

impl From<Erased> for ErasureReceipt {
    fn from(erased: Erased) -> Self {
        let Tombstone {
            id,
            customer,
            kind,
            subject,
            counts,
            ..
        } = erased.tombstone.clone();
        Self {
            id,
            customer_id: customer,
            subject_kind: kind,
            subject,
            erased_at: erased.tombstone.at(),
            counts,
            receipt: erased.receipt,
        }
    }
}

/// A receipt to be checked.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ReceiptText {
    #[oai(validator(min_length = 1, max_length = 1_000_000))]
    receipt: String,
}

/// What a receipt says.
#[derive(Debug, Object)]
struct Verified {
    /// This installation has signed it for this customer, and nothing in it was changed. Where it has not, the rest is empty.
    valid: bool,
    #[oai(nullable)]
    id: Option<Uuid>,
    #[oai(nullable)]
    subject_kind: Option<String>,
    #[oai(nullable)]
    subject: Option<String>,
    #[oai(nullable)]
    erased_at: Option<OffsetDateTime>,
    counts: BTreeMap<String, u64>,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Copy all that is held about a person
    ///
    /// A person of whom nothing is held gets the same document without rows. More than 2000 rows or 1 MiB are a job's work; its
    /// document can be had for 24 hours. More than 200,000 rows or 64 MiB are 409 `export_too_large`: ask for one session at a time.
    #[oai(
        path = "/api/gdpr/export",
        method = "post",
        tag = "Tag::Privacy",
        operation_id = "export_person"
    )]
    async fn export(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        /// The same key with the same body makes one job in a day, and is answered with it; a copy that is made at once is made again.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: JsonBody<Person>,
    ) -> Answer<ExportResponse> {
        context.takes_work().await?;
        let subject = body.0.subject()?;
        let actor = caller.principal.actor();
        let copy = context
            .privacy
            .export(&caller.customer, &subject, key.0.as_deref(), by(&caller, &actor))
            .await?;
        Ok(match copy {
            Copy::Document(document) => ExportResponse::Made(Made(document.into())),
            Copy::Later(job, submitted) => {
                context.dispatcher.dispatch(&[submitted]).await;
                let location = format!("/api/gdpr/exports/{}", job.id);
                ExportResponse::Planned(Json(job.into()), location)
            }
        })
    }

    /// See how a copy stands that a job makes
    #[oai(
        path = "/api/gdpr/exports/:id",
        method = "get",
        tag = "Tag::Privacy",
        operation_id = "get_export"
    )]
    async fn export_job(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        id: Path<Uuid>,
    ) -> Answer<Json<Planned>> {
        Ok(Json(context.privacy.export_job(&caller.customer, id.0).await?.into()))
    }

    /// Get a copy that a job has made
    ///
    /// 409 `export_not_ready` until then; 404 after its 24 hours, and once the person was forgotten; 503 `busy` while another copy of the
    /// customer's is being taken.
    #[oai(
        path = "/api/gdpr/exports/:id/document",
        method = "get",
        tag = "Tag::Privacy",
        operation_id = "get_export_document"
    )]
    async fn document(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        id: Path<Uuid>,
    ) -> Answer<DocumentResponse> {
        let actor = caller.principal.actor();
        let by = by(&caller, &actor);
        // One at a time: a customer's copies are in this process's memory no more often than this.
        let taking = context.copies.enter(caller.customer.id.to_string());
        let taking = taking.filter(|taking| !taking.is_surplus()).ok_or_else(taken)?;
        let text = context.privacy.export_document(&caller.customer, id.0, by).await?;
        let text = Bytes::from(text);
        let pieces = (0..text.len()).step_by(PIECE).map(move |from| {
            let _taking = &taking;
            Ok::<_, io::Error>(text.slice(from..text.len().min(from + PIECE)))
        });
        Ok(DocumentResponse::Made(Made(Body::from_bytes_stream(stream::iter(
            pieces,
        )))))
    }

    /// Forget a person
    ///
    /// Asked again, or twice at once, it answers with the same receipt unless there is something new to forget. A person of whom nothing
    /// is held gets a receipt, too. What is being answered at this moment is not kept.
    #[oai(
        path = "/api/gdpr/delete",
        method = "delete",
        tag = "Tag::Privacy",
        operation_id = "erase_person"
    )]
    async fn erase(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        body: JsonBody<Person>,
    ) -> Answer<Json<ErasureReceipt>> {
        forget(&context, &caller, &body.0).await
    }

    /// Forget a person, for clients that can't send a body with DELETE
    #[oai(
        path = "/api/gdpr/delete",
        method = "post",
        tag = "Tag::Privacy",
        operation_id = "erase_person_by_post"
    )]
    async fn erase_by_post(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        body: JsonBody<Person>,
    ) -> Answer<Json<ErasureReceipt>> {
        forget(&context, &caller, &body.0).await
    }

    /// Check a receipt of an erasure
    #[oai(
        path = "/api/gdpr/verify",
        method = "post",
        tag = "Tag::Privacy",
        operation_id = "verify_receipt"
    )]
    #[expect(clippy::unused_async, reason = "the macro takes async functions only")]
    async fn verify(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Privacy>,
        body: JsonBody<ReceiptText>,
    ) -> Answer<Json<Verified>> {
        let said = context.privacy.verify(&body.0.receipt);
        let said = said.filter(|tombstone| tombstone.customer == caller.customer.id);
        Ok(Json(Verified {
            valid: said.is_some(),
            id: said.as_ref().map(|tombstone| tombstone.id),
            erased_at: said.as_ref().map(Tombstone::at),
            subject_kind: said.as_ref().map(|tombstone| tombstone.kind.clone()),
            subject: said.as_ref().map(|tombstone| tombstone.subject.clone()),
            counts: said.map(|tombstone| tombstone.counts).unwrap_or_default(),
        }))
    }
}

fn by<'a>(caller: &'a Caller<Privacy>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: caller.ip.as_deref(),
    }
}

async fn forget(context: &Context, caller: &Caller<Privacy>, person: &Person) -> Answer<Json<ErasureReceipt>> {
    let (customer, actor) = (&caller.customer, caller.principal.actor());
    let erased = context
        .privacy
        .erase(customer, &person.subject()?, by(caller, &actor))
        .await?;
    if !erased.conversations.is_empty() {
        context.answerer.forget(customer.id).await;
    }
    for conversation in &erased.conversations {
        // Whoever follows it finds it gone.
        context.bell.ring(customer, *conversation).await;
    }
    Ok(Json(erased.into()))
}

/// Another copy is on its way.
fn taken() -> domain::Error {
    let retry_after = Duration::from_secs(5);
    let told = "a copy is being taken; take one after the other";
    domain::Error::new(Kind::Unavailable { retry_after }, "busy", told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem_openapi::types::{ParseFromJSON, ToJSON};
    use serde_json::json;

    #[test]
    fn a_document_is_what_the_contract_says() {
        let document = json!({
            "schema": domain::privacy::SCHEMA, "made_at": "2026-11-22T12:00:00Z", "subject_kind": "email",
            "customer": { "id": Uuid::nil(), "domain": "shop.example", "name": "Shop" }, "sessions": [Uuid::nil()],
            "counts": { "messages": 1 }, "held": { "messages": [{ "text": "Hello", "refused": false }] },
            "mentions": [{ "table": "messages", "column": "text", "id": Uuid::nil(), "text": "x" }],
        });
        let read = SubjectExport::parse_from_json(Some(document.clone())).unwrap();
        assert_eq!(read.to_json(), Some(document));
    }
}
