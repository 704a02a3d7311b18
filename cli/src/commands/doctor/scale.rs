//! How the cosines of a provider's embedding model are read.
use domain::{config::Config, pages::index, tenancy::Db};
use embedding::Calibration;

use super::Finding;

const WHAT: &str = "embedding scale";

/// Says which scale stands; none of a model on this machine, whose scale is known. None without such a model.
pub async fn check(db: &Db, config: &Config) -> Option<Finding> {
    let model = crate::process::configured_model(&config.model).ok()??;
    if config.model.embedding_model.starts_with("local:") {
        return None;
    }
    Some(match index::scale_named(db, &model.name).await {
        Ok(measured) => Finding::note(WHAT, told(&model.name, measured)),
        Err(error) => Finding::mend(WHAT, error.story()),
    })
}

fn told(name: &str, measured: Option<Calibration>) -> String {
    match measured {
        Some(Calibration { zero, one }) => format!(
            "measured for {name}: a cosine of {zero:.2} says that texts have nothing to do with each other, one of {one:.2} that they say the same"
        ),
        None => format!(
            "not measured for {name}: its cosines are taken as they are until the first question or page has been embedded with it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_scale_stands() {
        let measured = Calibration { zero: 0.7, one: 1.0 };
        assert!(told("m", Some(measured)).starts_with("measured for m: a cosine of 0.70 "));
        assert!(told("m", None).starts_with("not measured for m"));
    }
}
