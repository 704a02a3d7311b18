//! An answer being written, cut into what is judged as one: sentences with the citations behind them, headings, tables, code.
//!
//! A piece is given out as soon as it is complete, which a sentence is when the next one begins: only then is it sure that no
//! citation follows.

use super::dates;

/// A longer sentence is judged in pieces; a longer table or block of code as well.
const LONGEST_SENTENCE: usize = 800;
const LONGEST_BLOCK: usize = 6000;

pattern!(MARKER, r"^(?:>\s?)*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+|>\s?)");
pattern!(MARKER_BEGUN, r"^(?:>\s?)*(?:[-*+•>#|`~]{1,6}|\d{1,3}[.)]?)$");
pattern!(
    CITATIONS,
    r"^(?:\s*(?:\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]|【[^】\n]{0,20}】))+[.。]?"
);
pattern!(
    CITATION_BEGUN,
    r"^\s*(?:\[(?:\d{1,3}(?:\s*[,–-]\s*(?:\d{1,3})?)*)?|【[^】\n]{0,20})$"
);

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Prose, or an item of a list.
    Sentence,
    /// A line that begins with `#`.
    Heading,
    /// Lines that begin with `|`.
    Table,
    /// A fenced block.
    Code,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// White space before it, and the marker of a list's item or of a quotation.
    pub lead: String,
    /// The text.
    pub body: String,
    /// What it is.
    pub shape: Shape,
}

/// Cuts a text that comes bit by bit.
#[derive(Debug, Default)]
pub struct Splitter {
    waiting: String,
    begun: bool,
}

impl Splitter {
    /// Takes more text; gives the pieces that are complete.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.waiting.push_str(text);
        std::iter::from_fn(|| self.next(false)).collect()
    }

    /// What is left when the text is complete.
    pub fn finish(&mut self) -> Vec<Piece> {
        std::iter::from_fn(|| self.next(true)).collect()
    }

    fn next(&mut self, ended: bool) -> Option<Piece> {
        let text = &self.waiting;
        let space = text.len() - text.trim_start().len();
        let rest = &text[space..];
        if rest.is_empty() {
            return None;
        }
        let new_line = !self.begun || text[..space].contains('\n');
        if new_line && !ended && MARKER_BEGUN.is_match(rest.trim_end()) && rest.len() < 24 {
            return None;
        }
        let marker = if new_line {
            MARKER.find(rest).map_or(0, |m| m.end())
        } else {
            0
        };
        let body = &rest[marker..];
        if body.is_empty() && !ended {
            return None;
        }
        let (length, shape) = match body {
            _ if new_line && (body.starts_with("```") || body.starts_with("~~~")) => (fence(body, ended)?, Shape::Code),
            _ if new_line && body.starts_with('|') => (table(body, ended)?, Shape::Table),
            _ if new_line && body.starts_with('#') => (line(body, ended)?, Shape::Heading),
            _ => (sentence(body, ended)?, Shape::Sentence),
        };
        let end = space + marker + length;
        let piece = Piece {
            lead: text[..space + marker].to_owned(),
            body: text[space + marker..end].trim_end().to_owned(),
            shape,
        };
        self.begun = true;
        self.waiting.drain(..end);
        Some(piece)
    }
}

fn line(text: &str, ended: bool) -> Option<usize> {
    text.find('\n')
        .or_else(|| (ended || text.len() > LONGEST_SENTENCE).then_some(text.len()))
}

fn fence(text: &str, ended: bool) -> Option<usize> {
    let mark = &text[..3];
    let close = text
        .get(3..)?
        .find(&format!("\n{mark}"))
        .map(|at| at + 3 + 1 + mark.len());
    match close {
        Some(close) => Some(text[close..].find('\n').map_or(text.len(), |at| close + at)),
        None => (ended || text.len() > LONGEST_BLOCK).then_some(text.len()),
    }
}

/// Lines up to the first that is no row.
fn table(text: &str, ended: bool) -> Option<usize> {
    let mut end = 0;
    while let Some(at) = text[end..].find('\n') {
        let next = end + at + 1;
        match text[next..].chars().next() {
            Some('|') => end = next,
            Some(_) => return Some(next - 1),
            None => break,
        }
    }
    (ended || text.len() > LONGEST_BLOCK).then_some(text.len())
}

fn sentence(text: &str, ended: bool) -> Option<usize> {
    let mut code = false;
    for (at, c) in text.char_indices() {
        if at > LONGEST_SENTENCE {
            return Some(cut(&text[..at]));
        }
        match c {
            '`' => code = !code,
            '\n' => return Some(at),
            '.' | '!' | '?' | '…' | '。' | '！' | '？' | '؟' | '।' if !code => {
                if let Some(end) = end_of(text, at + c.len_utf8(), c, ended)? {
                    return Some(end);
                }
            }
            _ => {}
        }
    }
    ended.then_some(text.len())
}

