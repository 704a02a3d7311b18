//! The user that the servers run as.
//!
//! PostgreSQL refuses to run as root, so that a root owner gives the servers' processes, and the files they need, to
//! an unprivileged user. From then on root must not follow paths inside a folder of that user's, nor write there: a
//! server that was broken into could have put a link to a file of root's in its place.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{Uid, User, geteuid};

use crate::error::Error;

/// Enough for the few standard tools that the scripts use.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The user that the servers run as.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// `None` when the owner's own user will do.
    other: Option<User>,
}

impl Account {
    /// The owner's user; for root the user whom `servers`, the folder of earlier servers, belongs to, or else the user
    /// called `name`. It needs an entry in the user database: `initdb` looks its name up.
    pub(crate) fn choose(name: &str, servers: &Path) -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let user = match fs::symlink_metadata(servers).map(|folder| Uid::from_raw(folder.uid())) {
            Ok(earlier) if !earlier.is_root() => User::from_uid(earlier),
            _ => User::from_name(name),
        };
        let user = user.ok().flatten().filter(|user| !user.uid.is_root());
        user.map(|user| Self { other: Some(user) })
            .ok_or_else(|| Error::User { name: name.to_owned() })
    }

    /// Whether privileges are given up.
    pub(crate) fn is_other(&self) -> bool {
        self.other.is_some()
    }

    /// A command to run as this user in `dir`, with nothing of the owner's environment: variables such as `PGPORT`
    /// would change what the programs do.
    pub(crate) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", PATH);
        if let Some(user) = &self.other {
            // The standard library clears the supplementary groups when root sets a user.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Makes a folder, if there is none, that only this user (and root) can enter. Its parent must not be writable for
    /// this user, who could put a link in its place.
    pub(crate) fn private_folder(&self, dir: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("cannot make", dir)(error)),
            _ => self.give(dir),
        }
    }

    /// Gives a folder of root's to this user.
    pub(crate) fn give(&self, dir: &Path) -> Result<(), Error> {
        let Some(user) = &self.other else { return Ok(()) };
        let owner = fs::symlink_metadata(dir).map_err(Error::io("cannot read", dir))?.uid();
        if owner == 0 {
            lchown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(Error::io("cannot chown", dir))?;
        }
        Ok(())
    }

    /// Checks that this user can enter `dir` and every folder above it. Asks the system as that user rather than
    /// reading modes, which access control lists may overrule.
    pub(crate) fn check_reachable(&self, dir: &Path) -> Result<(), Error> {
        let Some(user) = &self.other else { return Ok(()) };
        let script = r#"for dir; do test -x "$dir" || { printf %s "$dir"; exit; }; done"#;
        let mut folders: Vec<&Path> = dir.ancestors().collect();
        folders.reverse();
        let mut command = self.command(Path::new("/bin/sh"), Path::new("/"));
        command.args(["-c", script, "sh"]).args(folders);
        let output = command
            .output()
            .map_err(Error::io("cannot run", Path::new("/bin/sh")))?;
        match String::from_utf8_lossy(&output.stdout).as_ref() {
            "" => Ok(()),
            closed => Err(Error::Unreachable {
                user: user.name.clone(),
                folder: PathBuf::from(closed),
            }),
        }
    }
}
