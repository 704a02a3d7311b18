//! Visitors who ask for a person, and people who answer.
use domain::{
    jobs::{self, Operator},
    people::{self, Reply, Request as Wish},
    tenancy::{Customer, TenantTx},
};
use entity::message;
use poem::{Request, web::Data};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    consent::heed,
    conversations::{Message, Standing, standing},
};
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Conversations, Listener, Visitor},
    openapi::Tag,
};

/// What a visitor says when asking for a person.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct HandoffRequest {
    /// Where the answer may go when the visitor has left.
    #[oai(nullable, validator(max_length = 254))]
    email: Option<String>,
    /// What it is about; becomes a turn of the conversation.
    #[oai(nullable, validator(max_length = 2000))]
    message: Option<String>,
}

/// A person's turn.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewReply {
    #[oai(validator(min_length = 1, max_length = 8000))]
    text: String,
    /// The person's name, which the visitor reads; without one, the customer's.
    #[oai(nullable, validator(max_length = 80))]
    name: Option<String>,
    /// Takes the conversation from the person who has it; otherwise that is 409 `conversation_taken`.
    #[oai(nullable)]
    take_over: Option<bool>,
}

/// Who takes a conversation.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Taking {
    /// The person's name, which the visitor reads; without one, the customer's.
    #[oai(nullable, validator(max_length = 80))]
    name: Option<String>,
    /// Takes the conversation from the person who has it; otherwise that is 409 `conversation_taken`.
    #[oai(nullable)]
    take_over: Option<bool>,
}

#[derive(ApiResponse)]
enum Replied {
    /// The turn; the visitor's widget shows it.
    #[oai(status = 201)]
    Written(Json<Message>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Ask for a person
    ///
    /// The bot is silent until a person comes, or the wait is over. Asked again, it changes nothing but the address, and adds the
    /// message. 403 `handoff_disabled` where the customer hands nothing over; 429 `handoff_too_often` after five times in an hour.
    #[oai(
        path = "/api/conversations/:id/handoff",
        method = "post",
        tag = "Tag::People",
        operation_id = "ask_for_human"
    )]
    async fn ask(
        &self,
        req: &Request,
        context: Data<&Context>,
        visitor: Visitor,
        id: Path<Uuid>,
        body: Body<HandoffRequest>,
    ) -> Answer<Json<Standing>> {
        let wish = Wish {
            email: body.0.email,
            message: body.0.message,
        };
        let session = visitor.session.session;
        let listener = Listener::from(visitor);
        let tx = context.db.tenant(&listener.customer).await?;
        heed(req, &tx, session).await?;
        people::ask(&tx, &listener.customer, id.0, listener.session, &wish).await?;
        keep(&context, tx, &listener, id.0).await
    }

    /// Go on with the bot, without a person
    #[oai(
        path = "/api/conversations/:id/handoff/cancel",
        method = "post",
        tag = "Tag::People",
        operation_id = "withdraw_handoff"
    )]
    async fn withdraw(
        &self,
        req: &Request,
        context: Data<&Context>,
        visitor: Visitor,
        id: Path<Uuid>,
    ) -> Answer<Json<Standing>> {
        let session = visitor.session.session;
        let listener = Listener::from(visitor);
        let tx = context.db.tenant(&listener.customer).await?;
        heed(req, &tx, session).await?;
        people::withdraw(&tx, &listener.customer, id.0, listener.session).await?;
        keep(&context, tx, &listener, id.0).await
    }

    /// Reply as a person
    ///
    /// Whoever replies has the word from then on, and the bot is silent.
    #[oai(
        path = "/api/conversations/:id/messages",
        method = "post",
        tag = "Tag::People",
        operation_id = "reply"
    )]
    async fn reply(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: Body<NewReply>,
    ) -> Answer<Replied> {
        let reply = Reply {
            text: body.0.text,
            name: body.0.name,
            take_over: body.0.take_over.unwrap_or_default(),
        };
        let asked = json!({ "conversation": id.0, "reply": body.1 });
        let key = key.0.as_deref().map(|key| (key, jobs::request_hash("reply", &asked)));
        let row = write(&context, &caller, id.0, key, &reply).await?;
        context.bell.ring(&caller.customer, id.0).await;
        // A person's turn has no notes of the answerer.
        Ok(Replied::Written(Json((row, Vec::new()).into())))
    }

    /// Take a conversation as a person
    #[oai(
        path = "/api/conversations/:id/take",
        method = "post",
        tag = "Tag::People",
        operation_id = "take_conversation"
    )]
    async fn take(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
        body: Body<Taking>,
    ) -> Answer<Json<Standing>> {
        let (name, take_over) = (body.0.name, body.0.take_over.unwrap_or_default());
        let tx = context.db.tenant(&caller.customer).await?;
        let actor = caller.principal.actor();
        people::take(
            &tx,
            &caller.customer,
            id.0,
            name.as_deref(),
            take_over,
            by(&caller, &actor),
        )
        .await?;
        done(&context, tx, &caller.customer, id.0).await
    }

    /// Give a conversation back to the bot
    #[oai(
        path = "/api/conversations/:id/release",
        method = "post",
        tag = "Tag::People",
        operation_id = "release_conversation"
    )]
    async fn release(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
    ) -> Answer<Json<Standing>> {
        let tx = context.db.tenant(&caller.customer).await?;
        let actor = caller.principal.actor();
        people::release(&tx, &caller.customer, id.0, by(&caller, &actor)).await?;
        done(&context, tx, &caller.customer, id.0).await
    }

    /// Close a conversation; the visitor's next message opens it again, for the bot
    #[oai(
        path = "/api/conversations/:id/close",
        method = "post",
        tag = "Tag::People",
        operation_id = "close_conversation"
    )]
    async fn close(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        id: Path<Uuid>,
    ) -> Answer<Json<Standing>> {
        let tx = context.db.tenant(&caller.customer).await?;
        let actor = caller.principal.actor();
        people::close(&tx, &caller.customer, id.0, by(&caller, &actor)).await?;
        done(&context, tx, &caller.customer, id.0).await
    }
}

