//! One ONNX session: the tokens of one text to its vector.
//!
//! A session takes one text at a time, on the thread that asks: nothing is padded, so attention needs no mask, and no thread waits
//! for another within an operation. What works on several texts at once has several sessions (`pool`).
//!
//! The pooling is that of both models' cards: the mean over a text's token vectors, scaled to length 1.

use std::{path::Path, sync::Mutex};

use ort::{
    environment::Environment,
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::Tensor,
};

use crate::{Error, normalise};

/// The token ids of one text, start and end marks included.
pub(super) type Tokens = Vec<i64>;

/// A loaded model.
pub(super) struct Encoder(Session);

impl Encoder {
    pub(super) fn open(library: &Path, model: &Path) -> Result<Self, Error> {
        if !model.is_file() {
            return Err(Error::file("cannot find the weights", model, "no such file"));
        }
        let environment = environment(library)?;
        let refused = |error: ort::Error<SessionBuilder>| Error::runtime("take the settings")(error.into());
        let session = Session::builder(environment)
            .map_err(Error::runtime("start a session"))?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(refused)?
            .with_intra_threads(1)
            .map_err(refused)?
            .commit_from_file(model)
            .map_err(Error::runtime("load the weights"))?;
        Ok(Self(session))
    }

    /// The text's vector, of length 1.
    pub(super) fn run(&mut self, tokens: Tokens) -> Result<Vec<f32>, Error> {
        let failed = |error: ort::Error| Error::Inference(error.to_string());
        let count = tokens.len();
        let tokens = Tensor::from_array(([1, count], tokens)).map_err(failed)?;
        let outputs = self.0.run(ort::inputs!["input_ids" => tokens]).map_err(failed)?;
        let (shape, states) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        match shape[..] {
            [1, length, width] if length as usize == count => pool(states, width as usize),
            _ => Err(Error::Inference(format!(
                "the model's output has the shape {shape:?} for {count} tokens of one text"
            ))),
        }
    }
}

/// The mean of a text's token vectors, scaled to length 1 (so the sum will do).
fn pool(states: &[f32], width: usize) -> Result<Vec<f32>, Error> {
    let mut vector = vec![0.0; width];
    for state in states.chunks_exact(width) {
        for (sum, value) in vector.iter_mut().zip(state) {
            *sum += value;
        }
    }
    normalise(&mut vector)?;
    Ok(vector)
}

/// ONNX Runtime's one environment of this process, kept for its whole life: the library allows no second one, not even
/// after the first has gone. The library that is loaded first is the library.
fn environment(library: &Path) -> Result<&'static Environment, Error> {
    static ENVIRONMENT: Mutex<Option<&'static Environment>> = Mutex::new(None);
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(loaded) = *environment {
        return Ok(loaded);
    }
    let loaded = ort::init_from(library)
        .map_err(|error| Error::file("cannot load ONNX Runtime", library, error.to_string()))?
        .with_telemetry(false)
        .build()
        .map_err(Error::runtime("start"))?;
    Ok(*environment.insert(Box::leak(Box::new(loaded))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_is_the_direction_of_the_mean() {
        let vector = pool(&[1.0, 0.0, 5.0, 8.0], 2).unwrap();
        assert!(
            (vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6,
            "{vector:?}"
        );
    }
}
