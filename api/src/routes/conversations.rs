//! Conversations: listed, searched, read and followed.
use domain::{
    Error,
    answering::{self, messages, notes},
    people::{self, Event, Filter, Follower, Place, State, Telling},
};
use entity::message;
use futures::{Stream, StreamExt, stream};
use poem::{
    Request,
    web::{Data, sse},
};
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    chat::failed,
    receipts::Spent,
    sse::{Events, event},
};
use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Conversations, List, Listener, Paging},
    middleware::RequestId,
    openapi::Tag,
};

/// Who has the word.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub enum StateName {
    Bot,
    Waiting,
    Human,
    Closed,
}

impl From<StateName> for State {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Bot => Self::Bot,
            StateName::Waiting => Self::Waiting,
            StateName::Human => Self::Human,
            StateName::Closed => Self::Closed,
        }
    }
}

impl From<State> for StateName {
    fn from(state: State) -> Self {
        match state {
            State::Bot => Self::Bot,
            State::Waiting => Self::Waiting,
            State::Human => Self::Human,
            State::Closed => Self::Closed,
        }
    }
}

#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum Rated {
    Up,
    Down,
}

/// A conversation, as people see it.
#[derive(Debug, Object)]
pub struct Conversation {
    id: Uuid,
    session_id: Uuid,
    /// `bot` answers; a person is waited for (`waiting`) or has the word (`human`): the bot is silent; or it is `closed`
    /// until the visitor writes again.
    state: StateName,
    /// What brought it to its state: `asked`, `said`, `withdrawn`, `taken`, `released`, `closed`, `reopened` or `unanswered`.
    #[oai(nullable)]
    reason: Option<String>,
    /// The person who has the word.
    #[oai(nullable)]
    agent: Option<String>,
    /// Since when the visitor waits for a person.
    #[oai(nullable)]
    waiting_since: Option<OffsetDateTime>,
    /// Nobody came in time: the visitor was told, and the bot answers again.
    overdue: bool,
    /// Since when the visitor has no answer from a person.
    #[oai(nullable)]
    unanswered_since: Option<OffsetDateTime>,
    /// Where the visitor wants to be answered.
    #[oai(nullable)]
    email: Option<String>,
    /// The language that the visitor wrote in last (ISO 639-1), if that is known.
    #[oai(nullable)]
    locale: Option<String>,
    messages: i64,
    /// Answers that the bot refused.
    refused: i64,
    feedback: Thumbs,
    #[oai(nullable)]
    last_message: Option<LastMessage>,
    created_at: OffsetDateTime,
    /// When something last happened.
    updated_at: OffsetDateTime,
}

/// How often visitors thought so.
#[derive(Debug, Object)]
struct Thumbs {
    up: i64,
    down: i64,
}

/// What was written last.
#[derive(Debug, Object)]
struct LastMessage {
    role: String,
    /// Its first 200 characters.
    text: String,
}

impl From<people::Conversation> for Conversation {
    fn from(row: people::Conversation) -> Self {
        Self {
            id: row.id,
            session_id: row.session_id,
            state: row.state.parse().unwrap_or(State::Bot).into(),
            reason: row.reason,
            agent: row.agent,
            waiting_since: row.waiting_since,
            overdue: row.overdue,
            unanswered_since: row.unanswered_since,
            email: row.email,
            locale: row.locale,
            messages: row.messages,
            refused: row.refused,
            feedback: Thumbs {
                up: row.up,
                down: row.down,
            },
            last_message: row
                .last_role
                .zip(row.last_text)
                .map(|(role, text)| LastMessage { role, text }),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// How a conversation stands, for the visitor whose it is.
#[derive(Debug, Object)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the contract's flags, each of which stands by itself"
)]
pub struct Standing {
    id: Uuid,
    state: StateName,
    /// The person who has the word.
    #[oai(nullable)]
    agent: Option<String>,
    /// Nobody came in time: the bot answers again, and people still know.
    overdue: bool,
    /// Whether people are there at this hour.
    staffed: bool,
    /// Whether an address of the visitor is known.
    email_known: bool,
    /// The bot has failed twice in a row: offer a person.
    offer_human: bool,
    /// The last event; what to follow after.
    last_event_id: i64,
    /// What its answers cost so far. Visitors are not told.
    #[oai(nullable)]
    usage: Option<Spent>,
}

/// What a visitor may know of the own conversation.
pub async fn standing(
    context: &Context,
    tx: &domain::tenancy::TenantTx,
    listener: &Listener,
    id: Uuid,
) -> domain::Result<Standing> {
    let found = people::find(tx, id, listener.session).await?;
    let settings = people::HandoffSettings::of(&listener.customer);
    let state: State = found.state.parse()?;
    let usage = match listener.session {
        None => Some(answering::spent(tx, id).await?.into()),
        Some(_) => None,
    };
    Ok(Standing {
        id,
        state: state.into(),
        agent: found.agent,
        overdue: found.overdue,
        staffed: settings.staffed(context.clock.now()),
        email_known: found.email.is_some(),
        offer_human: settings.enabled && state == State::Bot && found.failing,
        last_event_id: found.last_event,
        usage,
    })
}

/// One turn of a conversation.
#[derive(Debug, Object)]
pub struct Message {
    id: Uuid,
    /// `visitor`, `assistant` or `human`.
    role: String,
    text: String,
    /// The person's name, of a `human`'s turn.
    #[oai(nullable)]
    name: Option<String>,
    /// The pages that an answer rests on.
    sources: Value,
    refused: bool,
    /// Of an answer, as `POST /api/chat` tells them.
    notes: Vec<String>,
    /// `up` or `down`.
    #[oai(nullable)]
    feedback: Option<String>,
    /// What was missing, in the visitor's words.
    #[oai(nullable)]
    feedback_reason: Option<String>,
    created_at: OffsetDateTime,
}

impl From<(message::Model, Vec<String>)> for Message {
    fn from((row, notes): (message::Model, Vec<String>)) -> Self {
        Self {
            id: row.id,
            role: row.role,
            text: row.text,
            name: row.author,
            sources: row.sources,
            refused: row.refused,
            notes,
            feedback: row.feedback,
            feedback_reason: row.feedback_reason,
            created_at: row.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum Followed {
    /// `message` {`conversation_id`, at, message} and `state` {`conversation_id`, at, state, from, reason, name}, with `id`s. It ends
    /// after a quarter of an hour: come back after `retry`, with `Last-Event-ID`.
    #[oai(status = 200)]
    Ok(Events),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List and search conversations, the one where something last happened first
    #[oai(
        path = "/api/conversations",
        method = "get",
        tag = "Tag::People",
        operation_id = "list_conversations"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the contract")]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Conversations>,
        /// With a message that has these words: `"a phrase"`, `or` and `-not` mean what they mean in a web search.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        state: Query<Option<StateName>>,
        /// With an answer that a visitor rated so.
        feedback: Query<Option<Rated>>,
        /// Where something happened at this moment or later.
        from: Query<Option<OffsetDateTime>>,
        /// Where something last happened before this moment.
        to: Query<Option<OffsetDateTime>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Conversation>>> {
        let paging = Paging::<Place>::of(limit.0, cursor.0.as_deref())?;
        let filter = Filter {
            words: q.0,
            state: state.0.map(Into::into),
            feedback: feedback.0.map(|rated| match rated {
                Rated::Up => "up",
                Rated::Down => "down",
            }),
            from: from.0,
            to: to.0,
            after: paging.after,
        };
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = people::list(&tx, &filter, paging.rows()).await?;
        Ok(Json(paging.list(rows, people::Conversation::place)))
    }

    /// Read how a conversation stands
    #[oai(
        path = "/api/conversations/:id",
        method = "get",
        tag = "Tag::People",
        operation_id = "get_conversation"
    )]
    async fn get(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] listener: Listener,
        id: Path<Uuid>,
    ) -> Answer<Json<Standing>> {
        let tx = context.db.tenant_read(&listener.customer).await?;
        Ok(Json(standing(&context, &tx, &listener, id.0).await?))
    }

