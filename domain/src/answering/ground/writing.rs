//! An answer being written by a model, shown piece by piece as it is judged.
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

use super::{
    NO_ANSWER,
    judge::{Judge, Reason, Verdict, marks},
    negation,
    split::{Piece, Shape, Splitter},
    visible::visible_after,
    words::{content, like},
};
use crate::{
    answering::answerer::{Part, send},
    retrieval::Searcher,
    tenancy::Customer,
};

/// From this cosine on a sentence is taken for a paraphrase of another.
const PARAPHRASE: f32 = 0.6;
/// Sentences of passages that a doubtful one is compared with.
const COMPARED: usize = 40;

/// What was taken out of an answer, or out of what it was made of, counted by the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed(BTreeMap<String, u64>);

impl Removed {
    /// Counts `times` more for `reason`.
    pub fn add(&mut self, reason: Reason, times: usize) {
        if times > 0 {
            *self.0.entry(reason.to_owned()).or_default() += times as u64;
        }
    }
}

/// An answer as it was shown.
#[derive(Debug)]
pub struct Checked {
    /// The text; empty if nothing was left.
    pub text: String,
    /// The passages that it rests on.
    pub cited: BTreeSet<usize>,
    /// What was not shown.
    pub removed: Removed,
}

/// Takes what a model writes, and passes on what may be shown.
pub struct Writing<'a> {
    parts: Option<&'a mpsc::Sender<Part>>,
    judge: Judge,
    /// Who measures nearness, and for whom.
    searcher: Option<(&'a Searcher, &'a Customer)>,
    splitter: Splitter,
    last: char,
    /// What is shown only with something behind it: lead-ins, headings, a bare "Yes."
    held: Vec<(Piece, String)>,
    /// White space and the marker that stood before what was dropped.
    carried: Lead,
    shown: String,
    cited: BTreeSet<usize>,
    marked: bool,
    removed: Removed,
    refused: bool,
    /// Words that an answer may have, and that it has.
    most: usize,
    words: usize,
    full: bool,
}

impl<'a> Writing<'a> {
    /// An answer that `judge` judges; `searcher`, if there is one, compares meanings.
    pub fn new(
        parts: Option<&'a mpsc::Sender<Part>>,
        judge: Judge,
        searcher: Option<(&'a Searcher, &'a Customer)>,
    ) -> Self {
        Self {
            parts,
            judge,
            searcher,
            splitter: Splitter::default(),
            last: ' ',
            held: Vec::new(),
            carried: Lead::default(),
            shown: String::new(),
            cited: BTreeSet::new(),
            marked: false,
            removed: Removed::default(),
            refused: false,
            most: usize::MAX,
            words: 0,
            full: false,
        }
    }

    /// With at most this many words: what comes after the sentence that still fits is not shown.
    #[must_use]
    pub fn at_most(mut self, words: Option<usize>) -> Self {
        self.most = words.unwrap_or(usize::MAX);
        self
    }

    /// Whether nothing more will be shown.
    pub fn full(&self) -> bool {
        self.full
    }

    /// Whether something was shown.
    pub fn begun(&self) -> bool {
        !self.shown.is_empty()
    }

    /// Takes more text.
    pub async fn take(&mut self, more: &str) {
        let seen = visible_after(more, &mut self.last);
        for piece in self.splitter.push(&seen) {
            self.piece(piece).await;
        }
    }

    /// Judges the rest, when the text is complete.
    pub async fn finish(mut self) -> Checked {
        for piece in self.splitter.finish() {
            self.piece(piece).await;
        }
        // Lead-ins without anything behind them go unseen.
        if self.begun() && !self.marked {
            let marks = marks(self.cited.iter().copied().take(3));
            let apart = self.shown.ends_with("```") || self.shown.lines().last().is_some_and(|l| l.starts_with('|'));
            self.show(&format!("{}{marks}", if apart { "\n\n" } else { " " })).await;
        }
        Checked {
            text: self.shown,
            cited: self.cited,
            removed: self.removed,
        }
    }

    async fn piece(&mut self, piece: Piece) {
        if self.refused || self.full {
            return;
        }
        if piece.body.contains(NO_ANSWER) {
            // The word stands alone; what a model writes behind it explains what it does not know.
            self.refused = !self.begun();
            return;
        }
        let Self { judge, removed, .. } = self;
        let verdict = judge.check(&piece, &mut |reason| removed.add(reason, 1));
        let verdict = self.decided(verdict).await;
        match verdict {
            Verdict::Keep(text, on) => {
                let Some(text) = self.fitting(text) else { return };
                for (held, text) in std::mem::take(&mut self.held) {
                    self.append(&held.lead, &text).await;
                }
                self.marked |= on.iter().any(|n| text.contains(&format!("[{n}]")));
                self.cited.extend(on);
                // Lines of code do not stand under an item, so an item may not begin with them.
                let lead = match piece.shape {
                    Shape::Code => piece.lead.rfind('\n').map_or("", |at| &piece.lead[..=at]),
                    _ => piece.lead.as_str(),
                };
                self.append(lead, &text).await;
            }
            Verdict::Hold(text) => self.held.push((piece, text)),
            Verdict::Drop(reason) => {
                self.removed.add(reason, 1);
                // What led in to it leads nowhere now.
                self.held.retain(|(held, _)| held.shape == Shape::Heading);
                self.carried.take(&piece.lead);
            }
            Verdict::Unsure { .. } => {}
        }
    }

