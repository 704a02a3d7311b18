//! Questions that begin with a greeting. A greeting is on no page, and would count as a word that the site does not know.
use super::{
    frame,
    small_talk::{greetings, words},
};

/// What is asked behind a greeting and between polite words, or all of it.
pub(super) fn without(text: &str) -> &str {
    frame::without(behind_greeting(text))
}

fn behind_greeting(text: &str) -> &str {
    // Greetings that may as well be what the question is about, unless a comma or the like follows.
    const AMBIGUOUS: [&str; 9] = [
        "morning",
        "good day",
        "greetings",
        "tag",
        "buenas",
        "saludos",
        "salut",
        "yo",
        "oi",
    ];
    const GREETED: [&str; 12] = [
        "there",
        "all",
        "everyone",
        "everybody",
        "team",
        "guys",
        "folks",
        "bot",
        "sir",
        "madam",
        "zusammen",
        "tous",
    ];
    let (mut rest, mut greeted) = (text.trim_start_matches(['¡', ' ', '\n']), false);
    loop {
        let hello = greetings()
            .filter_map(|phrase| Some((phrase, behind(rest, phrase)?)))
            .max_by_key(|(phrase, _)| phrase.len());
        let left = match hello {
            Some((phrase, left)) => {
                let clear = left.starts_with([',', '!', '.', ';', ':', '\n', '،', '、', '。']);
                if !clear && AMBIGUOUS.contains(&phrase.join(" ").as_str()) {
                    break;
                }
                left
            }
            None => match GREETED.iter().find_map(|name| behind(rest, &[(*name).to_owned()])) {
                Some(left) if greeted => left,
                _ => break,
            },
        };
        greeted = true;
        rest = left.trim_start_matches(|c: char| !c.is_alphanumeric() && !"¿\"'(„“«".contains(c));
    }
    // Two words are the least that ask.
    if words(rest).len() < 2 { text } else { rest }
}

/// What follows the words of `phrase` at the beginning of `text`.
fn behind<'a>(text: &'a str, phrase: &[String]) -> Option<&'a str> {
    let mut rest = text;
    for (at, word) in phrase.iter().enumerate() {
        rest = if at == 0 { rest } else { rest.trim_start() };
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '\''))
            .unwrap_or(rest.len());
        let (first, left) = rest.split_at(end);
        rest = (words(first) == [word.as_str()]).then_some(left)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_stands_behind_the_greeting() {
        for (text, asked) in [
            ("hi how long does delivery take", "how long does delivery take"),
            ("Hi, how long does it take?", "how long does it take?"),
            ("Good morning everyone! Hello, what is shipping?", "what is shipping?"),
            ("hiii there where is my order", "where is my order"),
            (
                "Guten Tag, wie lange dauert die Lieferung?",
                "wie lange dauert die Lieferung?",
            ),
            ("¡Hola! ¿Cuánto cuesta el envío?", "¿Cuánto cuesta el envío?"),
            ("Hola, ¿Cuánto cuesta el envío?", "¿Cuánto cuesta el envío?"),
            ("morning tours price", "morning tours price"),
            ("Morning, tours price?", "tours price?"),
            ("Tag der offenen Tür", "Tag der offenen Tür"),
            ("everyone welcome?", "everyone welcome?"),
            ("hello", "hello"),
            ("hello kitty", "hello kitty"),
            ("historic boats for hire", "historic boats for hire"),
        ] {
            assert_eq!(without(text), asked, "{text}");
        }
    }
}
