//! Server-sent events (WHATWG HTML, section 9.2) as an answer of the contract.
use futures::Stream;
use poem::{
    IntoResponse, Response,
    web::sse::{Event, SSE},
};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef},
};
use std::time::Duration;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream of events. Dropping the connection drops the stream.
pub struct Events(SSE);

impl Events {
    /// Sends what `stream` yields, and comments in between.
    pub fn new(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(SSE::new(stream).keep_alive(KEEP_ALIVE))
    }
}

/// An event with a JSON body.
pub fn event(kind: &str, data: &serde_json::Value) -> Event {
    Event::message(data.to_string()).event_type(kind)
}

impl Payload for Events {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")))
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
