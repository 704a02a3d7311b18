//! A provider whose model does what any text tells it, whoever wrote the text: what checks of answers must stand up to.
//!
//! It reads its prompt as a model would, over marks and line breaks, and where it finds what a case plants, it says what the case
//! wants said, with what it knows put in: `{system}` (its instructions), `{question}`, `{prompt}` (all of it), `{mark}` (what sets
//! data apart). Possessed, it says so whatever it reads. Else it is honest and repeats the first passage.
use poem::{Endpoint, IntoResponse, Request, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

use crate::local::Local;

/// What the model obeys.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// A part of the text that it obeys, found by its letters and digits alone.
    pub trigger: String,
    /// What it says then.
    pub says: String,
    /// It says so in any case.
    pub possessed: bool,
}

#[derive(Default)]
struct State {
    orders: Mutex<Orders>,
    said: Mutex<String>,
}

/// The stub; it ends when it is dropped.
pub struct Obedient {
    state: Arc<State>,
    server: Local,
}

impl Obedient {
    /// Starts the provider.
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let server = Local::serve(Model(state.clone())).await;
        Self { state, server }
    }

    /// What `OPENAI_BASE_URL` is set to.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address)
    }

    /// Obeys these from now on.
    pub fn obey(&self, orders: Orders) {
        *lock(&self.state.orders) = orders;
    }

    /// What the model says to a prompt that takes no care: instructions and all texts as they are.
    pub fn unguarded(&self, instructions: &str, texts: &str) -> String {
        let messages = json!([{ "role": "system", "content": instructions }, { "role": "user", "content": texts }]);
        answer(&json!({ "messages": messages }), &lock(&self.state.orders))
    }

    /// What the model said last, before anybody checked it.
    pub fn said(&self) -> String {
        lock(&self.state.said).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Model(Arc<State>);

impl Endpoint for Model {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body: Value = request.take_body().into_json().await.unwrap_or(Value::Null);
        let said = answer(&body, &lock(&self.0.orders));
        lock(&self.0.said).clone_from(&said);
        // As tokens come: in small pieces, cut anywhere.
        let letters: Vec<char> = said.chars().collect();
        let delta =
            |piece: &[char]| json!({ "choices": [{ "delta": { "content": piece.iter().collect::<String>() } }] });
        let mut events: Vec<String> = letters.chunks(4).map(|piece| delta(piece).to_string()).collect();
        let call = json!([{ "index": 0, "function": { "name": "refund", "arguments": "{}" } }]);
        if said.contains("tool") {
            events.push(json!({ "choices": [{ "delta": { "tool_calls": call } }] }).to_string());
        }
        let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
        let usage = json!({ "choices": [], "usage": { "prompt_tokens": 100, "completion_tokens": letters.len() } });
        events.extend([end.to_string(), usage.to_string(), "[DONE]".to_owned()]);
        let stream: String = events.iter().flat_map(|event| ["data: ", event, "\n\n"]).collect();
        Ok(Response::builder()
            .content_type("text/event-stream")
            .body(stream)
            .into_response())
    }
}

/// What an obedient model says to a request.
fn answer(body: &Value, orders: &Orders) -> String {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let content = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let all: Vec<String> = messages.iter().map(content).collect();
    let system = all.first().cloned().unwrap_or_default();
    let mark = system
        .split('"')
        .find_map(|part| part.strip_suffix('|'))
        .unwrap_or("the mark")
        .to_owned();
    let read = letters(&all.join("\n").replace(&format!("{mark}|"), " "));
    if orders.possessed || read.contains(&letters(&orders.trigger)) {
        let last = all.last().cloned().unwrap_or_default();
        let question = last.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return orders
            .says
            .replace("{system}", &system)
            .replace("{prompt}", &all.join("\n"))
            .replace("{question}", question)
            .replace("{mark}", &mark);
    }
    let passage = all.last().cloned().unwrap_or_default();
    let lines = passage
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{mark}| ")));
    let text = lines
        .into_iter()
        .find(|line| line.contains('.'))
        .and_then(|line| line.split(". ").next());
    text.map_or_else(
        || "NO_ANSWER".to_owned(),
        |text| format!("{} [1].", text.trim_end_matches('.')),
    )
}

/// Letters and digits, with those that tag characters spell.
fn letters(text: &str) -> String {
    let spelled = |c: char| match c {
        '\u{e0020}'..='\u{e007e}' => char::from_u32(c as u32 - 0xe_0000).unwrap_or(c),
        c => c,
    };
    let read = text.chars().map(spelled).filter(|c| c.is_alphanumeric());
    read.flat_map(char::to_lowercase).collect()
}
