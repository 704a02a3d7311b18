//! Takes out of a question what may name a person: addresses of e-mail, long numbers such as those of telephones, orders and cards, and
//! what follows a question mark in links. What is kept is shown to people and compared with other questions, and needs none of it.
use regex::Regex;
use std::sync::LazyLock;

/// Longest question that is kept, in characters.
const LONGEST: usize = 500;
/// Numbers with at least so many digits are taken out, whatever stands between these.
const DIGITS: usize = 6;

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\s@<>()\[\],;:]+@[^\s@<>()\[\],;:]+").ok());
static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)(https?://[^\s?#]+)[?#]\S*").ok());
static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[+#]?[\p{L}]{0,4}[-#/]?\(?\d[\d\s()./\-\u{a0}\u{2010}-\u{2015}]*\d[\p{L}]?").ok());

/// The question as one line without them.
pub(super) fn scrubbed(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let replace = |regex: &LazyLock<Option<Regex>>, text: &str, with: &str| {
        regex
            .as_ref()
            .map_or_else(String::new, |regex| regex.replace_all(text, with).into_owned())
    };
    let text = replace(&EMAIL, &line, "[e-mail]");
    let text = replace(&LINK, &text, "$1");
    let text = NUMBER.as_ref().map_or_else(String::new, |regex| {
        let each = |found: &regex::Captures<'_>| {
            let found = &found[0];
            let digits = found.chars().filter(char::is_ascii_digit).count();
            if digits < DIGITS {
                found.to_owned()
            } else {
                "[number]".to_owned()
            }
        };
        regex.replace_all(&text, each).into_owned()
    });
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_person_is_taken_out() {
        let is = |text: &str, scrubbed_text: &str| assert_eq!(scrubbed(text), scrubbed_text);
        is("Mail me at ann.b+c@mail.example, please", "Mail me at [e-mail], please");
        is("call +44 (0)20 7946-0958 now", "call [number] now");
        is("Where is order 10023456?", "Where is order [number]?");
        is("Where is order AB-10023456?", "Where is order [number]?");
        is("card 4111 1111 1111 1111\nok", "card [number] ok");
        is(
            "see https://a.example/reset?token=abc#x now",
            "see https://a.example/reset now",
        );
    }

    #[test]
    fn what_a_question_is_about_stays() {
        for text in [
            "Do you ship to Norway in 3 days?",
            "Is the 2024 model 12.5 cm wide?",
            "USB 3.2 or HDMI 2.1?",
            "Do size 42 and 43 fit 60 kg?",
            "¿Abren a las 10:30?",
        ] {
            assert_eq!(scrubbed(text), text);
        }
        assert_eq!(scrubbed(&"ä".repeat(900)).chars().count(), 500);
    }
}
