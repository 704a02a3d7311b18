//! On which scale a model's cosines are that nobody has calibrated: measured by pairs of texts whose nearness is known.
//!
//! What is unrelated by one model is near by another: MiniLM gives unrelated texts a cosine about 0, others 0.4 to 0.8. The same pairs,
//! embedded by the model, show where its cosines of questions with and without an answer lie; a line through both means leads to
//! MiniLM's scale, on which everything is decided ([`Calibration`]). Measured so, the scale is a property of the model, not of a site.
use crate::{Calibration, Embedder, Error, Kind, Spent};

/// Questions, each with a passage that answers it in other words. The passage of another one is unrelated to it.
#[rustfmt::skip]
const PAIRS: [(&str, &str); 15] = [
    ("How long does delivery take?", "Parcels arrive within two to four working days after they have been sent."),
    ("Can I return a lamp that I don't like?", "Whatever does not please you may be sent back for sixty days, and we refund the price."),
    ("Is there a guarantee?", "All our boats are covered by a warranty of five years."),
    ("How do I reset my password?", "Choose \"forgotten password\" on the login page and follow the link in the mail."),
    ("Where do I find the invoice?", "Bills can be downloaded in your account under orders."),
    ("Are dogs allowed in the rooms?", "Pets are welcome in our hotel for a small fee a night."),
    ("When does the museum open?", "Visitors are let in from ten in the morning, every day but Monday."),
    ("How do I water an orchid?", "Put the plant's pot into lukewarm water once a week and let it drain."),
    ("Which payment methods do you accept?", "You can pay by credit card, bank transfer or on account."),
    ("How is a list sorted in Python?", "The function sorted() returns the elements of any iterable in ascending order."),
    ("Do you have vegan dishes?", "Our menu has meals without meat, eggs and milk."),
    ("What should I do when the engine overheats?", "Stop the car, switch off the motor and let the coolant cool down before you open the cap."),
    ("How can I cancel my subscription?", "You may end your membership at any time in the settings of your profile."),
    ("Do you hire students?", "We offer internships and part-time jobs for people who still study."),
    ("How is the wool sweater washed?", "Clean knitted woollens by hand in cold water and dry them flat."),
];
/// How far on in the list an unrelated passage stands.
const ELSEWHERE: usize = 7;
/// Means of these cosines by all-MiniLM-L6-v2, as `the_pairs_have_these_means_by_minilm` measures them.
pub const RELATED: f64 = 0.495;
/// The same for questions with the passages of others.
pub const UNRELATED: f64 = 0.061;
/// A model to which related texts are not nearer than unrelated ones by so much can't be judged by.
const LEAST: f64 = 0.05;

/// What the pairs' cosines come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    /// Of questions and their answers.
    pub related: f64,
    /// Of questions and the answers to others.
    pub unrelated: f64,
}

impl Means {
    /// The scale on which these means are MiniLM's; none where the model hardly tells them apart.
    pub fn calibration(self) -> Option<Calibration> {
        let step = (self.related - self.unrelated) / (RELATED - UNRELATED);
        let zero = self.unrelated - UNRELATED * step;
        (self.related - self.unrelated >= LEAST).then_some(Calibration { zero, one: zero + step })
    }
}

/// Has the pairs embedded.
pub async fn measure(model: &dyn Embedder) -> Result<(Means, Spent), Error> {
    let texts = |of: fn(&(&str, &str)) -> String| PAIRS.iter().map(of).collect::<Vec<_>>();
    let asked = model
        .embed_counted(Kind::Query, &texts(|(question, _)| (*question).to_owned()))
        .await?;
    let said = model
        .embed_counted(Kind::Passage, &texts(|(_, passage)| (*passage).to_owned()))
        .await?;
    let mean = |apart: usize| {
        let cosine = |(n, asked): (usize, &Vec<f32>)| -> f64 {
            let said = &said.vectors[(n + apart) % said.vectors.len()];
            asked.iter().zip(said).map(|(a, b)| f64::from(a * b)).sum()
        };
        asked.vectors.iter().enumerate().map(cosine).sum::<f64>() / PAIRS.len() as f64
    };
    let means = Means {
        related: mean(0),
        unrelated: mean(ELSEWHERE),
    };
    Ok((means, asked.spent + said.spent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_both_means_leads_to_the_common_scale() {
        let shifted = |cosine: f64| 0.7 + 0.3 * cosine;
        let means = Means {
            related: shifted(RELATED),
            unrelated: shifted(UNRELATED),
        };
        let scale = means.calibration().unwrap();
        assert!(
            (scale.zero - 0.7).abs() < 1e-9 && (scale.one - 1.0).abs() < 1e-9,
            "{scale:?}"
        );
        let dull = Means {
            related: 0.9,
            unrelated: 0.88,
        };
        assert_eq!(dull.calibration(), None);
    }
}
