//! The vectors of texts that came lately, in this process: the same question of another visitor, of a retry or of the next page of
//! results is not embedded again, nor is the sentence of a page that another question is compared with. A vector depends on nothing but
//! the model and the text, so nothing ever makes one invalid.
//!
//! Keys are hashes, so that no visitor's words stay in memory, and the least used go first.
use embedding::Spent;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

use super::models::{IndexModel, embed};
use crate::{Result, secrets};

type Key = [u8; 32];

pub(super) struct Vectors {
    layer: &'static str,
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    vectors: HashMap<Key, (Arc<[f32]>, u64)>,
    /// Counts uses: what was used last has the highest number.
    uses: u64,
}

impl Vectors {
    /// Keeps at most so many vectors, of some 1.6 KB each with 384 dimensions; `layer` names them in measurements.
    pub(super) fn new(layer: &'static str, most: usize) -> Self {
        Self {
            layer,
            most,
            kept: Mutex::default(),
        }
    }

    /// The texts' vectors by the model, those that are not kept newly made, and what these cost.
    pub(super) async fn of(&self, model: &IndexModel, texts: &[String]) -> Result<(Vec<Arc<[f32]>>, Spent)> {
        let keys: Vec<Key> = texts.iter().map(|text| Self::key(model.id, text)).collect();
        let mut vectors: Vec<_> = keys.iter().map(|key| self.get(key)).collect();
        let new: Vec<usize> = (0..texts.len()).filter(|at| vectors[*at].is_none()).collect();
        let unknown: Vec<String> = new.iter().map(|at| texts[*at].clone()).collect();
        let made = embed(model, &unknown).await?;
        for (at, vector) in new.into_iter().zip(made.vectors) {
            let vector: Arc<[f32]> = vector.into();
            self.put(keys[at], vector.clone());
            vectors[at] = Some(vector);
        }
        Ok((vectors.into_iter().flatten().collect(), made.spent))
    }

    /// Names a text by model and text; how often its words are separated and what stands around it makes no difference.
    fn key(model: Uuid, text: &str) -> Key {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut named = model.as_bytes().to_vec();
        named.extend(words.join(" ").as_bytes());
        let hash = secrets::sha256(&named);
        let mut key = [0; 32];
        key.copy_from_slice(&hash);
        key
    }

    fn get(&self, key: &Key) -> Option<Arc<[f32]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let found = kept.vectors.get_mut(key).map(|(vector, used)| {
            *used = now;
            vector.clone()
        });
        drop(kept);
        let result = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("omniops_cache_requests_total", "layer" => self.layer, "result" => result).increment(1);
        found
    }

    fn put(&self, key: Key, vector: Arc<[f32]>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.vectors.len() >= self.most {
            kept.forget(self.most / 10);
        }
        kept.uses += 1;
        let now = kept.uses;
        kept.vectors.insert(key, (vector, now));
    }
}

impl Kept {
    /// Makes room for several at once, so that looking for the least used is rare.
    fn forget(&mut self, several: usize) {
        let mut uses: Vec<u64> = self.vectors.values().map(|(_, used)| *used).collect();
        let (_, limit, _) = uses.select_nth_unstable(several);
        let limit = *limit;
        self.vectors.retain(|_, (_, used)| *used > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use embedding::{Calibration, Embedder, Kind, Model};

    /// Makes a vector of a text's length, and remembers what it was asked.
    struct Lengths(Model, Mutex<Vec<String>>);

    #[async_trait]
    impl Embedder for Lengths {
        fn model(&self) -> &Model {
            &self.0
        }

        async fn embed(&self, _: Kind, texts: &[String]) -> std::result::Result<Vec<Vec<f32>>, embedding::Error> {
            self.1.lock().unwrap().extend_from_slice(texts);
            Ok(texts.iter().map(|text| vec![text.len() as f32]).collect())
        }

        fn count_tokens(&self, text: &str) -> usize {
            text.len()
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_not_embedded_again() {
        let model = Model {
            name: "lengths".into(),
            dimension: 1,
            max_tokens: 100,
            multilingual: false,
            calibration: Calibration::default(),
        };
        let embedder = Arc::new(Lengths(model, Mutex::default()));
        let model = IndexModel::new(Uuid::nil(), embedder.clone());
        let vectors = Vectors::new("test", 10);
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        vectors.of(&model, &texts(&["a", "bb"])).await.unwrap();
        let (found, _) = vectors.of(&model, &texts(&["bb", "ccc", "a"])).await.unwrap();
        let found: Vec<f32> = found.iter().map(|vector| vector[0]).collect();
        assert_eq!(found, [2.0, 3.0, 1.0], "in the texts' order");
        assert_eq!(*embedder.1.lock().unwrap(), ["a", "bb", "ccc"]);
    }

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
        const KEPT: usize = 1000;
        let vectors = Vectors::new("test", KEPT);
        let key = |n: usize| Vectors::key(Uuid::nil(), &n.to_string());
        for n in 0..KEPT {
            vectors.put(key(n), vec![n as f32].into());
        }
        assert!(vectors.get(&key(0)).is_some(), "used again");
        vectors.put(key(KEPT), vec![0.0].into());
        assert!(vectors.get(&key(0)).is_some() && vectors.get(&key(KEPT)).is_some());
        assert!(vectors.get(&key(1)).is_none());
        assert!(vectors.kept.lock().unwrap().vectors.len() <= KEPT);
    }
}
