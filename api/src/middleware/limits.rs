//! Refusals before a handler runs: maintenance, requests that are too large, and URLs that no text column can hold; and the time that
//! a body and a handler may take.
//!
//! hyper refuses heads beyond its buffer by itself, without a body; what fits into that and is still too much is a problem like
//! any other here.
use bytes::Bytes;
use domain::{Error, error::Kind, limits::Class, tenancy::Principal};
use poem::{Endpoint, Request, Response, Result, http::StatusCode};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use zeroize::Zeroizing;

use super::{context, operations};
use crate::{error::Failure, extractors::Identity, pace::Pace};

/// Largest body of a request, in bytes; and of one that shows no valid credential, but for the news of shops.
const MAX_BODY: usize = 1 << 20;
const MAX_STRANGE: usize = 64 << 10;
/// Longest path with its query, in bytes.
const MAX_URL: usize = 8 << 10;
/// Largest head without its first line, in bytes, and lines of it at most.
const MAX_HEADERS: usize = 32 << 10;
const MAX_LINES: usize = 64;
/// Bodies that are being held, all together, in bytes.
const ALL_BODIES: usize = 64 << 20;
/// Those of all who show no credential, and of one address among them: who sends slowly keeps others of its kind out, and nobody else.
const STRANGERS: usize = ALL_BODIES / 2;
const ONE: usize = 2 << 20;
/// What answers everybody during maintenance as well: who administers has to be able to log in.
const ALWAYS: [&str; 4] = ["/api/health", "/api/metrics", "/api/admin", "/admin"];

/// The address of a request that shows no valid credential, if it counts: see `Gate::group`.
#[derive(Clone)]
pub struct Anonymous(pub String);

/// The room for bodies of one server. Cloning shares.
#[derive(Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    /// Of addresses that hold something.
    groups: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(ALL_BODIES, STRANGERS)
    }
}

impl Room {
    fn of(all: usize, strangers: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            strangers: Arc::new(Semaphore::new(strangers)),
            groups: Arc::default(),
        }
    }

    /// What a request has nothing of yet.
    fn enter(&self, stranger: Option<&Anonymous>) -> Held {
        let mut parts = vec![self.all.clone()];
        if let Some(Anonymous(group)) = stranger {
            parts.extend([self.strangers.clone(), self.group(group)]);
        }
        let parts = parts.into_iter().map(|part| (part, None)).collect();
        Held { parts }
    }

    fn group(&self, group: &str) -> Arc<Semaphore> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = groups.get(group).and_then(Weak::upgrade) {
            return known;
        }
        groups.retain(|_, part| part.strong_count() > 0);
        let new = Arc::new(Semaphore::new(ONE));
        groups.insert(group.to_owned(), Arc::downgrade(&new));
        new
    }
}

/// A request's parts of the room, given back when the request ends.
struct Held {
    parts: Vec<(Arc<Semaphore>, Option<OwnedSemaphorePermit>)>,
}

/// During maintenance everything but health and metrics is 503, for all but those who administer.
pub async fn maintenance<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    let path = req.uri().path();
    let open = ALWAYS.iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if open || !context(&req)?.maintenance || administers(&mut req).await {
        return next.call(req).await;
    }
    let kind = Kind::Unavailable {
        retry_after: Duration::from_hours(1),
    };
    Err(Failure::from(Error::new(kind, "maintenance", "the installation is being maintained")).into())
}

/// Whether the operator asks, or a person who has logged in. The limits have found out; without them it is found out here.
async fn administers(req: &mut Request) -> bool {
    let limited = context(req).is_ok_and(|context| context.gate.is_some());
    let takes = operations::find(req.method(), req.uri().path()).is_some_and(|operation| operation.has_credential);
    if !limited && takes {
        let identity = Identity::find(req).await;
        req.set_data(identity);
    }
    let who = req.data::<Identity>().map(Identity::principal);
    matches!(who, Some(Ok(Principal::Admin | Principal::User(_))))
}

/// Refuses heads that are longer than any of ours.
pub async fn head_limit<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let url = req.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > MAX_URL {
        let told = format!("path and query must have at most {MAX_URL} bytes");
        return Err(Failure::with_status(StatusCode::URI_TOO_LONG, "url_too_long", told).into());
    }
    let lengths = req
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    if req.headers().len() > MAX_LINES || lengths.sum::<usize>() > MAX_HEADERS {
        let told = format!("the headers must have at most {MAX_LINES} lines and {MAX_HEADERS} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Failure::with_status(status, "headers_too_large", told).into());
    }
    next.call(req).await
}

/// Postgres' texts have no NUL, so nothing that is looked for has one.
pub async fn no_nul<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let url = req.uri().path_and_query().map_or("", |url| url.as_str());
    if url.contains("%00") {
        return Err(Failure::from(Error::invalid("url", "contains a NUL (%00)")).into());
    }
    next.call(req).await
}

