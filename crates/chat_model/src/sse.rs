//! Server-sent events (WHATWG HTML, section 9.2) from bytes, within a limit.
//!
//! Two departures, both since whether an answer is complete is judged by its content: an event at the end of the stream counts
//! without its blank line, which some servers leave out, and lines end with LF or CRLF, never with a lone CR.

use bytes::{Buf, Bytes};

/// What a stream may send in one event. Chunks of an answer have some hundred bytes.
pub const LARGEST: usize = 256 * 1024;

/// Bytes that came, until they are events. They are not copied: however much a provider sends at once, and however slowly it is read,
/// it is in memory once.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What came last, from where nobody has read it.
    bytes: Bytes,
    /// A line whose end has not come.
    begun: Vec<u8>,
    /// The data of the event so far.
    data: Option<Vec<u8>>,
}

/// An event has more than [`LARGEST`] bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Decoder {
    /// Takes bytes as they come, once there is no event left in those before.
    pub fn push(&mut self, bytes: Bytes) {
        self.begun.extend_from_slice(&self.bytes);
        self.bytes = bytes;
    }

    /// The data of the next event that is complete.
    pub fn event(&mut self) -> Result<Option<Vec<u8>>, TooLarge> {
        while let Some(line) = self.line() {
            let line = line.as_slice();
            if line.is_empty() {
                match self.data.take() {
                    Some(data) => return Ok(Some(data)),
                    None => continue,
                }
            }
            self.field(line)?;
        }
        if self.begun.len() > LARGEST {
            return Err(TooLarge);
        }
        Ok(None)
    }

    /// The last event, when no more bytes come.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>, TooLarge> {
        let mut rest = std::mem::take(&mut self.begun);
        rest.extend_from_slice(&std::mem::take(&mut self.bytes));
        self.field(rest.trim_ascii_end())?;
        Ok(self.data.take())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLarge> {
        let Some(value) = line.strip_prefix(b"data:") else {
            return Ok(());
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        if self.data.as_ref().is_some_and(|data| data.len() > LARGEST) {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The next line without its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let Some(end) = self.bytes.iter().position(|b| *b == b'\n') else {
            self.begun.extend_from_slice(&std::mem::take(&mut self.bytes));
            return None;
        };
        let mut line = std::mem::take(&mut self.begun);
        line.extend_from_slice(&self.bytes.split_to(end));
        self.bytes.advance(1);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Result<Vec<String>, TooLarge> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(event) = decoder.event()? {
                events.push(String::from_utf8(event).unwrap());
            }
        }
        events.extend(decoder.finish()?.map(|event| String::from_utf8(event).unwrap()));
        Ok(events)
    }

    #[test]
    fn data_is_taken_and_everything_else_is_passed_over() {
        let text =
            b": hello\n\ndata: {\"a\":1}\n\nevent: x\nid: 7\ndata:two\r\ndata:  lines\r\n\r\nretry: 1\n\ndata: [DONE]";
        assert_eq!(events(&[text]).unwrap(), ["{\"a\":1}", "two\n lines", "[DONE]"]);
    }

    #[test]
    fn what_never_ends_is_too_large() {
        let (line, piece) = ([b"data: ".as_slice(), &[b'x'; 1000]].concat(), [b'x'; 1000]);
        let mut pieces = vec![line.as_slice()];
        pieces.extend(std::iter::repeat_n(piece.as_slice(), LARGEST / 1000 + 1));
        assert_eq!(events(&pieces), Err(TooLarge), "one line");
        let line = [line, b"\n".to_vec()].concat();
        assert_eq!(
            events(&vec![line.as_slice(); LARGEST / 1000 + 1]),
            Err(TooLarge),
            "one event"
        );
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_they_are_cut(
            texts in prop::collection::vec("[a-z {}\"]{1,20}", 1..6), cuts in prop::collection::vec(0_usize..200, 0..12)
        ) {
            let whole: Vec<u8> = texts.iter().flat_map(|text| format!("data: {text}\n\n").into_bytes()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at % whole.len()).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|two| &whole[two[0]..two[1]]).collect();
            prop_assert_eq!(events(&pieces).unwrap(), texts);
        }
    }
}
