//! Words as they are typed on a telephone: "can u ship it", "i wanna return this". A site does not write so, and each would count as a word
//! that it does not know.
use crate::language::{self, Locale};

const SPELLINGS: [(&str, &str); 32] = [
    ("u", "you"),
    ("ur", "your"),
    ("r", "are"),
    ("ya", "you"),
    ("wanna", "want to"),
    ("gonna", "going to"),
    ("gotta", "have to"),
    ("dont", "don't"),
    ("doesnt", "doesn't"),
    ("didnt", "didn't"),
    ("cant", "can't"),
    ("wont", "won't"),
    ("isnt", "isn't"),
    ("arent", "aren't"),
    ("havent", "haven't"),
    ("whats", "what is"),
    ("hows", "how is"),
    ("wheres", "where is"),
    ("whens", "when is"),
    ("whos", "who is"),
    ("im", "i'm"),
    ("ive", "i've"),
    ("youre", "you're"),
    ("abt", "about"),
    ("cuz", "because"),
    ("coz", "because"),
    ("thru", "through"),
    ("tmrw", "tomorrow"),
    ("lemme", "let me"),
    ("gimme", "give me"),
    ("hv", "have"),
    ("bday", "birthday"),
];

/// An English text with such words spelled out; none if it has none, or is in another language: "u" is Dutch for "you".
pub(super) fn spelled_out(text: &str, locale: Option<Locale>) -> Option<String> {
    let english = language::detect(text)
        .or(locale)
        .is_none_or(|locale| locale == Locale::En);
    let has_one = || text.split(' ').any(|word| spelling(word).is_some());
    if !english || !has_one() {
        return None;
    }
    let words = text.split(' ').map(|word| match spelling(word) {
        Some((bare, spelled)) => word.replacen(bare, spelled, 1),
        None => word.to_owned(),
    });
    Some(words.collect::<Vec<_>>().join(" "))
}

/// The word without marks, and as it is spelled. Of capitals alone each may be a size or a name.
fn spelling(word: &str) -> Option<(&str, &'static str)> {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let lower = bare.to_lowercase();
    let shouted = bare.chars().all(char::is_uppercase);
    let found = SPELLINGS.iter().find(|(typed, _)| *typed == lower && !shouted)?;
    Some((bare, found.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_on_a_telephone_is_spelled_out() {
        let of = |text: &str| spelled_out(text, Some(Locale::En));
        for (typed, spelled) in [
            ("can u cut the paddle", "can you cut the paddle"),
            ("how long does ur warranty last?", "how long does your warranty last?"),
            ("i wanna return my paddle", "i want to return my paddle"),
            (
                "can i return it if i dont like it",
                "can i return it if i don't like it",
            ),
            ("Whats the price?", "what is the price?"),
        ] {
            assert_eq!(of(typed).as_deref(), Some(spelled), "{typed}");
        }
        assert_eq!(of("Can you cut the paddle?"), None);
        assert_eq!(of("Does it fit a U profile?"), None);
        assert_eq!(spelled_out("Kunt u mij zeggen wat de verzending kost?", None), None);
        assert_eq!(spelled_out("Was kostet der Versand im Inland?", None), None);
        assert_eq!(spelled_out("kunt u", Some(Locale::Nl)), None);
    }
}
