//! The texts of the pages about privacy, terms and accessibility, read once from the plain files of `assets/pages/legal`, one a
//! language. `=== name` begins a page; `#`, `##`, `>` and `-` are its title, headings, lead and points, everything else a paragraph.
//! `?word` and `!word` before a line say when it stands: with or without that.
use domain::language::Locale;
use std::{collections::BTreeMap, sync::LazyLock};

/// The languages, English first.
const FILES: &[(&str, &str)] = embed!("pages/legal":
    "en.txt", "de.txt", "es.txt", "fr.txt", "it.txt", "nl.txt", "pt.txt");

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Title,
    Lead,
    Heading,
    Point,
    Paragraph,
}

/// A line of a page.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What has to be there, or not to be there.
    pub when: Option<(bool, &'static str)>,
    pub shape: Shape,
    pub text: &'static str,
}

/// The pages of one language.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// What stands around every page.
    pub frame: BTreeMap<&'static str, &'static str>,
    /// The pages by their names.
    pub pages: BTreeMap<&'static str, Vec<Line>>,
}

static TEXTS: LazyLock<BTreeMap<&str, Texts>> =
    LazyLock::new(|| FILES.iter().map(|(name, file)| (&name[..2], read(file))).collect());

/// The pages in the first of these languages that there are texts in, else in English; with the language's code.
pub(crate) fn texts(wanted: impl IntoIterator<Item = Locale>) -> Option<(&'static str, &'static Texts)> {
    let wanted = wanted.into_iter().map(Locale::code).chain(["en"]);
    wanted
        .filter_map(|code| TEXTS.get_key_value(code))
        .map(|(code, texts)| (*code, texts))
        .next()
}

fn read(file: &'static str) -> Texts {
    let mut texts = Texts::default();
    for part in file.split("=== ").skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
        if name.trim() == "frame" {
            texts.frame = lines.filter_map(|line| line.split_once(": ")).collect();
        } else {
            texts.pages.insert(name.trim(), lines.map(line).collect());
        }
    }
    texts
}

fn line(text: &'static str) -> Line {
    let mark = text.chars().next().filter(|mark| matches!(mark, '?' | '!'));
    let conditional = mark.and_then(|mark| Some((mark == '?', text[1..].split_once(' ')?)));
    let (when, text) = match conditional {
        Some((with, (word, rest))) => (Some((with, word)), rest),
        None => (None, text),
    };
    let shapes = [
        ("## ", Shape::Heading),
        ("# ", Shape::Title),
        ("> ", Shape::Lead),
        ("- ", Shape::Point),
    ];
    let marked = shapes
        .into_iter()
        .find_map(|(mark, shape)| Some((shape, text.strip_prefix(mark)?)));
    let (shape, text) = marked.unwrap_or((Shape::Paragraph, text));
    Line { when, shape, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line demands: its condition, its form and its placeholders.
    fn form(line: &Line) -> (Option<(bool, &'static str)>, String, Vec<&'static str>) {
        let mut placeholders: Vec<_> = line
            .text
            .split('{')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0))
            .collect();
        placeholders.sort_unstable();
        (line.when, format!("{:?}", line.shape), placeholders)
    }

    #[test]
    fn every_language_says_the_same() {
        let english = &TEXTS["en"];
        assert_eq!(TEXTS.len(), FILES.len());
        for (code, texts) in TEXTS.iter() {
            let keys = |texts: &Texts| texts.frame.keys().copied().collect::<Vec<_>>();
            assert_eq!(keys(texts), keys(english), "{code}");
            for (name, lines) in &english.pages {
                let wanted: Vec<_> = lines.iter().map(form).collect();
                let own: Vec<_> = texts.pages[name].iter().map(form).collect();
                assert_eq!(own, wanted, "{code} {name}");
                assert!(
                    texts.pages[name].iter().all(|line| !line.text.trim().is_empty()),
                    "{code} {name}"
                );
            }
        }
        assert_eq!(
            english.pages.keys().copied().collect::<Vec<_>>(),
            ["accessibility", "privacy", "terms"]
        );
    }

    #[test]
    fn the_first_language_that_there_is_is_taken() {
        let code = |wanted: &[Locale]| texts(wanted.iter().copied()).unwrap().0;
        assert_eq!(code(&[Locale::Ja, Locale::Fr, Locale::De]), "fr");
        assert_eq!(code(&[]), "en");
    }
}
