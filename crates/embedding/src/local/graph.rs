//! The graph of an encoder of BERT's kind, as ONNX Runtime is fastest with it.
//!
//! In [`Arithmetic::Int8`] a matrix has one scale for each of its outputs, and what it is multiplied with has one for each
//! *token*, taken from that token alone. (ONNX Runtime's own dynamic quantisation takes one scale for a whole batch, so that a
//! text's vector depends on its neighbours: `docs/adr/0019-embedding-models.md`.) The words' vectors are bytes with a scale
//! each in both arithmetics; a run reads those that occur.
//!
//! The graph has no mask: texts that are run together must have the same length. Without one ONNX Runtime takes attention in blocks
//! that fit the processor's cache; and its addition, fused with the norm, takes five times as long as the parts
//! (`docs/adr/0036-the-cost-of-an-answer.md`).

use std::{io, path::Path};

use super::{
    onnx::{Attribute, Graph, MICROSOFT, Type},
    weights::{Layer, Weights},
};
use crate::Error;

/// How matrices are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// With integers: the fast one.
    Int8,
    /// With numbers of 32 bits.
    Fp32,
}

/// Writes `model` and its tensors beside it. `width` is the length of a token's vector.
pub(super) fn write(weights: &Weights, arithmetic: Arithmetic, width: usize, model: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::file("cannot write", model, error.to_string());
    let graph = Graph::create(model).map_err(failed)?;
    let mut builder = Builder {
        graph,
        arithmetic,
        width,
        heads: weights.heads,
        epsilon: weights.epsilon,
    };
    let mut layers = Vec::new();
    while let Some(layer) = weights.layer(layers.len())? {
        layers.push(layer);
    }
    let (words, positions, norm) = (weights.words(width)?, weights.positions(width)?, weights.norm()?);
    let count = weights.words(width)?.count();
    let states = builder.embed(words, count, &positions, &norm).and_then(|first| {
        let numbered = layers.iter().enumerate();
        numbered.map(Ok).try_fold(first, |states, layer: io::Result<_>| {
            let (number, layer) = layer?;
            builder.layer(number, layer, &states)
        })
    });
    let states = states.map_err(failed)?;
    builder.graph.finish(model, "input_ids", &states, width).map_err(failed)
}

struct Builder {
    graph: Graph,
    arithmetic: Arithmetic,
    width: usize,
    heads: usize,
    epsilon: f32,
}

/// What a matrix is multiplied with: the values; as integers, with the tokens' scales.
struct Input {
    values: String,
    scales: Option<String>,
}

impl Builder {
    /// The sum of each token's word and position, normalised, and the constants that all layers share.
    fn embed(
        &mut self,
        words: impl Iterator<Item = Vec<f32>>,
        count: usize,
        positions: &[f32],
        norm: &(Vec<f32>, Vec<f32>),
    ) -> io::Result<String> {
        let (width, graph) = (self.width, &mut self.graph);
        graph.ints("nothing", &[0])?;
        graph.ints("last_axis", &[-1])?;
        graph.ints("thirds", &[width as i64; 3])?;
        graph.floats("step", &[], &[1.0 / 127.0])?;
        graph.floats("least_step", &[], &[1e-9])?;
        graph.floats("one", &[], &[1.0])?;
        graph.tensor("middle", Type::U8, &[], &[128])?;
        let mut scales = Vec::with_capacity(count);
        let rows = words.map(|word| {
            let (bytes, scale) = rounded(&word);
            scales.push(scale);
            bytes
        });
        let words = graph.streamed("words", Type::I8, &[count, width], rows)?;
        let scales = graph.floats("word_scales", &[count, 1], &scales)?;
        let bytes = graph.node("Gather", &[&words, "input_ids"], "word_bytes");
        let [numbers] = graph.nodes(
            "",
            "Cast",
            &[&bytes],
            ["word_numbers"],
            &[Attribute::Int("to", Type::F32 as i64)],
        );
        let scale = graph.node("Gather", &[&scales, "input_ids"], "word_scale");
        let words = graph.node("Mul", &[&numbers, &scale], "word_vectors");
        let positions = graph.floats("positions", &[positions.len() / width, width], positions)?;
        let bounds = [Attribute::Int("start", 1), Attribute::Int("end", 2)];
        let [length] = graph.nodes("", "Shape", &["input_ids"], ["length"], &bounds);
        let positions = graph.node(
            "Slice",
            &[&positions, "nothing", &length, "nothing"],
            "position_vectors",
        );
        let sum = graph.node("Add", &[&words, &positions], "sum");
        let (gain, bias) = self.norm("norm", norm)?;
        Ok(self.normalised(&sum, &gain, &bias, "embedded"))
    }

