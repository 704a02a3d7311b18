//! What visitors think of answers.
use domain::people::{self, Feedback};
use poem::{Request, web::Data};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Path};
use uuid::Uuid;

use super::consent::heed;
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Visitor},
    openapi::Tag,
};

#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum Rating {
    Up,
    Down,
    /// Takes the rating back.
    None,
}

/// A visitor's opinion.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Opinion {
    rating: Rating,
    /// What was missing. Left out, the one that was given with the same rating stays.
    #[oai(nullable, validator(max_length = 1000))]
    reason: Option<String>,
}

#[derive(ApiResponse)]
enum Noted {
    /// Noted.
    #[oai(status = 204)]
    Done,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Rate an answer, change that, or take it back
    #[oai(
        path = "/api/messages/:id/feedback",
        method = "post",
        tag = "Tag::Chat",
        operation_id = "rate_message"
    )]
    async fn rate(
        &self,
        req: &Request,
        context: Data<&Context>,
        visitor: Visitor,
        id: Path<Uuid>,
        body: Body<Opinion>,
    ) -> Answer<Noted> {
        let feedback = match body.0.rating {
            Rating::Up => Feedback::Up,
            Rating::Down => Feedback::Down,
            Rating::None => Feedback::Withdrawn,
        };
        let (customer, session) = (&visitor.customer, visitor.session.session);
        let tx = context.db.tenant(customer).await?;
        heed(req, &tx, session).await?;
        let changed = people::rate(&tx, customer, id.0, session, feedback, body.0.reason.as_deref()).await?;
        tx.commit().await?;
        if changed {
            context.dispatcher.wake();
        }
        Ok(Noted::Done)
    }
}
