//! Whether a question leans on what was said before it, and with which word.
use super::Words;

/// A word of a text.
pub(super) struct Token<'a> {
    /// As it stands, without punctuation.
    pub text: &'a str,
    /// In lower case.
    pub word: String,
    /// Whether punctuation stands before it.
    pub breaks: bool,
}

/// How a question leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lean {
    /// The word at this place stands for something said before.
    Pronoun(usize),
    /// It asks something without saying of what.
    About,
    /// It names the nth thing of an answer, from 0; the last is [`LAST`].
    Nth(usize),
    /// From this word on it names something in the place of what was asked about.
    Instead(usize),
}

/// The last of several.
pub(super) const LAST: usize = usize::MAX;

/// Most words of a phrase that takes another's place.
const PHRASE: usize = 5;

/// The words of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut breaks = false;
    for part in text.split_whitespace() {
        let trimmed = part.trim_matches(|c: char| !c.is_alphanumeric());
        if trimmed.is_empty() {
            breaks = true;
            continue;
        }
        let ends = part.ends_with([',', ';', ':', '.', '!', '?', ')', '–', '—', '،', '؛', '؟']);
        let word = trimmed.to_lowercase().replace('’', "'");
        tokens.push(Token {
            text: trimmed,
            word,
            breaks,
        });
        breaks = ends;
    }
    tokens
}

/// The words of a text in this language, without the little words that are written together with them.
pub(super) fn tokens_in<'a>(words: &Words, text: &'a str) -> Vec<Token<'a>> {
    let mut tokens = tokens(text);
    for token in &mut tokens {
        let plain = words.plain(&token.word);
        if plain.len() < token.word.len() {
            token.word = plain.to_owned();
        }
    }
    tokens
}

