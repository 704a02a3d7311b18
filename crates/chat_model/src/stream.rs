//! An answer as it comes, until the provider says that it is complete.
use breaker::Permit;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use secrecy::SecretString;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    Error, Limits, Wait, chunk,
    error::story,
    sse::{Decoder, LARGEST, TooLarge},
};

/// What a stream may send in all. An answer of the largest text in chunks of one token each has about half of it.
const LARGEST_STREAM: usize = 8 * 1024 * 1024;
/// What an answer's text may have.
const LARGEST_TEXT: usize = 64 * 1024;
/// How long the count of tokens and the word for the end are waited for after the end of the text.
const AFTERMATH: Duration = Duration::from_secs(2);
/// How long the end of the transport is waited for after the answer's, so that the connection can be used again.
const FAREWELL: Duration = Duration::from_millis(20);

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of what was asked.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model had said all.
    Stop,
    /// It had no tokens left.
    Length,
}

/// An answer that has begun. Dropping it ends the provider's work.
pub struct Answer {
    /// Stays out of errors.
    key: SecretString,
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    decoder: Decoder,
    silence: Duration,
    end_by: Instant,
    received: usize,
    written: usize,
    /// Text that was waited for before the answer was handed out.
    first: Option<String>,
    usage: Option<Usage>,
    ending: Option<Ending>,
    over: bool,
    permit: Option<Permit>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

impl Answer {
    pub(crate) fn new(response: reqwest::Response, limits: &Limits, end_by: Instant, key: SecretString) -> Self {
        Self {
            key,
            bytes: response.bytes_stream().boxed(),
            decoder: Decoder::default(),
            silence: limits.silence,
            end_by,
            received: 0,
            written: 0,
            first: None,
            usage: None,
            ending: None,
            over: false,
            permit: None,
        }
    }

    /// Waits for the first text. Whoever calls sets the time for it.
    pub(crate) async fn begin(mut self) -> Result<Self, Error> {
        let first = self.read().await;
        self.first = first.map_err(|error| error.without(&self.key))?;
        Ok(self)
    }

    pub(crate) fn under(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// More text; none when the answer is complete. Time passes for the provider only while this is waited for, but for the
    /// answer's end. After an error there is nothing more.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let by = self.end_by.min(Instant::now() + self.silence);
        let read = match timeout_at(by, self.read()).await {
            Ok(read) => read.map_err(|error| error.without(&self.key)),
            Err(_) if by == self.end_by => Err(Error::Silent(Wait::End)),
            Err(_) => Err(Error::Silent(Wait::NextToken)),
        };
        match &read {
            Ok(Some(_)) => {}
            Ok(None) => self.settle(None),
            Err(error) => self.settle(Some(error)),
        }
        read
    }

    /// Tokens as the provider counted them; some don't.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// How it ended, when it has; a provider that only says that it is done has said all.
    pub fn ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Stop)
    }

    fn settle(&mut self, error: Option<&Error>) {
        self.over = true;
        let Some(permit) = self.permit.take() else { return };
        match error {
            Some(error) if error.is_the_provider_s() => permit.fail(None),
            Some(_) => {}
            None => permit.succeed(),
        }
    }

    /// The next text; none at the end. Can be dropped and called again.
    async fn read(&mut self) -> Result<Option<String>, Error> {
        while !self.over {
            while let Some(event) = self.decoder.event().map_err(too_large)? {
                if let Some(text) = self.take(&event)? {
                    return Ok(Some(text));
                }
                if self.over {
                    self.farewell().await;
                    return Ok(None);
                }
            }
            match self.more().await {
                Some(Ok(bytes)) => {
                    self.received += bytes.len();
                    if self.received > LARGEST_STREAM {
                        return Err(Error::TooLarge {
                            what: "stream",
                            limit: LARGEST_STREAM,
                        });
                    }
                    self.decoder.push(bytes);
                }
                // The answer itself is whole, and what is lost is the wire.
                Some(Err(_)) | None if self.ending.is_some() => self.over = true,
                Some(Err(error)) => return Err(Error::Cut(story(error))),
                None => {
                    let last = self.decoder.finish().map_err(too_large)?;
                    let text = last.map(|event| self.take(&event)).transpose()?.flatten();
                    if self.ending.is_none() && !self.over {
                        return Err(Error::Cut(String::new()));
                    }
                    self.over = true;
                    return Ok(text);
                }
            }
        }
        Ok(None)
    }

    /// More bytes; after the end of the text they are not waited for long.
    async fn more(&mut self) -> Option<reqwest::Result<Bytes>> {
        if self.ending.is_some() {
            timeout(AFTERMATH, self.bytes.next()).await.unwrap_or_default()
        } else {
            self.bytes.next().await
        }
    }

    /// Notes what an event says, and returns its text.
    fn take(&mut self, event: &[u8]) -> Result<Option<String>, Error> {
        let event = chunk::read(event)?;
        self.usage = event.usage.or(self.usage);
        self.ending = event.ending.or(self.ending);
        self.over |= event.done;
        self.written += event.text.as_ref().map_or(0, String::len);
        if self.written > LARGEST_TEXT {
            return Err(Error::TooLarge {
                what: "answer",
                limit: LARGEST_TEXT,
            });
        }
        Ok(event.text)
    }

    async fn farewell(&mut self) {
        // Whatever it says now, the answer is complete.
        let _ = timeout(FAREWELL, self.bytes.next()).await;
    }
}

fn too_large(_: TooLarge) -> Error {
    Error::TooLarge {
        what: "event",
        limit: LARGEST,
    }
}
