//! The vectors of questions asked lately, in this process: the same question of another visitor, of a retry or of the next page of
//! results is not embedded again. A vector depends on nothing but the model and the text, so nothing ever makes one invalid.
//!
//! Keys are hashes, so that no visitor's words stay in memory, and the least used go first.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

use crate::secrets;

/// Questions that are kept: some 2 MB with 384 dimensions.
const KEPT: usize = 1000;

type Key = [u8; 32];

#[derive(Default)]
pub(super) struct Vectors(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    vectors: HashMap<Key, (Arc<[f32]>, u64)>,
    /// Counts uses: what was used last has the highest number.
    uses: u64,
}

impl Vectors {
    /// Names a question by model and text; how often its words are separated and what stands around it makes no difference.
    pub(super) fn key(model: Uuid, text: &str) -> Key {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut named = model.as_bytes().to_vec();
        named.extend(words.join(" ").as_bytes());
        let hash = secrets::sha256(&named);
        let mut key = [0; 32];
        key.copy_from_slice(&hash);
        key
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<[f32]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let found = kept.vectors.get_mut(key).map(|(vector, used)| {
            *used = now;
            vector.clone()
        });
        drop(kept);
        let result = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("omniops_cache_requests_total", "layer" => "question_vector", "result" => result)
            .increment(1);
        found
    }

    pub(super) fn put(&self, key: Key, vector: Arc<[f32]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.vectors.len() >= KEPT {
            kept.forget();
        }
        kept.uses += 1;
        let now = kept.uses;
        kept.vectors.insert(key, (vector, now));
    }
}

impl Kept {
    /// Makes room for a tenth at once, so that looking for the least used is rare.
    fn forget(&mut self) {
        let mut uses: Vec<u64> = self.vectors.values().map(|(_, used)| *used).collect();
        let (_, limit, _) = uses.select_nth_unstable(KEPT / 10);
        let limit = *limit;
        self.vectors.retain(|_, (_, used)| *used > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_by_its_words_and_the_model() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(Vectors::key(a, " How  long?\n"), Vectors::key(a, "How long?"));
        assert_ne!(Vectors::key(a, "How long?"), Vectors::key(b, "How long?"));
        assert_ne!(
            Vectors::key(a, "How long?"),
            Vectors::key(a, "how long?"),
            "models read capitals"
        );
    }

    #[test]
    fn the_least_used_go_first() {
        let vectors = Vectors::default();
        let key = |n: usize| Vectors::key(Uuid::nil(), &n.to_string());
        for n in 0..KEPT {
            vectors.put(key(n), vec![n as f32].into());
        }
        assert!(vectors.get(&key(0)).is_some(), "used again");
        vectors.put(key(KEPT), vec![0.0].into());
        assert!(vectors.get(&key(0)).is_some() && vectors.get(&key(KEPT)).is_some());
        assert!(vectors.get(&key(1)).is_none());
        assert!(vectors.0.lock().unwrap().vectors.len() <= KEPT);
    }
}