/// How a question leans on the ones before it; none if it stands by itself.
pub(super) fn of(words: &Words, all: &[Token<'_>]) -> Option<Lean> {
    let start = opener(&words.openers, all);
    let rest = &all[start..];
    if rest.is_empty() {
        return (start > 0).then_some(Lean::About);
    }
    if words
        .more
        .iter()
        .any(|phrase| phrase.len() == rest.len() && begins(rest, phrase))
    {
        return Some(Lean::About);
    }
    let content = rest
        .iter()
        .filter(|t| is_content(words, t) && nth(words, t).is_none())
        .count();
    if content == 0
        && let Some(n) = rest.iter().find_map(|t| nth(words, t))
    {
        return Some(Lean::Nth(n));
    }
    if let Some(at) = pronoun(words, rest) {
        return Some(Lean::Pronoun(start + at));
    }
    let has = |set: &std::collections::HashSet<&str>| rest.iter().any(|t| set.contains(t.word.as_str()));
    if content == 0 {
        // "Where are you?" has no word of content and leans on nothing; "how long do you need?" is asked of something.
        let of_people = has(&words.you) && !has(&words.attributes) && !has(&words.comparing);
        return (!of_people).then_some(Lean::About);
    }
    let phrase = rest.len() <= PHRASE && rest.iter().all(|t| is_phrase(words, t));
    let instead = start > 0 && opener(&words.instead, all) == start && rest.len() <= PHRASE + 2;
    let place = start == 0 && rest.len() < PHRASE && words.prepositions.contains(rest[0].word.as_str());
    (instead || (phrase && (start > 0 || place))).then_some(Lean::Instead(start))
}

/// A word that says something by itself.
pub(super) fn is_content(words: &Words, token: &Token<'_>) -> bool {
    !words.is_empty(&token.word)
}

/// A word that can stand in "for the second paddle" and in "in blue": no verb of a whole question, no question word.
fn is_phrase(words: &Words, token: &Token<'_>) -> bool {
    let word = token.word.as_str();
    is_content(words, token)
        || words.prepositions.contains(word)
        || words.determiners.contains(word)
        || words.attributes.contains(word)
        || words.comparing.contains(word)
}

/// How many words the longest of `phrases` takes at the beginning.
fn opener(phrases: &[Vec<&str>], tokens: &[Token<'_>]) -> usize {
    let found = phrases.iter().find(|phrase| begins(tokens, phrase));
    found.map_or(0, Vec::len)
}

fn begins(tokens: &[Token<'_>], phrase: &[&str]) -> bool {
    tokens.len() >= phrase.len() && tokens.iter().zip(phrase).all(|(token, word)| token.word == *word)
}

fn nth(words: &Words, token: &Token<'_>) -> Option<usize> {
    let n = words
        .ordinals
        .iter()
        .position(|forms| forms.contains(token.word.as_str()))?;
    Some(if n + 1 == words.ordinals.len() { LAST } else { n })
}

/// The first word that stands for something said in an earlier message.
fn pronoun(words: &Words, rest: &[Token<'_>]) -> Option<usize> {
    (0..rest.len()).find(|&at| {
        points_back(words, rest, at)
            && !is_empty_subject(words, rest, at)
            && !has_antecedent(words, rest, at)
            && !is_copula(words, rest, at)
    })
}

/// "The kayak, it heavy?" says "is the kayak heavy?" in languages that do without "is".
fn is_copula(words: &Words, rest: &[Token<'_>], at: usize) -> bool {
    words.copula && words.pronouns.contains(rest[at].word.as_str()) && rest[..at].iter().any(|t| is_content(words, t))
}

fn points_back(words: &Words, rest: &[Token<'_>], at: usize) -> bool {
    let word = rest[at].word.as_str();
    let before = at.checked_sub(1).map(|i| &rest[i]);
    let next = rest.get(at + 1);
    if words.pronouns.contains(word) {
        return true;
    }
    // In German the formal "you" is the same word as "she": the verb before it tells.
    if word == "sie" {
        let verb = before.map_or("", |t| t.word.as_str());
        return verb.ends_with('t') && verb.len() > 2 || ["kann", "darf", "muss", "war", "wird", "es"].contains(&verb);
    }
    let pointing = words.pointing.contains(word);
    let Some(next) = next.filter(|next| !next.breaks) else {
        return words.loose.contains(word) && (pointing || before.is_some());
    };
    let following = next.word.as_str();
    if is_content(words, next) {
        return pointing && !words.here.contains(following) && !before.is_some_and(|t| is_content(words, t));
    }
    let loose = words.loose.contains(word);
    let measured = words.attributes.contains(following) && (pointing || !words.determiners.contains(word));
    let placed = words.prepositions.contains(following);
    let plain = words.function.contains(following) && !words.determiners.contains(following);
    // "The paddle that I bought": what follows a word of content tells more of it.
    loose && (placed || ((measured || plain) && !before.is_some_and(|t| is_content(words, t))))
}

/// "Is it possible": the pronoun stands for nothing.
fn is_empty_subject(words: &Words, rest: &[Token<'_>], at: usize) -> bool {
    // "Is it reasonable to …", "ist es schwer, … zu …": what it stands for comes after it.
    const AHEAD: [(&str, &[&str], usize); 3] = [
        ("it", &["to", "that"], 3),
        ("es", &["zu", "dass"], 12),
        ("het", &["om", "dat"], 8),
    ];
    let announced = AHEAD.iter().any(|(word, signs, reach)| {
        let mut ahead = rest[at + 1..].iter().take(*reach);
        rest[at].word == *word && at > 0 && ahead.any(|t| signs.contains(&t.word.as_str()))
    });
    announced
        || words
            .empty
            .iter()
            .any(|phrase| (0..=at).any(|from| at < from + phrase.len() && begins(&rest[from..], phrase)))
}

/// Whether what the word stands for was named earlier in the same message: in another clause, or before the visitor speaks of
/// what to do with it.
fn has_antecedent(words: &Words, rest: &[Token<'_>], at: usize) -> bool {
    const PEOPLE: [&str; 12] = [
        "i", "we", "you", "ich", "wir", "je", "nous", "yo", "io", "ik", "eu", "wij",
    ];
    let named = |i: usize| is_content(words, &rest[i]);
    let begins_clause = |t: &Token<'_>| t.breaks || words.clauses.contains(t.word.as_str());
    (0..at).filter(|i| named(*i)).any(|i| {
        let between = &rest[i + 1..=at];
        let determined = i > 0 && words.determiners.contains(rest[i - 1].word.as_str());
        // "Who pays for that?": the word itself begins no clause.
        let apart = rest[at].breaks || rest[i + 1..at].iter().any(begins_clause);
        apart || (determined && between.iter().any(|t| PEOPLE.contains(&t.word.as_str())))
    })
}