    /// Attention and the two matrices after it, each added to what came in and normalised.
    fn layer(&mut self, number: usize, layer: &Layer, states: &str) -> io::Result<String> {
        let name = |part: &str| format!("{part}{number}");
        let input = self.input(states);
        let all = self.multiply(&name("attention"), &input, &layer.attention.0, self.width)?;
        let (q, k, v) = (name("query"), name("key"), name("value"));
        let axis = [Attribute::Int("axis", 2)];
        let parts = self.graph.nodes("", "Split", &[&all, "thirds"], [&q, &k, &v], &axis);
        let bias = self
            .graph
            .floats(&name("attention_bias"), &[self.width * 3], &layer.attention.1)?;
        let heads = [Attribute::Int("num_heads", self.heads as i64)];
        let inputs = [&parts[0], &parts[1], &parts[2], &bias].map(String::as_str);
        let [attended] = self
            .graph
            .nodes(MICROSOFT, "MultiHeadAttention", &inputs, [&name("attended")], &heads);
        let input = self.input(&attended);
        let attended = self.multiply(&name("mixed"), &input, &layer.attended.0, self.width)?;
        let states = self.add(
            &name("middle_states"),
            &attended,
            states,
            &layer.attended.1,
            &layer.attended_norm,
        )?;
        let input = self.input(&states);
        let inner = self.multiply(&name("inner"), &input, &layer.up.0, self.width)?;
        let bias = self
            .graph
            .floats(&name("inner_bias"), &[layer.up.1.len()], &layer.up.1)?;
        let [inner] = self
            .graph
            .nodes(MICROSOFT, "BiasGelu", &[&inner, &bias], [&name("bent")], &[]);
        let input = self.input(&inner);
        let outer = self.multiply(&name("outer"), &input, &layer.down.0, layer.up.1.len())?;
        self.add(&name("states"), &outer, &states, &layer.down.1, &layer.norm_after)
    }

    /// The norm of a sum: what was computed, its bias, and what went in.
    fn add(
        &mut self,
        name: &str,
        computed: &str,
        skipped: &str,
        bias: &[f32],
        norm: &(Vec<f32>, Vec<f32>),
    ) -> io::Result<String> {
        let (gain, norm_bias) = self.norm(&format!("{name}.norm"), norm)?;
        let bias = self.graph.floats(&format!("{name}.bias"), &[bias.len()], bias)?;
        let biased = self.graph.node("Add", &[computed, &bias], &format!("{name}.biased"));
        let sum = self.graph.node("Add", &[&biased, skipped], &format!("{name}.sum"));
        Ok(self.normalised(&sum, &gain, &norm_bias, name))
    }

    /// Each token's values around 0 and of variance 1, then by the model's gain and bias.
    fn normalised(&mut self, values: &str, gain: &str, bias: &str, name: &str) -> String {
        let attributes = [Attribute::Int("axis", -1), Attribute::Float("epsilon", self.epsilon)];
        let inputs = [values, gain, bias];
        let [normalised] = self.graph.nodes("", "LayerNormalization", &inputs, [name], &attributes);
        normalised
    }

