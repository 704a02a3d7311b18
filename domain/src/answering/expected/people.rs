//! Names of people in a text, as far as capitals tell.

/// Words that begin sentences and are no names.
#[rustfmt::skip]
const BEGINNINGS: [&str; 40] = [
    "the", "a", "an", "this", "that", "these", "see", "in", "for", "if", "when", "while", "as", "at", "by", "on", "to", "from", "with", "and",
    "or", "but", "our", "your", "his", "her", "their", "all", "most", "many", "some", "please", "der", "die", "das", "le", "la", "el", "il",
    "het",
];
/// Words in the names of what is nobody.
#[rustfmt::skip]
const NOBODY: [&str; 48] = [
    "foundation", "inc", "ltd", "gmbh", "software", "project", "team", "group", "policy", "manual", "license", "licence", "guide", "wiki",
    "reference", "support", "center", "centre", "university", "institute", "network", "system", "public", "interest", "street", "road",
    "avenue", "north", "south", "east", "west", "united", "states", "city", "internet", "linux", "windows", "web", "mail", "email", "january",
    "february", "march", "april", "june", "july", "september", "company",
];

/// Whether a text names somebody: two or more words with capitals, none of which the question has.
pub fn is_in(text: &str, asked: &str) -> bool {
    let mut run = 0;
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = bare.to_lowercase();
        let particle = ["van", "von", "de", "der", "den", "di", "da", "la"].contains(&bare);
        if particle && run > 0 {
            continue;
        }
        let name = is_name(bare)
            && !BEGINNINGS.contains(&lower.as_str())
            && !NOBODY.contains(&lower.as_str())
            && !asked.contains(&format!(" {lower} "));
        if name {
            run += usize::from(bare.chars().count() > 1);
            if run > 1 {
                return true;
            }
        } else {
            run = 0;
        }
        // An initial's full stop ends no sentence.
        if word.ends_with(['.', ',', ':', ';', '!', '?', ')']) && bare.chars().count() > 1 {
            run = 0;
        }
    }
    false
}

/// A word of letters, of which the first is a capital and not all are.
fn is_name(word: &str) -> bool {
    let letters = word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'));
    let initial = word.chars().count() == 1;
    letters && word.starts_with(char::is_uppercase) && (initial || word.chars().any(char::is_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_two_names_that_nobody_asked_with() {
        let asked = " who is the leader of the northern boat club ";
        for text in [
            "It is led by Ruth Hallam.",
            "Guido van Rossum wrote it.",
            "Ask Robert M. Jones, please.",
            "The leader is Jean-Luc Moreau.",
        ] {
            assert!(is_in(text, asked), "{text}");
        }
        for text in [
            "The Northern Boat Club has a leader.",
            "See the Debian GNU/Linux pages.",
            "The Python Software Foundation",
            "In Bergen, Oslo and Moss.",
            "Two joiners founded it.",
        ] {
            assert!(!is_in(text, asked), "{text}");
        }
    }
}
