//! Vectors as those of real texts lie, around subjects, from no model: none of what is measured depends on a model's speed.
use anyhow::Result;
use async_trait::async_trait;
use embedding::{Embedder, Kind, Model};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

pub const DIMENSION: usize = 384;
/// Subjects that vectors lie around.
pub const CENTRES: u64 = 256;

/// A question's vector lies near a centre that its text chooses.
pub struct Centres(Model);

impl Centres {
    pub fn new() -> Self {
        Self(Model {
            name: "all-MiniLM-L6-v2".to_owned(),
            dimension: DIMENSION,
            max_tokens: 256,
            multilingual: false,
            calibration: embedding::Calibration::default(),
        })
    }

    pub fn of(text: &str) -> Vec<f32> {
        let seed = text
            .bytes()
            .fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        near(seed % CENTRES, &mut StdRng::seed_from_u64(seed))
    }
}

#[async_trait]
impl Embedder for Centres {
    fn model(&self) -> &Model {
        &self.0
    }

    async fn embed(&self, _: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        Ok(texts.iter().map(|text| Self::of(text)).collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len() / 4
    }
}

/// A unit vector around a centre, as far from it as texts of one subject are from each other.
pub fn near(centre: u64, random: &mut StdRng) -> Vec<f32> {
    let mut vector = anywhere(&mut StdRng::seed_from_u64(centre));
    for (x, noise) in vector.iter_mut().zip(anywhere(random)) {
        *x += noise;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// What a centre is, and what lies between it and a vector of its subject, which is the sum of the two, made a unit long.
pub fn anywhere(random: &mut StdRng) -> Vec<f32> {
    (0..DIMENSION).map(|_| random.random_range(-1.0..1.0)).collect()
}

pub fn text_of(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(|x| format!("{x:.4}")).collect();
    format!("[{}]", numbers.join(","))
}
