//! One ONNX session: token ids to pooled vectors.
//!
//! The pooling is that of both models' cards: the mean over a text's token vectors, padding left out, scaled to length 1.

use std::{path::Path, sync::Mutex};

use ort::{
    environment::Environment,
    session::{
        RunOptions, Session, SessionInputValue,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::Tensor,
};

use crate::{Error, normalise};

/// The token ids of one text, start and end marks included.
pub(super) type Tokens = Vec<i64>;

/// A loaded model.
pub(super) struct Encoder {
    session: Session,
    inputs: Vec<String>,
    keeping: RunOptions,
    releasing: RunOptions,
}

/// What becomes of the memory that a run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// It is kept for the next run.
    Keep,
    /// It goes back to the system: some 200 MB after a batch of long passages.
    Release,
}

impl Encoder {
    pub(super) fn open(library: &Path, model: &Path, threads: usize) -> Result<Self, Error> {
        if !model.is_file() {
            return Err(Error::file("cannot find the weights", model, "no such file"));
        }
        let environment = environment(library)?;
        let refused = |error: ort::Error<SessionBuilder>| Error::runtime("take the settings")(error.into());
        let session = Session::builder(environment)
            .map_err(Error::runtime("start a session"))?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(refused)?
            .with_intra_threads(threads.max(1))
            .map_err(refused)?
            // Threads that wait in a loop take the processor from whoever they wait for when the machine is busy.
            .with_intra_op_spinning(false)
            .map_err(refused)?
            .commit_from_file(model)
            .map_err(Error::runtime("load the weights"))?;
        let inputs = session.inputs().iter().map(|input| input.name().to_owned()).collect();
        let options = |released| {
            let mut options = RunOptions::new()?;
            options.set("memory.enable_memory_arena_shrinkage", released)?;
            Ok(options)
        };
        Ok(Self {
            session,
            inputs,
            keeping: options("").map_err(Error::runtime("take the settings"))?,
            releasing: options("cpu:0").map_err(Error::runtime("take the settings"))?,
        })
    }

    /// One vector of length 1 for each text.
    pub(super) fn run(&mut self, batch: &[Tokens], memory: Memory) -> Result<Vec<Vec<f32>>, Error> {
        let failed = |error: ort::Error| Error::Inference(error.to_string());
        let shape = [batch.len(), batch.iter().map(Vec::len).max().unwrap_or(0)];
        let inputs = self
            .inputs
            .iter()
            .map(|name| {
                let tensor = Tensor::from_array((shape, input(name, batch, shape[1]))).map_err(failed)?;
                Ok((name.clone(), SessionInputValue::from(tensor)))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let options = match memory {
            Memory::Keep => &self.keeping,
            Memory::Release => &self.releasing,
        };
        let outputs = self.session.run_with_options(inputs, options).map_err(failed)?;
        let (dimensions, states) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
        let &[texts, length, width] = &dimensions[..] else {
            return Err(Error::Inference(format!(
                "the model's output has the shape {dimensions:?}, not [text][token][value]"
            )));
        };
        if [texts as usize, length as usize] != shape {
            return Err(Error::Inference(format!(
                "the model's output has the shape {dimensions:?} for {shape:?}"
            )));
        }
        let width = width as usize;
        batch
            .iter()
            .zip(states.chunks_exact(shape[1] * width))
            .map(|(tokens, states)| pool(&states[..tokens.len() * width], width))
            .collect()
    }
}

/// The values of one of the graph's two inputs, `[text][token]`, padded with zeros on the right.
fn input(name: &str, batch: &[Tokens], length: usize) -> Vec<i64> {
    let mut values = vec![0; batch.len() * length];
    for (row, tokens) in values.chunks_exact_mut(length).zip(batch) {
        match name {
            "input_ids" => row[..tokens.len()].copy_from_slice(tokens),
            _ => row[..tokens.len()].fill(1),
        }
    }
    values
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
    fn inputs_are_padded_to_the_longest_text() {
        let batch = [vec![5, 6, 7], vec![8]];
        assert_eq!(input("input_ids", &batch, 3), [5, 6, 7, 8, 0, 0]);
        assert_eq!(input("attention_mask", &batch, 3), [1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn pooling_is_the_direction_of_the_mean() {
        let vector = pool(&[1.0, 0.0, 5.0, 8.0], 2).unwrap();
        assert!(
            (vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6,
            "{vector:?}"
        );
    }
}
