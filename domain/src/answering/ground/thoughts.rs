//! What a model thinks aloud before it answers: some endpoints put it between `<think>` and `</think>` at the beginning of the text. It is
//! no part of the answer: judged as one, a thought that names the facts would be shown.

const BEGINNINGS: [&str; 3] = ["<think>", "<thinking>", "<thought>"];
const ENDS: [&str; 3] = ["</think>", "</thinking>", "</thought>"];
/// The longest of the ends, which may come in pieces.
const LONGEST: usize = 11;

/// Takes thoughts out of a text as it comes.
#[derive(Debug, Default)]
pub struct Thoughts {
    state: State,
    /// What is not decided yet: the text's beginning, or the last letters of a thought.
    kept: String,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Beginning,
    Thinking,
    Speaking,
}

impl Thoughts {
    /// What more is said.
    pub fn spoken(&mut self, more: String) -> String {
        if self.state == State::Speaking {
            return more;
        }
        self.kept.push_str(&more);
        if self.state == State::Beginning {
            let begun = self.kept.trim_start();
            if BEGINNINGS.iter().any(|tag| tag.starts_with(begun)) {
                return String::new();
            }
            if !BEGINNINGS.iter().any(|tag| begun.starts_with(tag)) {
                self.state = State::Speaking;
                return std::mem::take(&mut self.kept);
            }
            self.state = State::Thinking;
        }
        let end = ENDS.iter().find_map(|tag| Some(self.kept.find(tag)? + tag.len()));
        if let Some(end) = end {
            self.state = State::Speaking;
            return std::mem::take(&mut self.kept)[end..].trim_start().to_owned();
        }
        let last = self.kept.char_indices().rev().nth(LONGEST).map_or(0, |(at, _)| at);
        self.kept.drain(..last);
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(text: &str, size: usize) -> String {
        let mut thoughts = Thoughts::default();
        let letters: Vec<char> = text.chars().collect();
        letters
            .chunks(size)
            .map(|piece| thoughts.spoken(piece.iter().collect()))
            .collect()
    }

    #[test]
    fn what_is_thought_is_not_said_however_it_comes() {
        for size in [1, 3, 7, 1000] {
            for (text, said) in [
                ("Shipping costs 4.90 EUR [1].", "Shipping costs 4.90 EUR [1]."),
                (
                    "<think>If they don't say, NO_ANSWER.</think>\n\nShipping is free.",
                    "Shipping is free.",
                ),
                ("\n<thinking>\nhm\n</thinking>It is.", "It is."),
                ("<think>They say that shipping costs", ""),
                ("<b>Free</b> <think> is a tag", "<b>Free</b> <think> is a tag"),
            ] {
                assert_eq!(spoken(text, size).trim_start(), said, "{text}");
            }
        }
    }
}
