//! What a follow-up is about: the thing that was asked about before it, or that the answer was about.
use super::{
    Before, Words,
    lean::{LAST, Token, is_content, tokens, tokens_in},
};

/// Words of a subject at most.
const LONGEST: usize = 10;
/// Words of a title or heading that names a thing, not a whole page, at most.
const NAME: usize = 6;

/// What the conversation is about, in a few words.
pub(super) fn of(words: &Words, before: &Before<'_>) -> Option<String> {
    let asked = tokens_in(words, before.question);
    let span = span(words, &asked);
    let name = named(words, before, &asked);
    match (span, name) {
        // "Which kayak is best for beginners?" was answered with one: "how heavy is it?" asks about that one.
        (Some(span), Some(name)) if is_name(&asked, &span) => Some(if covers(&name, &span) { name } else { span }),
        (_, Some(name)) => Some(name),
        (span, None) => span,
    }
}

/// The question before with something else in the place of what it was about.
pub(super) fn replaced(words: &Words, question: &str, by: &[Token<'_>]) -> Option<String> {
    let asked = tokens_in(words, question);
    let by_text: Vec<&str> = by.iter().map(|t| t.text).collect();
    let first = by.first()?.word.as_str();
    let keep = cut(words, &asked, first);
    let kept: Vec<&str> = asked[..keep].iter().map(|t| t.text).collect();
    (!kept.is_empty()).then(|| format!("{} {}?", kept.join(" "), by_text.join(" ")))
}

/// How many words of the question before stay, when a phrase that begins with `first` takes the place of its end.
fn cut(words: &Words, asked: &[Token<'_>], first: &str) -> usize {
    let is = |set: &std::collections::HashSet<&str>, t: &Token<'_>| set.contains(t.word.as_str());
    let says = |kept: &[Token<'_>]| kept.iter().any(|t| is_content(words, t) || is(&words.attributes, t));
    let content_after = |at: usize| asked[at + 1..].iter().any(|t| is_content(words, t));
    let last = |found: &dyn Fn(&Token<'_>) -> bool| {
        (1..asked.len())
            .rev()
            .find(|at| found(&asked[*at]) && content_after(*at))
    };
    let preposition = last(&|t| is(&words.prepositions, t));
    let determiner = last(&|t| is(&words.determiners, t) && !is(&words.prepositions, t));
    let at = if words.prepositions.contains(first) {
        // "To Norway" takes the place of "to Germany", and stands beside "for heavy parcels".
        last(&|t| t.word == first)
    } else {
        match (preposition, determiner) {
            (Some(p), Some(d)) if d > p => Some(if d == p + 1 { d } else { p + 1 }),
            (Some(p), _) => Some(p + 1),
            (None, d) => d,
        }
    };
    at.filter(|at| says(&asked[..*at])).unwrap_or(asked.len())
}

/// The words of a text from the first to the last that says something, without what is asked of it.
fn span(words: &Words, asked: &[Token<'_>]) -> Option<String> {
    let first = asked.iter().position(|t| is_content(words, t))?;
    let last = asked
        .iter()
        .rposition(|t| is_content(words, t) || t.text.bytes().any(|b| b.is_ascii_digit()))?;
    let said: Vec<&str> = asked[first..=last.max(first)]
        .iter()
        .take(LONGEST)
        .map(|t| t.text)
        .collect();
    Some(said.join(" "))
}

/// The thing that the answer's page or section is named after, if the answer or the question speaks of it.
fn named(words: &Words, before: &Before<'_>, asked: &[Token<'_>]) -> Option<String> {
    let answer = before.answer.filter(|turn| !turn.refused)?;
    let spoken: Vec<String> = tokens_in(words, &answer.text)
        .into_iter()
        .chain(tokens_in(words, before.question))
        .map(|t| t.word)
        .collect();
    let section = answer.heading.as_deref().and_then(|path| path.rsplit(" > ").next());
    let names = section.into_iter().chain(answer.source.as_deref());
    let fits = |name: &&str| {
        let said = tokens_in(words, name);
        let content = said.iter().filter(|t| is_content(words, t));
        let all_spoken = content.clone().all(|t| spoken.contains(&t.word));
        let things = content.count();
        let proper = said
            .iter()
            .any(|t| t.text.bytes().any(|b| b.is_ascii_digit()) || t.text.chars().skip(1).any(char::is_uppercase))
            || said.iter().skip(1).any(|t| t.text.starts_with(char::is_uppercase));
        let question = name.trim_end().ends_with('?');
        // What is quoted below its heading is about what that names.
        let below = answer.text.starts_with(&format!("**{name}**"));
        things > 0
            && said.len() <= NAME
            && all_spoken
            && (proper || below || asked.iter().all(|t| !is_content(words, t)))
            && !question
    };
    names.into_iter().find(fits).map(str::to_owned)
}

/// Whether the question itself names something: a number, or a capital letter inside of it.
fn is_name(asked: &[Token<'_>], span: &str) -> bool {
    let digits = span.bytes().any(|b| b.is_ascii_digit());
    let shouted = asked.iter().all(|t| t.text == t.text.to_uppercase());
    let capital = asked
        .iter()
        .skip(1)
        .any(|t| t.text.starts_with(char::is_uppercase) && span.contains(t.text) && t.text.len() > 1);
    digits || (capital && !shouted)
}

fn covers(name: &str, span: &str) -> bool {
    let name: Vec<String> = tokens(name).into_iter().map(|t| t.word).collect();
    tokens(span).iter().all(|t| name.contains(&t.word))
}

/// The nth item of a list in an answer, from 0.
pub(super) fn item(answer: &str, n: usize) -> Option<String> {
    let text = |line: &str| {
        let line = line.trim_start();
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let text = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "));
        let text = text.or_else(|| {
            if digits > 0 {
                line[digits..].strip_prefix(". ")
            } else {
                None
            }
        })?;
        let words: Vec<&str> = text.split_whitespace().take(LONGEST).collect();
        Some(words.join(" ").replace("**", ""))
    };
    let items: Vec<String> = answer.lines().filter_map(text).collect();
    if n == LAST {
        items.last().cloned()
    } else {
        items.get(n).cloned()
    }
}
