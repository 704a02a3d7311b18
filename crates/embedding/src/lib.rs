//! Text embeddings behind one trait: a local model that needs no key, and any OpenAI-compatible provider.
//!
//! - [`local`]: all-MiniLM-L6-v2 or multilingual-e5-small on this machine's processor, through ONNX Runtime;
//! - [`openai`]: `POST {base}/embeddings`, as `OpenAI`, Ollama, vLLM and others offer it.
//!
//! What must stay true: vectors have length 1, so that a dot product is the cosine; they come back in the order of the
//! texts; and where no model can be had there is an [`Error`], never a made-up vector: the caller then searches by words
//! alone and says so. The crate knows nothing of its callers; paths and settings are parameters.

mod error;
pub mod local;
pub mod openai;
pub mod scale;

use async_trait::async_trait;

pub use crate::error::Error;

/// What a text is for; some models want to be told with a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A piece of a document, to be found.
    Passage,
    /// A question, to find with.
    Query,
}

/// What is known of a model before it has embedded anything. Vectors of different names are never compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name that goes with stored vectors.
    pub name: String,
    /// Length of every vector.
    pub dimension: usize,
    /// Tokens of a text that are read, by [`Embedder::count_tokens`]; what comes after them is ignored.
    pub max_tokens: usize,
    /// Whether texts that mean the same are near each other in whatever language they are.
    pub multilingual: bool,
    /// What its cosines say.
    pub calibration: Calibration,
}

/// How near is near. Models crowd their vectors differently: texts that have nothing to do with each other have a cosine around 0.05
/// by MiniLM and around 0.75 by e5. Whatever is decided by a cosine should look at its [`relevance`](Calibration::relevance), which is on
/// one scale for all models: that of all-MiniLM-L6-v2, whose cosines stay as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The cosine whose relevance is 0.
    pub zero: f64,
    /// The cosine whose relevance is 1.
    pub one: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { zero: 0.0, one: 1.0 }
    }
}

impl Calibration {
    /// A cosine on the common scale; 1 at most.
    pub fn relevance(&self, cosine: f64) -> f64 {
        ((cosine - self.zero) / (self.one - self.zero)).min(1.0)
    }
}

/// What a provider charges.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Tokens that it read.
    pub tokens: u64,
    /// USD; nothing where no price is known.
    pub usd: f64,
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            tokens: self.tokens + other.tokens,
            usd: self.usd + other.usd,
        }
    }
}

/// Vectors, and what they cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// As [`Embedder::embed`] gives them.
    pub vectors: Vec<Vec<f32>>,
    /// What was paid for them.
    pub spent: Spent,
}

/// Turns texts into vectors.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The model behind it.
    fn model(&self) -> &Model;

    /// One vector for each text, `[texts][dimension]`, each of length 1, in the texts' order. No texts, no vectors.
    ///
    /// Any number of texts may be given; batches are made inside. Dropping the future ends the work after the batch under
    /// way.
    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error>;

    /// The same with what it cost, which is nothing for a model on this machine.
    async fn embed_counted(&self, kind: Kind, texts: &[String]) -> Result<Embedded, Error> {
        Ok(Embedded {
            vectors: self.embed(kind, texts).await?,
            spent: Spent::default(),
        })
    }

    /// Whether nobody knows on which scale its cosines are, so that [`scale::measure`] has to find out.
    fn scale_is_unknown(&self) -> bool {
        false
    }

    /// Tokens that the model would see, with its own start and end marks; not cut at `max_tokens`.
    fn count_tokens(&self, text: &str) -> usize;
}

/// Scales `vector` to length 1. A vector without a direction stays as it is and is reported.
fn normalise(vector: &mut [f32]) -> Result<(), Error> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_normal() {
        return Err(Error::Inference(
            "the model returned a vector without a direction".to_owned(),
        ));
    }
    for x in vector {
        *x /= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_scaled_to_length_one() {
        let mut vector = [3.0, -4.0];
        normalise(&mut vector).unwrap();
        assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] + 0.8).abs() < 1e-6);
    }

    #[test]
    fn relevance_is_on_one_scale_for_all_models() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(Calibration::default().relevance(0.4), 0.4));
        let crowded = Calibration { zero: 0.7, one: 0.95 };
        assert!(near(crowded.relevance(0.8), 0.4) && near(crowded.relevance(0.99), 1.0));
        assert!(crowded.relevance(0.6) < 0.0, "further away than nothing");
    }

    #[test]
    fn a_vector_without_a_direction_is_an_error() {
        for mut vector in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(normalise(&mut vector).is_err());
        }
    }
}