    fn norm(&mut self, name: &str, (gain, bias): &(Vec<f32>, Vec<f32>)) -> io::Result<(String, String)> {
        let gain = self.graph.floats(&format!("{name}.gain"), &[gain.len()], gain)?;
        let bias = self.graph.floats(&format!("{name}.shift"), &[bias.len()], bias)?;
        Ok((gain, bias))
    }

    /// Prepares values for being multiplied: each token's become integers around 128, by the greatest of them.
    fn input(&mut self, values: &str) -> Input {
        if self.arithmetic == Arithmetic::Fp32 {
            return Input {
                values: values.to_owned(),
                scales: None,
            };
        }
        let name = |part: &str| format!("{values}.{part}");
        let graph = &mut self.graph;
        let sizes = graph.node("Abs", &[values], &name("sizes"));
        let greatest = graph.node("ReduceMax", &[&sizes, "last_axis"], &name("greatest"));
        let steps = graph.node("Mul", &[&greatest, "step"], &name("steps"));
        let steps = graph.node("Max", &[&steps, "least_step"], &name("scales"));
        let scaled = graph.node("Div", &[values, &steps], &name("scaled"));
        let integers = graph.node("QuantizeLinear", &[&scaled, "one", "middle"], &name("integers"));
        Input {
            values: integers,
            scales: Some(steps),
        }
    }

    /// Multiplies with a matrix of `[out][columns]`.
    fn multiply(&mut self, name: &str, input: &Input, matrix: &[f32], columns: usize) -> io::Result<String> {
        let rows = matrix.len() / columns;
        let Some(steps) = &input.scales else {
            let turned = turned(matrix, columns);
            let matrix = self
                .graph
                .floats(&format!("{name}.matrix"), &[columns, rows], &turned)?;
            return Ok(self.graph.node("MatMul", &[&input.values, &matrix], name));
        };
        let (bytes, scales): (Vec<_>, Vec<_>) = matrix.chunks_exact(columns).map(rounded).unzip();
        let bytes = turned(&bytes.concat(), columns);
        let matrix = self
            .graph
            .tensor(&format!("{name}.matrix"), Type::I8, &[columns, rows], &bytes)?;
        let scales = self.graph.floats(&format!("{name}.scales"), &[rows], &scales)?;
        let inputs = [&input.values, &matrix, "one", &scales, "middle"].map(|input: &str| input);
        let product = format!("{name}.product");
        let [product] = self
            .graph
            .nodes(MICROSOFT, "MatMulIntegerToFloat", &inputs, [&product], &[]);
        Ok(self.graph.node("Mul", &[&product, steps], name))
    }
}

/// Numbers as bytes of -127 to 127, and what one step of these is worth.
fn rounded(numbers: &[f32]) -> (Vec<u8>, f32) {
    let greatest = numbers.iter().fold(0.0f32, |most, number| most.max(number.abs()));
    let step = if greatest > 0.0 { greatest / 127.0 } else { 1.0 };
    let byte = |number: &f32| ((number / step).round() as i8).cast_unsigned();
    (numbers.iter().map(byte).collect(), step)
}

/// The matrix with its rows as columns.
fn turned<T: Copy>(matrix: &[T], columns: usize) -> Vec<T> {
    let rows = matrix.len() / columns;
    (0..matrix.len())
        .map(|at| matrix[at % rows * columns + at / rows])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_steps_of_their_greatest() {
        let (bytes, step) = rounded(&[0.5, -1.27, 0.0]);
        assert_eq!((bytes, (step * 100.0).round()), (vec![50, 129, 0], 1.0));
        assert_eq!(rounded(&[0.0, 0.0]).0, [0, 0]);
    }

    #[test]
    fn a_matrix_is_turned() {
        assert_eq!(turned(&[1, 2, 3, 4, 5, 6], 3), [1, 4, 2, 5, 3, 6]);
    }
}
