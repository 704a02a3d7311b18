//! The section that an answer is quoted from, and what each piece of it is worth for the question.
use super::idle;
use crate::{
    answering::{
        definition::Term,
        expected::{Fact, plain},
        sentences::{Kind, Piece, pieces},
        support::akin,
    },
    pages::index,
    retrieval::Passage,
};

/// A heading this near to the question asks the same.
const SAME_QUESTION: f32 = 0.75;
/// How much more such a section is worth than its heading's nearness says: its author meant it to answer.
const SAME_WORTH: f32 = 0.4;
/// How much a piece gains that holds the kind of fact that is asked for.
const FACT: f32 = 0.1;
/// How much a piece gains that says what a thing is, for a question that asks just this.
const DEFINITION: f32 = 0.3;
/// How much a sentence loses that answers nothing by itself: that asks, leads elsewhere, or is a title in capitals.
const IDLE: f32 = 0.6;
/// How much one loses that only gives an example of what was said before.
const EXAMPLE: f32 = 0.2;
/// How much a sentence gains that names a command or the like for who asks how something is done.
const MEANS: f32 = 0.08;
/// How much code loses where nobody asks how something is done.
const CODE: f32 = 0.15;

/// A section to answer from.
pub struct Section {
    heading: String,
    /// What its sentences are about: its heading, and what that stands under.
    context: String,
    pieces: Vec<Piece>,
    /// It is the answer to the question that its heading is.
    pub(super) is_faq: bool,
}

/// What a section's pieces are worth for a question.
pub struct Worth {
    /// How near the heading is to the question.
    heading: f32,
    /// Each piece's nearness, more where it holds the kind of fact that is asked for.
    pieces: Vec<f32>,
    /// Of each piece, how many words of the question it has.
    shared: Vec<usize>,
    /// Of each piece, whether it holds the kind of fact that is asked for.
    facts: Vec<bool>,
    /// A kind of fact is asked for that no piece holds.
    pub no_fact: bool,
    /// It says yes or no to a question that is not the visitor's.
    replies_to_another: bool,
}

impl Worth {
    /// Of the nearness of [`Section::texts`].
    pub fn new(section: &Section, near: &[f32], question: &str) -> Self {
        let expected = Fact::of(question);
        let asked = plain(question);
        let asked: Vec<&str> = asked
            .split_whitespace()
            .filter(|word| word.chars().count() > 2)
            .collect();
        let shared = |p: &Piece| {
            let said = plain(&p.text);
            asked
                .iter()
                .filter(|word| said.split(' ').any(|other| akin(word, other)))
                .count()
        };
        let fact = |p: &Piece| expected.as_ref().is_some_and(|fact| fact.is_in(&p.text));
        let defining = Term::of(question).map(|term| term.defining(&section.pieces));
        let defines = |i: usize| defining.as_ref().is_some_and(|defining| defining[i]);
        let method = idle::asks_how(question);
        let sign = |is: bool, weight: f32| if is { weight } else { 0.0 };
        let own = |i: usize, p: &Piece| {
            sign(fact(p), FACT) + sign(defines(i), DEFINITION) + sign(method && idle::names_means(p), MEANS)
                - sign(idle::is_idle(p), IDLE)
                - sign(idle::is_example(p), EXAMPLE)
                - sign(p.kind == Kind::Code && !method, CODE)
        };
        let pieces = section.pieces.iter().zip(near.iter().skip(1));
        Self {
            heading: near.first().copied().unwrap_or(0.0),
            pieces: pieces.enumerate().map(|(i, (p, near))| near + own(i, p)).collect(),
            shared: section.pieces.iter().map(shared).collect(),
            facts: section.pieces.iter().map(fact).collect(),
            no_fact: expected.is_some() && !section.pieces.iter().any(fact),
            replies_to_another: false,
        }
    }

