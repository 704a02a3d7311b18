//! Whether the embedding model knows the languages of the pages.
use domain::{
    config::Config,
    pages::languages::{Foreign, mostly_foreign},
    tenancy::Db,
};

use super::Finding;

const WHAT: &str = "languages";
/// What knows English alone.
const ENGLISH: &str = "local:minilm-l6-v2";

/// Notes the customers whose pages the English model does not understand.
pub async fn check(db: &Db, config: &Config) -> Finding {
    if config.model.disable_vectors || config.model.embedding_model != ENGLISH {
        return Finding::good(WHAT);
    }
    match mostly_foreign(db).await {
        Ok(found) if found.is_empty() => Finding::good(WHAT),
        Ok(found) => Finding::note(WHAT, told(&found)),
        Err(error) => Finding::mend(WHAT, error.story()),
    }
}

fn told(found: &[Foreign]) -> String {
    let each = found
        .iter()
        .map(|one| format!("{} ({} of {} pages)", one.domain, one.foreign_pages, one.pages));
    format!(
        "most pages are not English, which is all that {ENGLISH} knows, of {}: set EMBEDDING_MODEL=local:multilingual-e5-small; the indexes \
         change beside the old ones",
        each.collect::<Vec<_>>().join(", ")
    )
}
