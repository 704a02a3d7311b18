//! Lists in pages: `?limit=1..100&cursor=` in, `{items, next_cursor}` out. A cursor is opaque: the last item's key in base64.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Error;
use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON},
};
use std::{fmt::Display, str::FromStr};

use crate::error::Answer;

const USUAL: u64 = 25;

/// A page of a list.
#[derive(Debug, Object)]
pub struct List<T: ParseFromJSON + ToJSON> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; null on the last.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// Where to go on, and how many items to give.
pub struct Paging<K> {
    /// The key of the last item of the page before.
    pub after: Option<K>,
    limit: u64,
}

impl<K: FromStr + Display> Paging<K> {
    /// Reads the two parameters.
    pub fn of(limit: Option<u64>, cursor: Option<&str>) -> Answer<Self> {
        let decode = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            std::str::from_utf8(&bytes).ok()?.parse().ok()
        };
        let wrong = || Error::invalid("cursor", "is not one that this list has given");
        let after = cursor.map(|text| decode(text).ok_or_else(wrong)).transpose()?;
        let limit = limit.unwrap_or(USUAL);
        if !(1..=100).contains(&limit) {
            return Err(Error::invalid("limit", "must be between 1 and 100").into());
        }
        Ok(Self { after, limit })
    }

    /// How many rows to read: one more than is given, which tells whether there is another page.
    pub fn rows(&self) -> u64 {
        self.limit + 1
    }

    /// The page of `rows`, whose keys `key` reads.
    pub fn list<R, T: ParseFromJSON + ToJSON + From<R>>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> K) -> List<T> {
        let more = rows.len() as u64 > self.limit;
        rows.truncate(self.limit as usize);
        let last = rows.last().filter(|_| more).map(key);
        List {
            next_cursor: last.map(|key| URL_SAFE_NO_PAD.encode(key.to_string())),
            items: rows.into_iter().map(Into::into).collect(),
        }
    }
}