    /// What the section is worth: its best piece, or its heading, if that asks the same.
    pub fn best(&self) -> f32 {
        let heading = if self.asks_the_same() {
            self.heading + SAME_WORTH
        } else {
            0.0
        };
        self.pieces.iter().copied().fold(heading, f32::max)
    }

    pub(super) fn holds_fact(&self, piece: usize) -> bool {
        self.facts.get(piece).copied().unwrap_or(false)
    }

    /// Whether the section's heading asks what the question does.
    pub fn asks_the_same(&self) -> bool {
        self.heading >= SAME_QUESTION && !self.replies_to_another
    }

    /// Of a section that says yes or no to its heading: whether it has all that the question speaks of. A vector hardly tells "do you sell"
    /// from "do you take back", and a yes to the one is none to the other.
    pub fn replying(mut self, section: &Section, has_all: bool) -> Self {
        self.replies_to_another = section.replies() && !has_all;
        self
    }

    /// Whether it says yes or no to a question that is not the visitor's.
    pub fn replies_to_another(&self) -> bool {
        self.replies_to_another
    }

    pub(super) fn of(&self, piece: usize) -> f32 {
        self.pieces.get(piece).copied().unwrap_or(0.0)
    }
}

/// Whether a text begins with a word that answers a question, and only that one.
fn answers_yes_or_no(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "yes", "no", "ja", "nein", "oui", "non", "sí", "sì", "si", "nee", "sim", "não", "tak", "nie", "yep", "nope",
    ];
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let apart = rest.trim().is_empty()
        || rest.starts_with([',', '.', '!', ';', ':'])
        || rest.starts_with(" –")
        || rest.starts_with(" —");
    apart && WORDS.contains(&word.to_lowercase().as_str())
}

/// Whether a text only repeats what the page or the section of a passage is called. What a heading asks may be answered by a word of it.
pub fn only_names(passage: &Passage, text: &str) -> bool {
    let headings = passage
        .heading_path
        .split(" > ")
        .filter(|heading| !heading.ends_with('?'));
    let called: Vec<String> = headings.chain([passage.title.as_str()]).map(plain).collect();
    let repeats =
        |line: &str| !line.ends_with(['.', '!', '?', ':']) && called.iter().any(|name| name.contains(&plain(line)));
    text.lines().map(str::trim).filter(|line| !line.is_empty()).all(repeats)
}

impl Section {
    /// The section that `best` belongs to, of the texts of its chunks in order.
    pub fn new(best: &Passage, texts: &[String]) -> Self {
        let heading = best.heading_path.rsplit(" > ").next().unwrap_or(&best.title).to_owned();
        let mut seen = std::collections::HashSet::new();
        let mut pieces = pieces(&texts.join("\n\n"));
        let says = |p: &Piece| p.text.contains(char::is_alphabetic) && !only_names(best, &p.text);
        pieces.retain(|p| p.kind != Kind::Sentence || (says(p) && seen.insert(p.text.clone())));
        // What was announced is not here: a picture, a form.
        while pieces
            .pop_if(|last| last.kind == Kind::Sentence && last.text.ends_with(':'))
            .is_some()
        {}
        let context = match best.heading_path.rsplit(" > ").nth(1) {
            Some(above) => format!("{above}: {heading}"),
            None => heading.clone(),
        };
        Self {
            heading,
            context,
            pieces,
            is_faq: best.kind == index::Kind::Faq,
        }
    }