/// Reads the body, so that its size is known whatever its framing says, and so that handlers wait for no client.
pub async fn body_limit<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    let pace = req.data::<Pace>().copied().unwrap_or_default();
    let room = req.data::<Room>().cloned().unwrap_or_default();
    let held = room.enter(req.data::<Anonymous>());
    let (most, sent) = (most(&req), req.take_body().into_async_read());
    let (body, held) = match most {
        Some(most) => receive(sent, &pace, held, most).await?,
        None => (Vec::new(), held),
    };
    // There may be passwords in it: it is overwritten when its readers are done.
    req.set_body(Bytes::from_owner(Zeroizing::new(body)));
    let answer = tokio::time::timeout(pace.handler, next.call(req)).await;
    drop(held);
    answer.unwrap_or_else(|_| {
        let told = "the answer took too long; what was asked for may have been done";
        Err(Failure::with_status(StatusCode::GATEWAY_TIMEOUT, "timed_out", told).into())
    })
}

/// How large a request's body may be; none where nothing takes one: it is not read, and holds no room.
fn most(req: &Request) -> Option<usize> {
    let operation = operations::find(req.method(), req.uri().path())?;
    let strange = req.data::<Anonymous>().is_some() && operation.class != Class::Webhook;
    Some(if strange { MAX_STRANGE } else { MAX_BODY })
}

async fn receive(
    body: impl AsyncRead,
    pace: &Pace,
    mut held: Held,
    most: usize,
) -> std::result::Result<(Vec<u8>, Held), Failure> {
    const PIECE: usize = 16 << 10;
    let began = Instant::now();
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    loop {
        let earned = Duration::from_secs_f64(bytes.len() as f64 / f64::from(pace.body_rate));
        let deadline = began + (pace.body_start + earned).min(pace.body_total);
        let before = bytes.len();
        let read = async { (&mut body).take(PIECE as u64).read_buf(&mut bytes).await };
        let read = timeout_at(deadline, read).await.map_err(|_| {
            let told = "the body came too slowly";
            Failure::with_status(StatusCode::REQUEST_TIMEOUT, "body_too_slow", told)
        })?;
        let read = read.map_err(|_| {
            let told = "the body broke off or can't be read";
            Failure::with_status(StatusCode::BAD_REQUEST, "bad_request", told)
        })?;
        if read == 0 {
            return Ok((bytes, held));
        }
        if before + read > most {
            let told = format!("the body must have at most {most} bytes");
            return Err(Failure::with_status(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                told,
            ));
        }
        held.grow(read)?;
    }
}

impl Held {
    fn grow(&mut self, bytes: usize) -> std::result::Result<(), Failure> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        for (part, held) in &mut self.parts {
            let more = part.clone().try_acquire_many_owned(bytes).map_err(|_| {
                let told = "too many requests are being received";
                let retry_after = Duration::from_secs(1);
                Failure::from(Error::new(Kind::Unavailable { retry_after }, "busy", told))
            })?;
            match held {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn told<T>(result: std::result::Result<T, Failure>) -> (u16, String) {
        let failure = result.err().expect("a refusal");
        (failure.status().as_u16(), failure.problem("").code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_one_that_flows_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(64);
        let pace = Pace::default();
        let drip = async {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let room = Room::default();
        let began = Instant::now();
        let got = tokio::select! {
            got = receive(near, &pace, room.enter(None), MAX_BODY) => got,
            () = drip => unreachable!("the reader is there"),
        };
        assert_eq!(told(got), (408, "body_too_slow".into()));
        assert!(began.elapsed() < Duration::from_secs(11));

        let (near, mut far) = tokio::io::duplex(16 << 10);
        let flow = async {
            for _ in 0..24 {
                far.write_all(&vec![b'x'; 32 << 10]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            drop(far);
        };
        let (got, ()) = tokio::join!(receive(near, &pace, room.enter(None), MAX_BODY), flow);
        assert_eq!(got.ok().map(|(bytes, _)| bytes.len()), Some(24 << 15));
    }

    #[tokio::test]
    async fn what_is_held_at_once_is_bounded_and_given_back() {
        let room = Room::of(1000, 500);
        let pace = Pace::default();
        let all = async || receive(&[0u8; 600][..], &pace, room.enter(None), MAX_BODY).await;
        let first = all().await.ok();
        assert_eq!(told(all().await), (503, "busy".into()));
        drop(first);
        assert!(all().await.is_ok());
        let large = vec![0u8; MAX_BODY + 1];
        assert_eq!(
            told(receive(&large[..], &pace, Room::default().enter(None), MAX_BODY).await),
            (413, "body_too_large".into())
        );
    }

    #[tokio::test]
    async fn one_stranger_keeps_no_other_out_and_all_of_them_nobody_who_is_known() {
        let (room, pace) = (Room::of(8 << 20, 3 << 20), Pace::default());
        let body = vec![0u8; MAX_BODY];
        let send = async |from: &str| {
            let stranger = (!from.is_empty()).then(|| Anonymous(from.into()));
            receive(&body[..], &pace, room.enter(stranger.as_ref()), MAX_BODY).await
        };
        let mine = [send("a").await, send("a").await];
        assert!(mine.iter().all(Result::is_ok));
        assert_eq!(told(send("a").await), (503, "busy".into()), "one address has its part");
        let theirs = send("b").await;
        assert!(theirs.is_ok(), "and no more than that");
        assert_eq!(
            told(send("c").await),
            (503, "busy".into()),
            "all strangers together have theirs"
        );
        assert!(send("").await.is_ok(), "whoever shows a credential is not kept out");
        drop((mine, theirs));
        assert!(send("c").await.is_ok());
        assert!(room.groups.lock().unwrap().len() <= 2, "who holds nothing is forgotten");
    }
}
