//! What requests of people about their data need.
use super::Reader;
use std::path::PathBuf;

/// Erasures.
#[derive(Clone, Debug)]
pub struct PrivacyConfig {
    /// A file of receipts outside of the database, so that what was forgotten stays so after a restore.
    pub erasure_log: Option<PathBuf>,
}

impl PrivacyConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let erasure_log = r.optional("ERASURE_LOG").map(PathBuf::from);
        if erasure_log
            .as_ref()
            .is_some_and(|path| path.is_relative() || path.file_name().is_none())
        {
            r.wrong(
                "ERASURE_LOG",
                "must be a file's absolute path",
                "/var/lib/omniops/erasures.log",
            );
        }
        Self { erasure_log }
    }
}
