//! Who may go on: operators' blocks, limits, and the number of connections, with the headers that tell callers where they stand.
//!
//! Stands inside of CORS, so that a widget can read a refusal, and outside of the problems, so that every answer of a call has the
//! headers. Whoever asks is found out here, once; the handler's extractors take the same answer.
use domain::{
    Error,
    error::Kind,
    limits::{CONNECTIONS, Class, Gate, Line, Passage, Refusal, Request as Asked, STREAMS, Who},
    tenancy::Principal,
};
use futures::StreamExt;
use poem::{
    Body, Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use std::{fmt::Write as _, sync::Arc};
use uuid::Uuid;

use super::{
    Anonymous, ClientAddress, RequestId, Spent, context,
    operations::{self, Operation},
};
use crate::{
    Context,
    connections::Connection,
    error::Failure,
    extractors::{Identity, bearer},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// The number of zero bits, a space, and the challenge.
const CHALLENGE: HeaderName = HeaderName::from_static("omniops-challenge");
/// The challenge, a colon, and the number that solves it.
const PROOF: HeaderName = HeaderName::from_static("omniops-proof");

/// Holds a request against what its caller may ask for.
pub async fn rate<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    let context = context(&req)?;
    let address = ClientAddress::of(&req).map(ClientAddress::ip);
    if address.is_some_and(|address| context.blocks.contains(address)) && !is_operator(&req, &context) {
        let error = Error::new(
            Kind::Forbidden,
            "address_blocked",
            "the operator has blocked this address",
        );
        let refusal = Refusal {
            error,
            challenge: None,
            line: None,
        };
        return Ok(refused(&id_of(&req), None, refusal, &[]));
    }
    let found = operations::find(req.method(), req.uri().path());
    let (Some(gate), Some(operation)) = (&context.gate, found) else {
        return next.call(req).await;
    };
    let client = ClientAddress::of(&req);
    let group = client.and_then(|client| gate.group(client.ip(), client.hides_others()));
    let who = match who(&mut req, &context, gate, operation, group.as_deref()).await {
        Ok(Some(who)) => who,
        // Nobody knows, for want of the database: the handler says so.
        Ok(None) => return next.call(req).await,
        Err(refusal) => return Ok(refused(&id_of(&req), Some(operation), refusal, &[])),
    };
    let present = match attend(&req, &context, &who, group.as_ref(), operation) {
        Ok(present) => present,
        Err(refusal) => {
            let mut response = refused(&id_of(&req), Some(operation), refusal, &[]);
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
            return Ok(response);
        }
    };
    if let (true, Some(group)) = (who.is_anonymous(), &group) {
        req.set_data(Anonymous(group.clone()));
    }
    let proof = req.headers().get(PROOF).and_then(|value| value.to_str().ok());
    let proof = proof.map(str::to_owned);
    let asked = Asked {
        class: operation.class,
        changes: false,
        who: &who,
        group: group.as_deref(),
        proof: proof.as_deref(),
    };
    let id = id_of(&req);
    let later = operation.starts && !who.is_anonymous();
    let mut lines = Vec::new();
    if !later {
        let passage = gate.check(&asked).await;
        if let Some(refusal) = passage.refusal {
            return Ok(refused(&id, Some(operation), refusal, &passage.lines));
        }
        lines = passage.lines;
    }
    let spent = Spent::of(later);
    req.set_data(spent.clone());
    let mut response = next.call(req).await?;
    if spent.owed() {
        let Passage { lines, refusal } = gate.check(&asked).await;
        if let Some(refusal) = refusal {
            return Ok(refused(&id, Some(operation), refusal, &lines));
        }
        tell(response.headers_mut(), &lines);
        return Ok(response);
    }
    lines.append(&mut spent.lines());
    tell(response.headers_mut(), &lines);
    Ok(match present {
        Some(present) => stays(response, present),
        None => response,
    })
}

fn is_operator(req: &Request, context: &Context) -> bool {
    bearer(req).is_some_and(|token| context.admin_token.is(token))
}

/// Who asks, which is noted for the extractors; none while the database is away.
async fn who(
    req: &mut Request,
    context: &Context,
    gate: &Gate,
    operation: &Operation,
    group: Option<&str>,
) -> std::result::Result<Option<Who>, Refusal> {
    let shows = [header::AUTHORIZATION, header::COOKIE]
        .iter()
        .any(|name| req.headers().contains_key(name));
    if !operation.has_credential || !shows {
        return Ok(Some(Who::Stranger));
    }
    if bearer(req).is_some_and(|token| context.cron_secret.is(token)) {
        let actor = "cron".to_owned();
        return Ok(Some(Who::User { actor, customer: None }));
    }
    if let Some(group) = group
        && !is_operator(req, context)
        && let Some(refusal) = gate.before_lookup(operation.class, group)
    {
        return Err(refusal);
    }
    let identity = Identity::find(req).await;
    let who = match identity.principal() {
        Ok(Principal::Visitor(session)) => Some(Who::Visitor {
            customer: session.customer,
            session: session.session,
        }),
        Ok(principal) => Some(who_of(principal, named_customer(req))),
        Err(error) if *error.kind() == Kind::Unauthorized => {
            if let Some(group) = group {
                gate.failed_lookup(group);
            }
            Some(Who::Stranger)
        }
        Err(error) if *error.kind() == Kind::Forbidden => Some(Who::Stranger),
        // Whoever comes now waits for the database, which each address may do a few times only.
        Err(_) => {
            if let Some(group) = group {
                gate.failed_lookup(group);
            }
            None
        }
    };
    req.set_data(identity);
    Ok(who)
}

/// A key, or somebody who administers and acts for `customer`, if that is theirs: nobody spends another's limits.
fn who_of(principal: &Principal, customer: Option<Uuid>) -> Who {
    let customer = customer.filter(|id| principal.reach().is_some_and(|reach| reach.covers(*id)));
    let actor = principal.actor();
    match principal {
        Principal::Key { customer, .. } => {
            let customer = customer.id;
            Who::Key { actor, customer }
        }
        _ => Who::User { actor, customer },
    }
}

/// The customer that an administrator acts for.
fn named_customer(req: &Request) -> Option<Uuid> {
    let query = req.uri().query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, id) = pairs.find(|(name, _)| name == "customer_id")?;
    id.parse().ok()
}

