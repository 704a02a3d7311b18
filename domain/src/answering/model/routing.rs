//! Which model answers which question.
//!
//! Most questions to a site ask for one thing that one passage says, and a small model copies that as well as a large one. The large one
//! is for what needs thought: long questions, several at once, comparisons, turns that hang on what was said before, and answers
//! that are put together from several pages. When in doubt it is the large one: a wrong answer costs more than tokens.

/// Characters from which on a question tells a story.
const LONG: usize = 160;
/// Pages that an answer may be put together from.
const PAGES: usize = 4;
/// Turns from which on the conversation has a thread.
const TURNS: usize = 4;

/// A model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::answering) enum Size {
    Small,
    Large,
}

/// Words that set things against each other, ask for a reason, or for advice: English, German, French, Spanish, Italian, Dutch,
/// Portuguese.
const THOUGHT: &[&str] = &[
    "compare",
    "compared",
    "comparison",
    "difference",
    "differences",
    "versus",
    "vs",
    "better",
    "best",
    "cheaper",
    "cheapest",
    "which",
    "why",
    "should",
    "recommend",
    "instead",
    "either",
    "vergleich",
    "vergleiche",
    "unterschied",
    "unterschiede",
    "besser",
    "beste",
    "günstiger",
    "welche",
    "welcher",
    "welches",
    "warum",
    "wieso",
    "weshalb",
    "empfehlen",
    "statt",
    "comparer",
    "comparaison",
    "différence",
    "différences",
    "meilleur",
    "meilleure",
    "pourquoi",
    "quel",
    "quelle",
    "conseiller",
    "comparar",
    "comparación",
    "diferencia",
    "diferencias",
    "mejor",
    "porque",
    "cuál",
    "recomendar",
    "confronto",
    "differenza",
    "migliore",
    "perché",
    "quale",
    "consigliare",
    "vergelijk",
    "verschil",
    "beter",
    "waarom",
    "welke",
    "aanraden",
    "diferença",
    "melhor",
    "qual",
];

/// The size of model for a question after so many `turns`, when its passages are of so many `pages`.
pub(in crate::answering) fn size(question: &str, turns: usize, pages: usize) -> Size {
    let several =
        question.matches(['?', '？', '؟']).count() > 1 || question.trim().lines().count() > 1 || question.contains(';');
    let words = question.split(|c: char| !c.is_alphanumeric());
    let thought = words
        .map(str::to_lowercase)
        .any(|word| THOUGHT.contains(&word.as_str()));
    let long = question.chars().count() > LONG;
    if long || several || thought || turns >= TURNS || pages >= PAGES {
        Size::Large
    } else {
        Size::Small
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(question: &str) -> Size {
        size(question, 0, 2)
    }

    #[test]
    fn what_one_passage_says_is_for_the_small_model() {
        for question in [
            "How long does delivery take?",
            "Was kostet der Versand nach Österreich?",
            "opening hours",
            "Quels sont vos horaires ?",
        ] {
            assert_eq!(of(question), Size::Small, "{question}");
        }
    }

    #[test]
    fn what_needs_thought_is_for_the_large_one() {
        for question in [
            "What is the difference between the Fjord 14 and the Lake 12?",
            "Fjord 14 vs. Lake 12",
            "Welches Kajak ist besser für Anfänger?",
            "How long does it take? And what does it cost?",
            "I need three things:\ndelivery\nreturns",
            &"word ".repeat(40),
        ] {
            assert_eq!(of(question), Size::Large, "{question}");
        }
        let question = "How long does delivery take?";
        assert_eq!(size(question, TURNS, 2), Size::Large);
        assert_eq!(size(question, 0, PAGES), Size::Large);
    }
}
