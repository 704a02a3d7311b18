//! Questions that ask two things at once: each is answered by itself.

/// The parts of a question that asks two things: two sentences that ask, or two clauses that each begin with a question word.
pub(super) fn parts(question: &str) -> Vec<String> {
    #[rustfmt::skip]
    const JOINTS: [&str; 16] = [
        " and ", ", and ", " und ", " et ", " y ", " e ", " en ", " i ", " & ", " and also ", " sowie ", "; ", ", ",
        " plus ", " ed ", " oder ",
    ];
    #[rustfmt::skip]
    const ASKING: [&str; 62] = [
        "how", "what", "when", "where", "who", "which", "why", "can", "do", "does", "is", "are", "wie", "was", "wann",
        "wo", "wer", "welche", "welcher", "welches", "warum", "kann", "gibt", "comment", "combien", "quand", "où",
        "qui", "quel", "quelle", "quels", "quelles", "pourquoi", "est-ce", "cómo", "cuánto", "cuándo", "dónde",
        "quién", "qué", "cuál", "come", "quanto", "quando", "dove", "chi", "quale", "perché", "hoe", "wat", "wanneer",
        "waar", "welk", "waarom", "como", "onde", "quem", "qual", "jak", "kiedy", "gdzie", "ile",
    ];
    let asks = |text: &str| {
        let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
        ASKING.contains(&first.trim_start_matches('¿')) && text.split_whitespace().count() >= 3
    };
    let sentences: Vec<&str> = question
        .split_inclusive(['?', '？'])
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect();
    if let [first, second] = sentences[..]
        && asks(first)
        && asks(second)
        && second.ends_with(['?', '？'])
    {
        return vec![first.to_owned(), second.to_owned()];
    }
    if sentences.len() == 1 && asks(question) {
        for joint in JOINTS {
            if let Some((first, second)) = question.split_once(joint)
                && asks(first)
                && asks(second)
            {
                return vec![format!("{first}?"), second.to_owned()];
            }
        }
    }
    vec![question.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_of_two_parts_has_two() {
        let cases: [(&str, &[&str]); 6] = [
            (
                "How long does delivery take and what does it cost?",
                &["How long does delivery take?", "what does it cost?"],
            ),
            (
                "Where are you? When do you open?",
                &["Where are you?", "When do you open?"],
            ),
            (
                "Was kostet der Versand und wie lange dauert er?",
                &["Was kostet der Versand?", "wie lange dauert er?"],
            ),
            (
                "What is the difference between a list and a tuple?",
                &["What is the difference between a list and a tuple?"],
            ),
            (
                "How do I delete and restore a page?",
                &["How do I delete and restore a page?"],
            ),
            ("Returns", &["Returns"]),
        ];
        for (question, want) in cases {
            assert_eq!(parts(question), want);
        }
    }
}
