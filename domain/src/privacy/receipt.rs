//! Receipts of erasures: signed texts that say whom, when and how much was forgotten, without saying who that was. A receipt is
//! also a tombstone: whoever has it can make sure that what was forgotten stays so after a restore.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::subject::SubjectKey;
use crate::{
    Result,
    secrets::{MasterKeys, Signer},
};

/// What the key of signatures is for.
const PURPOSE: &str = "erasure receipts";
/// What the key of notes is for: a note is no receipt.
const NOTES: &str = "notes on ends of customers";
/// The form of a receipt.
const FORMAT: u8 = 1;

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    #[serde(rename = "v")]
    format: u8,
    /// The erasure.
    pub id: Uuid,
    /// Whose visitor it was, or who.
    pub customer: Uuid,
    /// `email` or `session`; `customer` where all of it went.
    pub kind: String,
    /// The subject's keyed hash in hex.
    pub subject: String,
    /// The key of that hash.
    pub key: String,
    /// When, in microseconds since 1970: whatever was there then was to go.
    pub at_micros: i64,
    /// Hashes of the subject's sessions, in hex.
    pub sessions: Vec<String>,
    /// Rows that went, by table.
    pub counts: BTreeMap<String, u64>,
}

impl Tombstone {
    /// Says that this was erased.
    pub fn new(id: Uuid, customer: Uuid, kind: &str, at: OffsetDateTime) -> Self {
        Self {
            format: FORMAT,
            id,
            customer,
            kind: kind.to_owned(),
            subject: String::new(),
            key: String::new(),
            at_micros: (at.unix_timestamp_nanos() / 1000) as i64,
            sessions: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// When.
    pub fn at(&self) -> OffsetDateTime {
        let nanos = i128::from(self.at_micros) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// What the log says of the end of a customer beside its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The erasure, as its receipt will call it.
    pub id: Uuid,
    pub customer: Uuid,
    pub what: Said,
}

/// What became of the end of a customer, as far as the log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// It is about to be committed.
    Begun,
    /// It was not committed, or somebody said that it does not hold.
    Withdrawn,
}

/// Signs and opens receipts, and hashes subjects: under the installation's key, and under older ones for what they have made.
#[derive(Clone)]
pub struct Seals {
    signer: Signer,
    /// The same with the present key alone.
    present: Signer,
    notes: Signer,
    subjects: Vec<SubjectKey>,
}

impl Seals {
    /// Under the installation's master keys.
    pub fn new(masters: impl Into<MasterKeys>) -> Self {
        let masters = masters.into();
        Self {
            subjects: masters.all().iter().map(SubjectKey::new).collect(),
            present: Signer::new(masters.present_alone(), PURPOSE),
            notes: Signer::new(masters.clone(), NOTES),
            signer: Signer::new(masters, PURPOSE),
        }
    }

    /// The key that subjects are hashed under now.
    pub fn subject_key(&self) -> &SubjectKey {
        // Never empty: there is always a present key.
        &self.subjects[0]
    }

    /// All keys that subjects were hashed under.
    pub fn subject_keys(&self) -> &[SubjectKey] {
        &self.subjects
    }

    /// A receipt as one URL-safe text.
    pub fn seal(&self, tombstone: &Tombstone) -> Result<String> {
        Ok(self.signer.seal(&serde_json::to_vec(tombstone)?))
    }

    /// What a receipt says, if one of our keys has signed it.
    pub fn open(&self, receipt: &str) -> Option<Tombstone> {
        let payload = self.signer.open(receipt.trim())?;
        serde_json::from_slice(&payload)
            .ok()
            .filter(|tombstone: &Tombstone| tombstone.format == FORMAT)
    }

    /// A note as one URL-safe text.
    pub(super) fn seal_note(&self, note: &Note) -> Result<String> {
        Ok(self.notes.seal(&serde_json::to_vec(note)?))
    }

    /// What a note says, if one of our keys has signed it.
    pub(super) fn open_note(&self, line: &str) -> Option<Note> {
        serde_json::from_slice(&self.notes.open(line.trim())?).ok()
    }

    /// Whether a receipt needs no other key than the present one.
    pub fn is_present(&self, receipt: &str) -> bool {
        self.present.open(receipt.trim()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_opens_under_the_keys_of_the_installation_and_not_when_changed() {
        let at = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let stone = Tombstone::new(Uuid::from_u128(1), Uuid::from_u128(2), "email", at);
        let old = Seals::new(b"old");
        let receipt = old.seal(&stone).unwrap();
        assert_eq!(old.open(&receipt), Some(stone.clone()));
        let turning = Seals::new(MasterKeys::new(b"new", [b"old".as_slice()]));
        assert_eq!(turning.open(&format!(" {receipt}\n")), Some(stone.clone()));
        assert_eq!(turning.subject_keys().len(), 2);
        assert!(old.is_present(&receipt) && !turning.is_present(&receipt));
        assert_eq!(stone.at(), at);
        assert_eq!(Seals::new(b"new").open(&receipt), None);
        let forged = format!("{receipt}A");
        assert_eq!(old.open(&forged), None);
    }
}