/// Counts a stranger's connection, or behind a proxy the request as one; what is returned is held until the answer has ended.
fn attend(
    req: &Request,
    context: &Context,
    who: &Who,
    group: Option<&String>,
    operation: &Operation,
) -> std::result::Result<Option<Arc<Connection>>, Refusal> {
    let class = operation.class;
    let own = req.data::<Arc<Connection>>().cloned();
    if !who.is_anonymous() {
        if let (Some(own), Some(gate)) = (own, &context.gate)
            && !own.vouched(&context.known, whose(who))
        {
            return Err(gate.too_many_of_customer(class));
        }
        return follow(context, who, operation);
    }
    let (Some(gate), Some(group)) = (&context.gate, group) else {
        return Ok(None);
    };
    if class == Class::Probe {
        return Ok(None);
    }
    let proxied = own.is_none();
    match own.or_else(|| context.connections.enter(group.clone())) {
        Some(connection) if !connection.is_surplus() => Ok(proxied.then_some(connection)),
        _ => Err(gate.too_many_connections(class)),
    }
}

/// Counts a stream that somebody with a credential follows: connections are not counted for these, and streams stand for long.
fn follow(
    context: &Context,
    who: &Who,
    operation: &Operation,
) -> std::result::Result<Option<Arc<Connection>>, Refusal> {
    let (Some(gate), true) = (&context.gate, operation.is_followed()) else {
        return Ok(None);
    };
    match context.streams.enter(whose(who)) {
        Some(stream) if !stream.is_surplus() => Ok(Some(stream)),
        _ => Err(gate.too_many_streams(operation.class)),
    }
}

/// The customer whose connections and streams somebody's with a credential are, or whoever acts for none.
fn whose(who: &Who) -> String {
    match who {
        Who::Key { customer, .. }
        | Who::User {
            customer: Some(customer),
            ..
        } => customer.to_string(),
        Who::User { actor, .. } => actor.clone(),
        Who::Stranger | Who::Visitor { .. } => String::new(),
    }
}

/// An answer that is a stream of events is there until it ends.
fn stays(mut response: Response, present: Arc<Connection>) -> Response {
    if !response
        .content_type()
        .is_some_and(|kind| kind.starts_with("text/event-stream"))
    {
        return response;
    }
    let stream = response.take_body().into_bytes_stream();
    response.set_body(Body::from_bytes_stream(stream.map(move |piece| {
        let _present = &present;
        piece
    })));
    response
}

fn id_of(req: &Request) -> String {
    req.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

fn refused(id: &str, operation: Option<&Operation>, refusal: Refusal, lines: &[Line]) -> Response {
    let mut response = Failure::from(refusal.error).response(id);
    if let Some(operation) = operation {
        response.set_data(operation.pattern.clone());
    }
    let reached: Vec<Line> = refusal.line.as_deref().into_iter().chain(lines).copied().collect();
    tell(response.headers_mut(), &reached);
    let challenge = refusal
        .challenge
        .map(|challenge| format!("{} {}", challenge.bits, challenge.text));
    if let Some(value) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(CHALLENGE, value);
    }
    response
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): what each limit gives, what is left of it, and in how many
/// seconds all of it is there again.
fn tell(headers: &mut HeaderMap, lines: &[Line]) {
    let (mut policy, mut state) = (String::new(), String::new());
    for Line { name, rate, left } in lines {
        let separator = if policy.is_empty() { "" } else { ", " };
        let full_in = left.full_in.as_micros().div_ceil(1_000_000);
        // A String takes everything that is written to it.
        let _ = write!(policy, "{separator}\"{name}\";q={}", rate.quota());
        if ![CONNECTIONS, STREAMS].contains(name) {
            let _ = write!(policy, ";w={}", rate.period().as_secs());
        }
        let _ = write!(state, "{separator}\"{name}\";r={};t={full_in}", left.remaining);
    }
    for (name, text) in [(POLICY, policy), (STATE, state)] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(&text)) {
            headers.insert(name, value);
        }
    }
}