    /// All that it says.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.pieces.iter().map(|p| p.text.as_str()).collect();
        texts.join("\n")
    }

    /// What is quoted of it, behind its heading where it says little without: the answer to a question that is not the one asked, or what
    /// begins with no sentence, as a price does.
    pub fn introduced(&self, worth: &Worth, body: String) -> String {
        let bare = |line: &str| {
            let ends = line.ends_with(['.', '!', '?', ':', '…', '。', ')', '"', '”', '|', ';', ',']);
            let marked = line.starts_with(['-', '*', '#', '|', '`', '>'])
                || line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(". ");
            !ends && !marked
        };
        let first = body.lines().next().unwrap_or_default();
        let leans = (self.heading.ends_with('?') && answers_yes_or_no(first)) || bare(first.trim());
        if worth.asks_the_same() || self.heading.trim().is_empty() || first.is_empty() || !leans {
            return body;
        }
        format!("**{}**\n\n{body}", self.heading)
    }

    /// Whether it says yes or no to what its heading asks.
    fn replies(&self) -> bool {
        let first = self.pieces.first().is_some_and(|piece| answers_yes_or_no(&piece.text));
        first && self.asks()
    }

    /// Whether there is nothing to quote.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces without the rows that others answer: of a table in which few rows share the most words with the question, only
    /// these are meant.
    pub(super) fn told(&self, worth: &Worth) -> (Vec<Piece>, Worth) {
        let of = |i: usize| worth.shared.get(i).copied().unwrap_or(0);
        let rows = |group: usize| {
            let own = move |(_, p): &(usize, &Piece)| p.kind == Kind::Row && p.group == group;
            self.pieces.iter().enumerate().filter(own).map(|(i, _)| i)
        };
        let meant = |i: usize, p: &Piece| {
            let most = rows(p.group).map(of).max().unwrap_or(0);
            let (all, best) = (rows(p.group).count(), rows(p.group).filter(|n| of(*n) == most).count());
            p.kind != Kind::Row || most == 0 || best * 2 > all || of(i) == most
        };
        let kept: Vec<usize> = (0..self.pieces.len()).filter(|i| meant(*i, &self.pieces[*i])).collect();
        let worth = Worth {
            heading: worth.heading,
            pieces: kept.iter().map(|i| worth.of(*i)).collect(),
            shared: kept.iter().map(|i| of(*i)).collect(),
            facts: kept.iter().map(|i| worth.holds_fact(*i)).collect(),
            no_fact: worth.no_fact,
            replies_to_another: worth.replies_to_another,
        };
        (kept.iter().map(|i| self.pieces[*i].clone()).collect(), worth)
    }

    /// Whether its heading is a question.
    pub(super) fn asks(&self) -> bool {
        self.heading.trim_end().ends_with(['?', '？', '؟'])
    }

    /// The texts whose nearness to the question [`Worth`] needs: the heading, then each piece.
    pub fn texts(&self) -> Vec<String> {
        let text = |p: &Piece| match &p.heading {
            Some(heading) => format!("{}: {heading}: {}", self.context, p.text),
            None => format!("{}: {}", self.context, p.text),
        };
        std::iter::once(self.heading.clone())
            .chain(self.pieces.iter().map(text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    #[test]
    fn what_says_little_without_its_heading_stands_behind_it() {
        let introduced = |heading: &str, near: f32, body: &str| {
            let passage = Passage {
                heading_path: format!("Help > {heading}"),
                ..passage(Some(0.8), 1.0, body)
            };
            let section = Section::new(&passage, &[body.to_owned()]);
            section.introduced(&Worth::new(&section, &[near, 0.5], "zzz"), body.to_owned())
        };
        let sold = "Do you take old kayaks in part exchange?";
        for (heading, body) in [
            (sold, "Yes, kayaks of any make up to ten years old."),
            (sold, "No. We have no room for them."),
            ("Tern carbon paddle", "189 EUR, in stock\n\nA light paddle."),
        ] {
            assert_eq!(introduced(heading, 0.5, body), format!("**{heading}**\n\n{body}"));
            assert_eq!(introduced(heading, 0.8, body), body, "it is what was asked");
        }
        for (heading, body) in [
            ("Returns", "Yes, we take it back."),
            (sold, "Kayaks of any make."),
            (sold, "No kayak is too old."),
            ("Steps", "1. Print the label"),
            ("Steps", "- the label"),
        ] {
            assert_eq!(introduced(heading, 0.5, body), body);
        }
    }
}
