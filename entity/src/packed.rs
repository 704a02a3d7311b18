//! A long text in a column of bytes, compressed by Zstandard (RFC 8878) before it comes to the database: Postgres' own compression
//! is slower, and takes its time within the transaction that stores the text.
//!
//! A value without the frame's magic number is UTF-8 as it is: no text begins with these four bytes, since the second one continues a
//! character that the first one does not begin.
use sea_orm::{
    ColIdx, ColumnType, DbErr, QueryResult, TryGetError, TryGetable, Value,
    sea_query::{ArrayType, Nullable, ValueType, ValueTypeErr},
};
use std::{fmt, io, ops::Deref};

/// What a frame of Zstandard begins with.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The fastest of the usual levels: a third of a text of 20 kB, in some 50 µs.
const LEVEL: i32 = 1;

/// Shorter texts are kept as they are.
const SHORT: usize = 256;

/// Longest text that is read, in bytes: a page has far less.
const MOST: usize = 256 << 20;

/// A text that is stored compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedText(String);

/// The bytes that are stored for a text.
pub fn pack(text: &str) -> Vec<u8> {
    let packed = (text.len() >= SHORT).then(|| zstd::bulk::compress(text.as_bytes(), LEVEL));
    match packed {
        Some(Ok(packed)) if packed.len() < text.len() => packed,
        _ => text.as_bytes().to_vec(),
    }
}

/// The text of stored bytes.
///
/// # Errors
/// If the frame is damaged or has no size, or what it holds is no UTF-8.
pub fn unpack(stored: Vec<u8>) -> io::Result<String> {
    let bytes = if stored.starts_with(&MAGIC) {
        let size = zstd::bulk::Decompressor::upper_bound(&stored).filter(|size| *size <= MOST);
        let size = size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame of no known size"))?;
        zstd::bulk::decompress(&stored, size)?
    } else {
        stored
    };
    String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

impl From<String> for PackedText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for PackedText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<PackedText> for String {
    fn from(text: PackedText) -> Self {
        text.0
    }
}

impl fmt::Display for PackedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for PackedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<PackedText> for Value {
    fn from(text: PackedText) -> Self {
        pack(&text.0).into()
    }
}

impl TryGetable for PackedText {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let stored = Vec::<u8>::try_get_by(row, index)?;
        let text = unpack(stored).map_err(|e| DbErr::Type(format!("a packed text: {e}")))?;
        Ok(Self(text))
    }
}

impl ValueType for PackedText {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        let stored = <Vec<u8> as ValueType>::try_from(value)?;
        unpack(stored).map(Self).map_err(|_| ValueTypeErr)
    }

    fn type_name() -> String {
        "PackedText".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Bytes
    }

    fn column_type() -> ColumnType {
        <Vec<u8> as ValueType>::column_type()
    }
}

impl Nullable for PackedText {
    fn null() -> Value {
        <Vec<u8> as Nullable>::null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_and_long_ones_take_less_room() {
        let page = "A kayak is 4.30 m long — größer als ein Kanu. ".repeat(400);
        for text in ["", "short", "\u{28}µ/ý", &page, &"\u{1F6F6}".repeat(100)] {
            assert_eq!(unpack(pack(text)).unwrap(), text);
        }
        let packed = pack(&page);
        assert!(packed.starts_with(&MAGIC) && packed.len() < page.len() / 10);
    }

    #[test]
    fn what_was_stored_before_is_read_and_damage_is_told() {
        assert_eq!(unpack(b"# Plain".to_vec()).unwrap(), "# Plain");
        assert!(unpack(vec![0xff, 0xfe]).is_err());
        let mut packed = pack(&"many words ".repeat(100));
        packed.truncate(packed.len() / 2);
        assert!(unpack(packed).is_err());
        // A frame that tells another size than it has, and one that tells none.
        assert!(unpack([&MAGIC[..], &[0x00, 0x58]].concat()).is_err());
    }
}
