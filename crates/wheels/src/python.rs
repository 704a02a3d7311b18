//! Finds a Python with pip and runs it: to download, to unpack, and to run one-off scripts.
//!
//! Its neighbour `cache` decides what to run; nothing here knows the cache's layout.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::Error;

/// What is looked for when the caller names no interpreter.
const CANDIDATES: [&str; 2] = ["python3", "python"];

/// Prints a tag such as `cpython-311` for the interpreter's binary interface; fails when pip is missing.
const PROBE: &str = "import sys; print(sys.implementation.cache_tag); import pip";

/// An interpreter that has pip.
#[derive(Debug, Clone)]
pub struct Python {
    program: OsString,
    tag: String,
}

impl Python {
    /// Finds `python3` or `python` on the search path, or checks that `program` is usable.
    ///
    /// Fails with [`Error::NoPython`] or [`Error::NoPip`].
    pub fn find(program: Option<&OsStr>) -> Result<Self, Error> {
        let candidates = match program {
            Some(program) => vec![program],
            None => CANDIDATES.iter().map(OsStr::new).collect(),
        };
        let mut without_pip = None;
        for candidate in &candidates {
            let Ok(output) = Command::new(candidate)
                .args(["-c", PROBE])
                .stdin(Stdio::null())
                .output()
            else {
                continue;
            };
            let tag = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() {
                return Ok(Self {
                    program: (*candidate).to_owned(),
                    tag,
                });
            }
            // Something that prints no tag is no interpreter, e.g. a version manager's placeholder.
            if !tag.is_empty() {
                without_pip.get_or_insert(*candidate);
            }
        }
        Err(match without_pip {
            Some(python) => Error::NoPip {
                python: python.to_string_lossy().into_owned(),
            },
            None => Error::NoPython {
                tried: candidates.join(OsStr::new(", ")).to_string_lossy().into_owned(),
            },
        })
    }

    /// Names the binary interface of extension modules, e.g. `cpython-311`.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// A command for this interpreter with nothing on its standard input. It starts in `dir`, because Python imports
    /// from its working folder and must not pick up a module of the caller's.
    pub(crate) fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(dir).stdin(Stdio::null());
        command
    }
}

/// Runs `command` to its end and returns what it wrote, successful or not.
pub(crate) fn run(mut command: Command) -> Result<Output, Error> {
    command.output().map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::NoPython {
            tried: command.get_program().to_string_lossy().into_owned(),
        },
        _ => Error::io("cannot run", Path::new(command.get_program()))(source),
    })
}

/// Runs `command` to its end and returns its standard output; [`Error::Script`] when it fails.
pub(crate) fn run_script(command: Command) -> Result<String, Error> {
    let output = run(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Script {
        status: output.status.to_string(),
        output: last_lines(&output.stderr),
    })
}

/// The end of a program's output, enough to see the cause.
pub(crate) fn last_lines(output: &[u8]) -> String {
    const KEPT: usize = 15;
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let output = "early\n".repeat(100) + &"late\n".repeat(15);
        assert_eq!(last_lines(output.as_bytes()), "late\n".repeat(15).trim_end());
        assert_eq!(last_lines(b"one\n"), "one");
    }
}
