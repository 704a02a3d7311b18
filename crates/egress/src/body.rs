//! Reads a body to its end, decompressed, and never further than a limit.
//!
//! Decompression happens here and not in the HTTP library, because both ends of it must be counted: what comes out (a
//! bomb), and what goes in (an endless stream that decodes to nothing).

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};
use tokio_util::io::StreamReader;

/// What the request says it can decode.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, br, deflate";

/// Room for the output of one decoding step; the most that is decoded beyond the limit.
const STEP: usize = 16 * 1024;

/// How far a body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Decoded bytes.
    pub bytes: usize,
    /// Whether a longer body is cut there; else it is refused.
    pub cut: bool,
}

/// A body that is read: its decoded bytes, and how many came over the wire.
#[derive(Default)]
pub(crate) struct Body {
    pub bytes: Bytes,
    pub wire_bytes: u64,
}

/// Why a body is not read.
pub(crate) enum Failure {
    TooLarge,
    Silent,
    Encoding(String),
    Broken(io::Error),
}

/// These travel through the decoders as an `io::Error`, to be recognised at the other end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the body is longer than the limit")]
    TooLarge,
    #[error("the body stopped coming")]
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
    Zlib,
}

/// Reads a body to its end or bound, with no longer a pause than `silence`. Trailers are dropped.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    bound: Bound,
    silence: Duration,
) -> Result<Body, Failure> {
    let coding = coding(headers).map_err(Failure::Encoding)?;
    let wire_limit = wire_limit(bound, coding);
    if !bound.cut && body.size_hint().lower() > wire_limit {
        return Err(Failure::TooLarge);
    }
    let wire = AtomicU64::new(0);
    let mut chunks = Box::pin(pieces(body, silence).map(|piece| {
        let piece = piece?;
        let total = wire.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        if total > wire_limit {
            Err(io::Error::other(Stop::TooLarge))
        } else {
            Ok(piece)
        }
    }));
    // An empty body is complete, although it is no valid gzip stream.
    let bytes = match chunks.next().await {
        None => Bytes::new(),
        Some(first) => {
            let chunks = futures::stream::iter([first]).chain(chunks);
            read_to_end(decoder(coding, chunks), bound).await?
        }
    };
    Ok(Body {
        bytes,
        wire_bytes: wire.load(Ordering::Relaxed),
    })
}

/// The body as it comes, until it ends or pauses for too long.
fn pieces(body: Incoming, silence: Duration) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::unfold(BodyDataStream::new(body), move |mut body| async move {
        let piece = match timeout(silence, body.next()).await {
            Ok(None) => return None,
            Ok(Some(piece)) => piece.map_err(io::Error::other),
            Err(_) => Err(io::Error::other(Stop::Silent)),
        };
        Some((piece, body))
    })
}

/// Compression of data that cannot be compressed adds well under one part in 64 and a header. Of a body that is cut more may have
/// come than is taken.
fn wire_limit(bound: Bound, coding: Coding) -> u64 {
    const AHEAD: u64 = 1024 * 1024;
    let limit = bound.bytes as u64 + if bound.cut { AHEAD } else { 0 };
    match coding {
        Coding::Identity => limit,
        Coding::Gzip | Coding::Brotli | Coding::Zlib => limit + limit / 64 + 1024,
    }
}

/// The one coding of the body. Several (`gzip, gzip`) multiply a bomb's power and have no honest use: refused.
fn coding(headers: &HeaderMap) -> Result<Coding, String> {
    let mut found = Coding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for name in value.split(',').map(str::trim) {
            let coding = match name {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "br" => Coding::Brotli,
                "deflate" => Coding::Zlib,
                other => return Err(format!("the content encoding `{other}` is unknown")),
            };
            if found != Coding::Identity {
                return Err("several content encodings, one in the other".to_owned());
            }
            found = coding;
        }
    }
    Ok(found)
}

fn decoder<'a>(
    coding: Coding,
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'a,
) -> Pin<Box<dyn AsyncRead + Send + 'a>> {
    let reader = StreamReader::new(Box::pin(chunks));
    match coding {
        Coding::Identity => Box::pin(reader),
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Coding::Brotli => Box::pin(BrotliDecoder::new(reader)),
        Coding::Zlib => Box::pin(ZlibDecoder::new(reader)),
    }
}

async fn read_to_end(mut reader: Pin<Box<dyn AsyncRead + Send + '_>>, bound: Bound) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    loop {
        body.reserve(STEP);
        let read = (&mut reader)
            .take(STEP as u64)
            .read_buf(&mut body)
            .await
            .map_err(failure)?;
        if body.len() > bound.bytes && bound.cut {
            body.truncate(bound.bytes);
            return Ok(body.freeze());
        }
        if body.len() > bound.bytes {
            return Err(Failure::TooLarge);
        }
        if read == 0 {
            return Ok(body.freeze());
        }
    }
}

fn failure(error: io::Error) -> Failure {
    match error.downcast::<Stop>() {
        Ok(Stop::TooLarge) => Failure::TooLarge,
        Ok(Stop::Silent) => Failure::Silent,
        Err(error) => Failure::Broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Result<Coding, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, http::HeaderValue::from_static(value));
        }
        coding(&headers)
    }

    #[test]
    fn one_coding_is_read_whatever_its_spelling() {
        assert_eq!(of(&[]), Ok(Coding::Identity));
        assert_eq!(of(&["identity"]), Ok(Coding::Identity));
        assert_eq!(of(&["GZip"]), Ok(Coding::Gzip));
        assert_eq!(of(&["x-gzip, identity"]), Ok(Coding::Gzip));
        assert_eq!(of(&["br"]), Ok(Coding::Brotli));
        assert_eq!(of(&["deflate"]), Ok(Coding::Zlib));
    }

    #[test]
    fn several_and_unknown_codings_are_refused() {
        assert!(of(&["gzip, gzip"]).is_err());
        assert!(of(&["gzip", "gzip"]).is_err());
        assert!(of(&["br, gzip"]).is_err());
        assert!(of(&["zstd"]).unwrap_err().contains("`zstd`"));
    }
}