    /// Read a conversation, newest turn first
    #[oai(
        path = "/api/conversations/:id/messages",
        method = "get",
        tag = "Tag::People",
        operation_id = "list_messages"
    )]
    async fn messages(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] listener: Listener,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Message>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&listener.customer).await?;
        let rows = messages(&tx, id.0, listener.session, paging.after, paging.rows()).await?;
        let mut notes = notes(&tx, rows.iter().map(|row| row.id).collect()).await?;
        let with_notes = rows.into_iter().map(|row| {
            let own = notes.remove(&row.id).unwrap_or_default();
            (row, own)
        });
        Ok(Json(paging.list(with_notes.collect(), |(row, _)| row.id)))
    }

    /// Follow a conversation: its turns, and who has the word
    #[oai(
        path = "/api/conversations/:id/events",
        method = "get",
        tag = "Tag::People",
        operation_id = "follow_conversation"
    )]
    async fn events(
        &self,
        req: &Request,
        context: Data<&Context>,
        #[oai(name = "customer_id")] listener: Listener,
        id: Path<Uuid>,
        /// Go on after this event; without it, from the first one.
        #[oai(name = "Last-Event-ID")]
        last: Header<Option<i64>>,
    ) -> Answer<Followed> {
        let after = last.0.unwrap_or(0);
        if after < 0 {
            return Err(Error::invalid("Last-Event-ID", "must be the id of an event").into());
        }
        let tx = context.db.tenant_read(&listener.customer).await?;
        people::find(&tx, id.0, listener.session).await?;
        tx.commit().await?;
        let request_id = req.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let follower = Follower::new(&context.live, &context.db, &listener.customer, id.0, after);
        let stopping = context.life.stopping();
        let told = follow(follower, id.0, request_id).take_until(stopping.cancelled_owned());
        Ok(Followed::Ok(Events::resumable(told)))
    }
}

/// What the follower tells, until it fails.
fn follow(follower: Follower, conversation: Uuid, request_id: String) -> impl Stream<Item = sse::Event> + Send {
    stream::unfold(Some(follower), move |follower| {
        let request_id = request_id.clone();
        async move {
            let mut follower = follower?;
            match follower.next().await {
                Ok(told) => Some((sent(conversation, told), Some(follower))),
                Err(error) => Some((failed(error, &request_id), None)),
            }
        }
    })
}

fn sent(conversation: Uuid, told: Event) -> sse::Event {
    let at = told.at.format(&Rfc3339).unwrap_or_default();
    let (kind, data) = match told.telling {
        Telling::Message {
            id,
            role,
            text,
            author,
            sources,
            refused,
        } => {
            let message =
                json!({ "id": id, "role": role, "text": text, "name": author, "sources": sources, "refused": refused });
            (
                "message",
                json!({ "conversation_id": conversation, "at": at, "message": message }),
            )
        }
        Telling::State(mut data) => {
            if let Some(data) = data.as_object_mut() {
                data.insert("conversation_id".to_owned(), conversation.to_string().into());
                data.insert("at".to_owned(), at.into());
            }
            ("state", data)
        }
    };
    event(kind, &data).id(told.id.to_string())
}