    /// The sentence if it still fits; of a first one that is too long, its beginning.
    fn fitting(&mut self, text: String) -> Option<String> {
        let held: usize = self.held.iter().map(|(_, text)| words(text)).sum();
        let room = self.most.saturating_sub(self.words + held);
        if words(&text) <= room {
            return Some(text);
        }
        self.full = true;
        let beginning: Vec<&str> = text.split_whitespace().take(room).collect();
        (!self.begun()).then(|| beginning.join(" ") + "…")
    }

    /// Lets the meaning decide where words don't tell.
    async fn decided(&self, verdict: Verdict) -> Verdict {
        let Verdict::Unsure {
            text,
            on,
            claim,
            said,
            enough,
        } = verdict
        else {
            return verdict;
        };
        let texts = likeliest(&claim, said);
        let near = match self.searcher {
            Some((searcher, customer)) => searcher.nearness(customer, &claim, &texts).await,
            None => Ok(None),
        };
        match near {
            Ok(Some(near)) => meant(&claim, &texts, &near).map_or_else(Verdict::Drop, |()| Verdict::Keep(text, on)),
            Ok(None) | Err(_) if enough => Verdict::Keep(text, on),
            Ok(None) | Err(_) => Verdict::Drop("unsupported"),
        }
    }

    async fn append(&mut self, lead: &str, text: &str) {
        let mut carried = std::mem::take(&mut self.carried);
        let mut lead = carried.before(lead, self.begun());
        // Whatever stood behind the end of a block of code would keep it from being one.
        if self.shown.ends_with("```") && !lead.starts_with('\n') {
            "\n\n".clone_into(&mut lead);
        }
        self.show(&format!("{lead}{text}")).await;
    }

    async fn show(&mut self, text: &str) {
        if !text.is_empty() {
            send(self.parts, text).await;
            self.words += words(text);
            self.shown.push_str(text);
        }
    }
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The sentences that are compared with a claim: those that share most words with it.
fn likeliest(claim: &str, mut said: Vec<String>) -> Vec<String> {
    let words = content(claim);
    let shared = |sentence: &String| {
        let own = content(sentence);
        words
            .iter()
            .filter(|word| own.iter().any(|own| like(word, own)))
            .count()
    };
    said.sort_by_cached_key(|sentence| std::cmp::Reverse(shared(sentence)));
    said.truncate(COMPARED);
    said
}

/// Whether one of the sentences, each this near to a claim, means the same. Vectors don't see a "not": what is nearest may say the
/// opposite.
fn meant(claim: &str, said: &[String], near: &[f32]) -> Result<(), Reason> {
    let nearest = |opposed: bool| {
        let of = said
            .iter()
            .zip(near)
            .filter(|(said, _)| negation::may_say(claim, said) != opposed);
        of.map(|(_, near)| *near).fold(0.0, f32::max)
    };
    let (same, opposed) = (nearest(false), nearest(true));
    if same.max(opposed) < PARAPHRASE {
        Err("unsupported")
    } else if opposed > same {
        Err("negation")
    } else {
        Ok(())
    }
}

/// What stands before a piece.
#[derive(Debug, Default)]
struct Lead {
    lines: usize,
    marker: String,
}

impl Lead {
    fn of(lead: &str) -> Self {
        let marker = lead.rsplit('\n').next().unwrap_or_default();
        let marker = if lead.contains('\n') || !marker.trim().is_empty() {
            marker
        } else {
            ""
        };
        Self {
            lines: lead.matches('\n').count().min(2),
            marker: marker.to_owned(),
        }
    }

    /// Keeps what the next piece needs of a dropped one: the break between paragraphs, and the marker of its own item.
    fn take(&mut self, lead: &str) {
        let new = Self::of(lead);
        if new.lines > 0 || !new.marker.is_empty() {
            self.marker = new.marker;
        }
        self.lines = self.lines.max(new.lines);
    }

    /// The text before a piece that stood behind `lead`.
    fn before(&mut self, lead: &str, begun: bool) -> String {
        let own = Self::of(lead);
        let starts = own.lines > 0 || !own.marker.is_empty();
        let marker = if starts {
            own.marker
        } else {
            std::mem::take(&mut self.marker)
        };
        let lines = self.lines.max(own.lines);
        match (begun, lines) {
            (false, _) => marker.trim_start().to_owned(),
            (true, 0) if lead.is_empty() => String::new(),
            (true, 0) => " ".to_owned(),
            (true, lines) => "\n".repeat(lines) + &marker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_compared_with_what_is_likeliest_wherever_it_stands() {
        let mut said: Vec<String> = (0..300)
            .map(|n| format!("Sentence {n} is about bulky goods."))
            .collect();
        said.push("A gift card stays with its buyer.".to_owned());
        let texts = likeliest("Gift cards can not be sent back.", said);
        assert_eq!(
            (texts.len(), texts[0].as_str()),
            (COMPARED, "A gift card stays with its buyer.")
        );
    }

    #[test]
    fn the_nearest_sentence_must_not_say_the_opposite() {
        let said = ["Gift cards are not returnable.", "You can send everything else back."].map(str::to_owned);
        let claim = "You may send gift cards back.";
        assert_eq!(meant(claim, &said, &[0.9, 0.7]), Err("negation"));
        assert_eq!(meant(claim, &said, &[0.7, 0.9]), Ok(()));
        assert_eq!(meant(claim, &said, &[0.5, 0.4]), Err("unsupported"));
        assert_eq!(meant("You can not send gift cards back.", &said, &[0.9, 0.7]), Ok(()));
        let long = ["You can send it back within 60 days, but not opened software.".to_owned()];
        assert_eq!(meant("Two months long you may send it back.", &long, &[0.8]), Ok(()));
    }
}