fn by<'a>(caller: &'a Caller<Conversations>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: caller.ip.as_deref(),
    }
}

/// [`keep`] for people, who are bound to no session.
async fn done(context: &Context, tx: TenantTx, customer: &Customer, id: Uuid) -> Answer<Json<Standing>> {
    let listener = Listener {
        customer: customer.clone(),
        session: None,
    };
    keep(context, tx, &listener, id).await
}

/// Writes the turn once per idempotency key.
async fn write(
    context: &Context,
    caller: &Caller<Conversations>,
    id: Uuid,
    key: Option<(&str, Vec<u8>)>,
    reply: &Reply,
) -> Answer<message::Model> {
    let tx = context.db.tenant(&caller.customer).await?;
    if let Some((key, hash)) = &key
        && let Some(answer) = jobs::replay(&tx, key, hash).await?
    {
        let written = answer.get("message_id").and_then(Value::as_str);
        let written: Option<Uuid> = written.and_then(|id| id.parse().ok());
        return Ok(people::turn(&tx, written.unwrap_or_default()).await?);
    }
    let actor = caller.principal.actor();
    let row = people::reply(&tx, &caller.customer, id, reply, by(caller, &actor)).await?;
    if let Some((key, _)) = key {
        jobs::remember(&tx, key, &json!({ "message_id": row.id })).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// Keeps what was done to a visitor's conversation, wakes whoever follows it, and says how it stands now.
async fn keep(context: &Context, tx: TenantTx, listener: &Listener, id: Uuid) -> Answer<Json<Standing>> {
    let now = standing(context, &tx, listener, id).await?;
    tx.commit().await?;
    context.bell.ring(&listener.customer, id).await;
    Ok(Json(now))
}
