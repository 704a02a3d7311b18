//! schemathesis, which makes requests from a contract and judges the answers: installed from `PyPI` once, at the versions of
//! `schemathesis.txt`.
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

const PACKAGES: &str = include_str!("schemathesis.txt");

/// A command that is schemathesis' own; its arguments follow.
pub fn schemathesis() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", installed()).args(["-m", "schemathesis.cli"]);
    command
}

/// The folder of its packages. Tests that run side by side wait for the one that fills it.
fn installed() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let folder = target.join("schemathesis");
    fs::create_dir_all(&folder).expect("a folder for schemathesis");
    let lock = File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("the lock");
    let (packages, mark) = (folder.join("packages"), folder.join("installed.txt"));
    if fs::read_to_string(&mark).is_ok_and(|done| done == PACKAGES) {
        return packages;
    }
    let _ = fs::remove_dir_all(&packages);
    let list = folder.join("wanted.txt");
    fs::write(&list, PACKAGES).expect("the list of packages");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
    ]);
    let output = pip
        .arg("--target")
        .arg(&packages)
        .arg("--requirement")
        .arg(&list)
        .output();
    let output = output.expect("python3 with pip");
    assert!(
        output.status.success(),
        "schemathesis could not be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::write(mark, PACKAGES).expect("the note that it is installed");
    packages
}
