//! Writes ONNX files: as much of the format (onnx.proto3, ONNX IR version 10) as a text encoder's graph needs.
//!
//! Large tensors go to a second file beside the graph, which ONNX Runtime maps into memory: what a run does not touch
//! takes none, and sessions and processes share the rest. The messages are written field by field (Protocol Buffers,
//! "Encoding"); what must stay true is the field numbers, which are quoted from onnx.proto3.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// `ModelProto.ir_version`.
const IR_VERSION: u64 = 10;
/// Version of the standard operators.
const OPERATORS: u64 = 21;
/// The domain of ONNX Runtime's own operators.
pub(super) const MICROSOFT: &str = "com.microsoft";
/// Tensors from this size on stand in the second file.
const LARGE: usize = 1024;

/// `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    I64 = 7,
}

/// An attribute of a node.
pub(super) enum Attribute {
    Float(&'static str, f32),
    Int(&'static str, i64),
}

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

/// A graph being written; its large tensors are on the disk already.
pub(super) struct Graph {
    nodes: Message,
    data: BufWriter<File>,
    data_name: String,
    written: u64,
}

impl Graph {
    /// Begins `model`, with its tensors in `model.data`.
    pub(super) fn create(model: &Path) -> io::Result<Self> {
        let data = model.with_extension("onnx.data");
        let data_name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            nodes: Message::default().text(2, "encoder"),
            data: BufWriter::new(File::create(data)?),
            data_name,
            written: 0,
        })
    }

    /// An operation; returns the names of its `outputs` values.
    pub(super) fn nodes<const N: usize>(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        outputs: [&str; N],
        attributes: &[Attribute],
    ) -> [String; N] {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input);
        }
        for output in outputs {
            node = node.text(2, output);
        }
        node = node.text(3, &format!("{}.node", outputs[0])).text(4, operator);
        for attribute in attributes {
            // `AttributeProto.type`: FLOAT = 1, INT = 2.
            let message = match attribute {
                Attribute::Float(name, value) => Message::default().text(1, name).float(2, *value).int(20, 1),
                Attribute::Int(name, value) => Message::default().text(1, name).int(3, *value as u64).int(20, 2),
            };
            node = node.message(5, &message);
        }
        let graph = std::mem::take(&mut self.nodes);
        self.nodes = graph.message(1, &node.text(7, domain));
        outputs.map(str::to_owned)
    }

    /// A standard operation of one output and no attributes.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], output: &str) -> String {
        let [output] = self.nodes("", operator, inputs, [output], &[]);
        output
    }

    /// A constant; returns its name.
    pub(super) fn tensor(&mut self, name: &str, of: Type, shape: &[usize], values: &[u8]) -> io::Result<String> {
        let begun = self.begin(values.len())?;
        if let Some(at) = begun {
            self.data.write_all(values)?;
            self.external(name, of, shape, at, values.len());
        } else {
            let tensor = tensor(name, of, shape).bytes(9, values);
            let graph = std::mem::take(&mut self.nodes);
            self.nodes = graph.message(5, &tensor);
        }
        Ok(name.to_owned())
    }

    /// A large constant in the making: `rows` gives its bytes piece by piece.
    pub(super) fn streamed(
        &mut self,
        name: &str,
        of: Type,
        shape: &[usize],
        rows: impl Iterator<Item = Vec<u8>>,
    ) -> io::Result<String> {
        let at = self.begin(usize::MAX)?.unwrap_or_default();
        let mut length = 0;
        for row in rows {
            self.data.write_all(&row)?;
            length += row.len();
        }
        self.external(name, of, shape, at, length);
        Ok(name.to_owned())
    }

    /// Numbers of 32 bits.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> io::Result<String> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, Type::F32, shape, &bytes)
    }

    /// Whole numbers in one row.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> io::Result<String> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, Type::I64, &[values.len()], &bytes)
    }

    /// Where in the second file a tensor of `length` bytes begins; none for a small one.
    fn begin(&mut self, length: usize) -> io::Result<Option<u64>> {
        /// Pages of memory, which the file is mapped by.
        const PAGE: u64 = 4096;
        if length < LARGE {
            return Ok(None);
        }
        let at = self.written.next_multiple_of(PAGE);
        self.data.write_all(&vec![0; (at - self.written) as usize])?;
        self.written = at;
        Ok(Some(at))
    }

    fn external(&mut self, name: &str, of: Type, shape: &[usize], at: u64, length: usize) {
        self.written += length as u64;
        let mut tensor = tensor(name, of, shape);
        let (at, length) = (at.to_string(), length.to_string());
        for (key, value) in [
            ("location", self.data_name.as_str()),
            ("offset", &at),
            ("length", &length),
        ] {
            tensor = tensor.message(13, &Message::default().text(1, key).text(2, value));
        }
        // `data_location`: EXTERNAL = 1.
        let graph = std::mem::take(&mut self.nodes);
        self.nodes = graph.message(5, &tensor.int(14, 1));
    }

    /// Writes the file; the input is `[text][token]`, the output `[text][token][width]`.
    pub(super) fn finish(mut self, model: &Path, input: &str, output: &str, width: usize) -> io::Result<()> {
        let dimension = |name: &str| Message::default().text(2, name);
        let value = |name: &str, of: Type, shape: &[Message]| {
            let shape = shape.iter().fold(Message::default(), |all, one| all.message(1, one));
            let tensor = Message::default().int(1, of as u64).message(2, &shape);
            Message::default()
                .text(1, name)
                .message(2, &Message::default().message(1, &tensor))
        };
        let input = value(input, Type::I64, &[dimension("texts"), dimension("tokens")]);
        self.nodes = self.nodes.message(11, &input);
        let width = Message::default().int(1, width as u64);
        let output = value(output, Type::F32, &[dimension("texts"), dimension("tokens"), width]);
        let operators = |domain: &str, version| Message::default().text(1, domain).int(2, version);
        let message = Message::default()
            .int(1, IR_VERSION)
            .message(7, &self.nodes.message(12, &output))
            .message(8, &operators("", OPERATORS))
            .message(8, &operators(MICROSOFT, 1));
        self.data
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        let mut file = File::create(model)?;
        file.write_all(&message.0)?;
        file.sync_all()
    }
}

fn tensor(name: &str, of: Type, shape: &[usize]) -> Message {
    let mut tensor = Message::default();
    for size in shape {
        tensor = tensor.int(1, *size as u64);
    }
    tensor.int(2, of as u64).text(8, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_encoded_as_the_format_says() {
        // The examples of "Encoding": field 1 = 150, field 2 = "testing".
        assert_eq!(Message::default().int(1, 150).0, [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").0, *b"\x12\x07testing");
        assert_eq!(Message::default().float(2, 1.0).0, [0x15, 0, 0, 0x80, 0x3f]);
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }
}