/// Where the sentence ends whose last mark ends at `at`; `Some(None)` if it does not end there, none if more text must tell.
#[expect(clippy::option_option, reason = "unknown, no, and where: three answers")]
fn end_of(text: &str, at: usize, mark: char, ended: bool) -> Option<Option<usize>> {
    let closers = text[at..].chars().take_while(|c| {
        matches!(
            c,
            ')' | '"' | '\'' | '”' | '’' | '」' | '»' | '*' | '_' | '.' | '!' | '?'
        )
    });
    let end = at + closers.map(char::len_utf8).sum::<usize>();
    let behind = &text[end..];
    let citations = CITATIONS.find(behind).map_or(0, |m| m.end());
    let after = &behind[citations..];
    if ended && after.trim().is_empty() {
        return Some(Some(text.len()));
    }
    if after.trim_start_matches([' ', '\t']).is_empty() || CITATION_BEGUN.is_match(after) {
        return None;
    }
    let wide = matches!(mark, '。' | '！' | '？' | '।');
    let spaced = after.starts_with(char::is_whitespace);
    if !wide && !spaced && citations == 0 {
        return Some(None);
    }
    let word = after.trim_start().split(char::is_whitespace).next().unwrap_or_default();
    let goes_on =
        mark == '.' && citations == 0 && (word.starts_with(char::is_lowercase) || abbreviated(&text[..at - 1]));
    if goes_on {
        return Some(None);
    }
    // "3. März": an ordinal, if a month follows.
    let ordinal = mark == '.' && text[..at - 1].ends_with(|c: char| c.is_ascii_digit());
    if ordinal && !ended && after.trim_start().len() == word.len() {
        return None;
    }
    if ordinal && dates::month(word.trim_end_matches(|c: char| !c.is_alphanumeric())).is_some() {
        return Some(None);
    }
    Some(Some(end + citations))
}

fn abbreviated(before: &str) -> bool {
    const KNOWN: [&str; 30] = [
        "e.g", "i.e", "etc", "vs", "Mr", "Mrs", "Ms", "Dr", "No", "approx", "z.B", "z. B", "B", "bzw", "ca", "Nr",
        "St", "Str", "Tel", "inkl", "zzgl", "evtl", "ggf", "max", "min", "p.ej", "ej", "n", "tel", "art",
    ];
    let word = before
        .rsplit(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or_default();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    initial || KNOWN.contains(&word)
}

/// The last white space that stands in no number, else the end.
fn cut(text: &str) -> usize {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let spaces = text.char_indices().rev().filter(|(at, c)| {
        c.is_whitespace()
            && *at > 0
            && !(digit(text[..*at].chars().next_back()) && digit(text[*at + c.len_utf8()..].chars().next()))
    });
    spaces.map(|(at, _)| at).next().unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut pieces = splitter.push(text);
        pieces.extend(splitter.finish());
        let whole: String = pieces.iter().flat_map(|p| [p.lead.as_str(), p.body.as_str()]).collect();
        assert_eq!(whole.trim(), text.trim(), "nothing is lost");
        let mut letters = Splitter::default();
        let mut cut: Vec<Piece> = text.chars().flat_map(|c| letters.push(&c.to_string())).collect();
        cut.extend(letters.finish());
        assert_eq!(cut, pieces, "however it comes");
        pieces.into_iter().map(|p| p.body).collect()
    }

    #[test]
    fn sentences_keep_their_citations() {
        assert_eq!(
            bodies("It takes 2.5 days [1]. It is free. [2] [3] Use e.g. DHL. Am 3. März 2026. Then?"),
            [
                "It takes 2.5 days [1].",
                "It is free. [2] [3]",
                "Use e.g. DHL.",
                "Am 3. März 2026.",
                "Then?"
            ]
        );
        assert_eq!(
            bodies("送料は無料です。[1]返品は30日以内です。"),
            ["送料は無料です。[1]", "返品は30日以内です。"]
        );
    }

    #[test]
    fn a_sentence_comes_out_when_the_next_begins() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push("Two to four days [1]."), []);
        assert_eq!(splitter.push(" ").len(), 0);
        assert_eq!(splitter.push("T")[0].body, "Two to four days [1].");
    }

    #[test]
    fn lists_tables_headings_and_code_are_told_apart() {
        use Shape::{Code, Heading, Sentence, Table};
        let text = "## Steps\n\n1. Print it. Cut it.\n2. Send it.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\necho a. B\n```\nDone.";
        let mut splitter = Splitter::default();
        let mut pieces = splitter.push(text);
        pieces.extend(splitter.finish());
        let shapes: Vec<Shape> = pieces.iter().map(|p| p.shape).collect();
        assert_eq!(shapes, [Heading, Sentence, Sentence, Sentence, Table, Code, Sentence]);
        assert_eq!(
            (pieces[1].lead.as_str(), pieces[1].body.as_str()),
            ("\n\n1. ", "Print it.")
        );
        assert_eq!(pieces[4].body, "| a | b |\n|---|---|\n| 1 | 2 |");
        bodies(text);
    }

    #[test]
    fn a_sentence_without_an_end_is_cut_where_no_number_stands() {
        let text = "word 1 000 ".repeat(200);
        let mut splitter = Splitter::default();
        let pieces = splitter.push(&text);
        assert!(pieces.len() > 1 && pieces.iter().all(|p| p.body.len() <= LONGEST_SENTENCE));
        assert!(pieces.iter().all(|p| !p.body.ends_with(" 1")), "{pieces:?}");
    }
}
