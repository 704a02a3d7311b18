//! The little words by which a follow-up is known, one list a language: [`west`] and [`east`].
use std::{collections::HashSet, sync::LazyLock};

use super::{
    east::{AR, HE, PL},
    west::{DE, EN, ES, FR, IT, NL, PT},
};
use crate::language::Locale;

/// A language's words; several words of one entry are joined by `_`.
pub(super) struct Words {
    /// What a question that goes on from another begins with.
    pub openers: Vec<Vec<&'static str>>,
    /// Openers that want something else put in the place of what was asked about.
    pub instead: Vec<Vec<&'static str>>,
    /// Words that stand for something said before.
    pub pronouns: HashSet<&'static str>,
    /// The same if no word of content follows them: articles and demonstratives.
    pub loose: HashSet<&'static str>,
    /// These point back even before a word of content ("this paddle")…
    pub pointing: HashSet<&'static str>,
    /// …unless it is one of these ("this week").
    pub here: HashSet<&'static str>,
    /// A pronoun in these stands for nothing ("is it possible").
    pub empty: Vec<Vec<&'static str>>,
    /// Words without content of their own.
    pub function: HashSet<&'static str>,
    /// What is asked of a thing: measures, prices, colours.
    pub attributes: HashSet<&'static str>,
    /// "Cheaper", "another one": words that compare with something.
    pub comparing: HashSet<&'static str>,
    /// "First", "second", …, and "last" at the end.
    pub ordinals: Vec<HashSet<&'static str>>,
    /// Articles and possessives before a thing.
    pub determiners: HashSet<&'static str>,
    /// Words before a place, a time or a purpose.
    pub prepositions: HashSet<&'static str>,
    /// Words that begin another clause.
    pub clauses: HashSet<&'static str>,
    /// Words that say that the visitor speaks of the site's people.
    pub you: HashSet<&'static str>,
    /// Requests to go on.
    pub more: Vec<Vec<&'static str>>,
    /// Little words that are written together with the next one: "and", "the".
    pub prefixes: Vec<&'static str>,
    /// A pronoun stands for "is" after what it speaks of, and leans on nothing there.
    pub copula: bool,
}

pub(super) struct Lists {
    pub openers: &'static str,
    pub instead: &'static str,
    pub pronouns: &'static str,
    pub loose: &'static str,
    pub pointing: &'static str,
    pub here: &'static str,
    pub empty: &'static str,
    pub function: &'static str,
    pub attributes: &'static str,
    pub comparing: &'static str,
    pub ordinals: &'static str,
    pub determiners: &'static str,
    pub prepositions: &'static str,
    pub clauses: &'static str,
    pub you: &'static str,
    pub more: &'static str,
    pub prefixes: &'static str,
    pub copula: bool,
}

/// The words of a language that follow-ups are known in.
pub(super) fn of(locale: Locale) -> Option<&'static Words> {
    static ALL: LazyLock<[Words; 10]> =
        LazyLock::new(|| [&EN, &DE, &FR, &ES, &IT, &NL, &PT, &PL, &AR, &HE].map(Words::new));
    let at = match locale {
        Locale::En => 0,
        Locale::De => 1,
        Locale::Fr => 2,
        Locale::Es => 3,
        Locale::It => 4,
        Locale::Nl => 5,
        Locale::Pt => 6,
        Locale::Pl => 7,
        Locale::Ar => 8,
        Locale::He => 9,
        // Written without spaces: `japanese` has rules of its own.
        Locale::Ja => return None,
    };
    ALL.get(at)
}

impl Words {
    fn new(lists: &Lists) -> Self {
        let set = |list: &'static str| list.split_whitespace().collect::<HashSet<_>>();
        let phrases = |list: &'static str| {
            let mut phrases: Vec<Vec<&str>> = list.split_whitespace().map(|p| p.split('_').collect()).collect();
            phrases.sort_by_key(|phrase: &Vec<&str>| std::cmp::Reverse(phrase.len()));
            phrases
        };
        Self {
            openers: phrases(lists.openers),
            instead: phrases(lists.instead),
            pronouns: set(lists.pronouns),
            loose: set(lists.loose),
            pointing: set(lists.pointing),
            here: set(lists.here),
            empty: phrases(lists.empty),
            function: set(lists.function),
            attributes: set(lists.attributes),
            comparing: set(lists.comparing),
            ordinals: lists
                .ordinals
                .split_whitespace()
                .map(|each| each.split(',').collect())
                .collect(),
            determiners: set(lists.determiners),
            prepositions: set(lists.prepositions),
            clauses: set(lists.clauses),
            you: set(lists.you),
            more: phrases(lists.more),
            prefixes: lists.prefixes.split_whitespace().collect(),
            copula: lists.copula,
        }
    }

    /// A word without the little word that is written together with it, if it is a known one then.
    pub fn plain<'w>(&self, word: &'w str) -> &'w str {
        if self.is_known(word) {
            return word;
        }
        let mut rests = self.prefixes.iter().filter_map(|prefix| word.strip_prefix(prefix));
        rests.find(|rest| self.is_known(rest)).unwrap_or(word)
    }

    fn is_known(&self, word: &str) -> bool {
        self.is_empty(word) || self.ordinals.iter().any(|forms| forms.contains(word))
    }

    /// Whether a word says nothing by itself.
    pub fn is_empty(&self, word: &str) -> bool {
        self.function.contains(word)
            || self.attributes.contains(word)
            || self.pronouns.contains(word)
            || self.loose.contains(word)
            || self.comparing.contains(word)
            || self.determiners.contains(word)
            || self.prepositions.contains(word)
    }
}
