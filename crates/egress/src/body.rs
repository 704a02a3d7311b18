//! Reads a body to its end, decompressed, and never further than a limit.
//!
//! Decompression happens here and not in the HTTP library, because both ends of it must be counted: what comes out (a
//! bomb), and what goes in (an endless stream that decodes to nothing).

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

/// What the request says it can decode.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, br, deflate";

/// Room for the output of one decoding step; the most that is decoded beyond the limit.
const STEP: usize = 16 * 1024;

/// A body that is read: its decoded bytes, and how many came over the wire.
#[derive(Default)]
pub(crate) struct Body {
    pub bytes: Bytes,
    pub wire_bytes: u64,
}

/// Why a body is not read.
pub(crate) enum Failure {
    TooLarge,
    Encoding(String),
    Broken(io::Error),
}

/// Travels through the decoders as an `io::Error`, to be recognised at the other end.
#[derive(Debug, thiserror::Error)]
#[error("the body is longer than the limit")]
struct WireLimit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
    Zlib,
}

/// Reads the body of `response`, at most `limit` decoded bytes.
pub(crate) async fn read(response: reqwest::Response, limit: usize) -> Result<Body, Failure> {
    let coding = coding(response.headers()).map_err(Failure::Encoding)?;
    let wire_limit = wire_limit(limit, coding);
    if response.content_length().is_some_and(|length| length > wire_limit) {
        return Err(Failure::TooLarge);
    }
    let wire = AtomicU64::new(0);
    let mut chunks = response.bytes_stream().map(|chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        let total = wire.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if total > wire_limit {
            Err(io::Error::other(WireLimit))
        } else {
            Ok(chunk)
        }
    });
    // An empty body is complete, although it is no valid gzip stream.
    let bytes = match chunks.next().await {
        None => Bytes::new(),
        Some(first) => {
            let chunks = futures::stream::iter([first]).chain(chunks);
            read_to_end(decoder(coding, chunks), limit).await?
        }
    };
    Ok(Body {
        bytes,
        wire_bytes: wire.load(Ordering::Relaxed),
    })
}

/// Compression of data that cannot be compressed adds well under one part in 64 and a header.
fn wire_limit(limit: usize, coding: Coding) -> u64 {
    let limit = limit as u64;
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

async fn read_to_end(mut reader: Pin<Box<dyn AsyncRead + Send + '_>>, limit: usize) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    loop {
        body.reserve(STEP);
        let read = (&mut reader)
            .take(STEP as u64)
            .read_buf(&mut body)
            .await
            .map_err(failure)?;
        if body.len() > limit {
            return Err(Failure::TooLarge);
        }
        if read == 0 {
            return Ok(body.freeze());
        }
    }
}

fn failure(error: io::Error) -> Failure {
    match error.downcast::<WireLimit>() {
        Ok(_) => Failure::TooLarge,
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
