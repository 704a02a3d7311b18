//! The user that the servers run as.
//!
//! PostgreSQL refuses to run as root, so that a root owner gives the servers' processes, and the files they need, to
//! an unprivileged user.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{User, geteuid};

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
    /// The owner's user, or for root the user called `name`. It needs an entry in the user database: `initdb` looks
    /// its name up.
    pub(crate) fn choose(name: &str) -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let user = User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root());
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

    /// Makes a folder that only this user (and root) can enter, or makes it so.
    pub(crate) fn private_folder(&self, dir: &Path) -> Result<(), Error> {
        if !dir.is_dir() {
            fs::create_dir_all(dir).map_err(Error::io("cannot make", dir))?;
        }
        if let Some(user) = &self.other {
            chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(Error::io("cannot chown", dir))?;
        }
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(Error::io("cannot close", dir))
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
