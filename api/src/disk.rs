//! How much room the folders of this process have.
use std::path::{Path, PathBuf};

/// With less room than this a part fails: downloads and temporary files no longer fit. Bytes.
const LEAST: u64 = 1 << 30;

/// The room of a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// A folder on it.
    pub folder: PathBuf,
    /// Bytes that a user without privileges may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Room {
    /// Of the file system of `folder`; of the next folder above it where it does not exist yet.
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let stat = rustix::fs::statvfs(existing)?;
        Ok(Self {
            folder: folder.to_owned(),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    /// Whether there is enough.
    pub fn suffices(&self) -> bool {
        self.free >= LEAST
    }

    /// For people.
    pub fn told(&self) -> String {
        let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let (free, total) = (gigabytes(self.free), gigabytes(self.total));
        format!("{}: {free:.1} of {total:.1} GiB free", self.folder.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_room_of_its_file_system() {
        let there = Room::of(&std::env::temp_dir()).unwrap();
        assert!(there.total > 0 && there.free <= there.total);
        let below = Room::of(&std::env::temp_dir().join("not/made/yet")).unwrap();
        assert_eq!(below.total, there.total);
        let full = Room {
            free: LEAST - 1,
            ..there
        };
        assert!(
            !full.suffices()
                && Room {
                    free: LEAST,
                    ..full.clone()
                }
                .suffices()
        );
        let room = Room {
            folder: "/data".into(),
            free: 3 << 29,
            total: 4 << 30,
        };
        assert_eq!(room.told(), "/data: 1.5 of 4.0 GiB free");
    }
}
