//! Questions with answers that a page shows without markup for them: headings that ask, `details`, definition lists, and
//! panels that a question opens. Precise rather than many: a pair is a question of some length with an answer that
//! says something, at least two of them make a list, and a page that only flatters or lists other posts has none.

use super::text;
use crate::page::dom::{Dom, Id};

/// Most pairs kept of one page.
const MAX_PAIRS: usize = 100;
/// Characters of a question.
const MAX_QUESTION: usize = 250;
/// How far around a question its panel is looked for, in nodes.
const MAX_NODES: usize = 400;

/// Beginnings of headings that ask nothing: calls to act, and what forms say.
const RHETORIC: &[&str] = &[
    "ready to",
    "ready for",
    "need help",
    "need more",
    "need a",
    "need an",
    "still have",
    "have a question",
    "have questions",
    "have any questions",
    "any questions",
    "got a question",
    "got questions",
    "questions?",
    "more questions",
    "looking for",
    "not sure",
    "want to",
    "want more",
    "interested",
    "forgot",
    "forgotten",
    "lost your",
    "already have",
    "already a",
    "don't have",
    "no account",
    "new here",
    "new to",
    "new customer",
    "did you find",
    "did you know",
    "was this",
    "is this page",
    "what's next",
    "what’s next",
    "what do you think",
    "who's talking",
    "sound good",
    "sounds good",
    "curious",
    "in a hurry",
    "why wait",
    "what are you waiting",
    "why choose us",
    "why us",
    "can't find",
    "can’t find",
    "couldn't find",
    "didn't find",
    "are you sure",
    "are you a robot",
    "noch fragen",
    "haben sie fragen",
    "sie haben fragen",
    "fragen?",
    "passwort vergessen",
    "bereit",
    "neu hier",
    "interesse",
    "vous avez des questions",
    "une question",
    "besoin d",
    "mot de passe oublié",
    "prêt à",
    "¿tienes",
    "¿necesitas",
    "¿olvidaste",
    "¿listo",
    "hai bisogno",
    "hai domande",
    "vragen?",
    "hulp nodig",
];

/// The pairs of a page, at least two, or none. `markdown` is its main content, in which visible questions are headings.
pub(super) fn pairs(dom: &Dom, markdown: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let shown = headings(markdown);
    // Posts that are only announced end in dots.
    let teasers = shown.iter().filter(|(_, answer)| is_teaser(answer)).count();
    if teasers * 2 < shown.len() {
        out.extend(shown);
    }
    out.extend(disclosures(dom));
    out.extend(definitions(dom));
    let mut kept: Vec<(String, String)> = Vec::new();
    for (question, answer) in out {
        let good = is_question(&question) && says_something(&answer);
        let known = |(other, _): &(String, String)| simplified(other) == simplified(&question);
        if good && kept.len() < MAX_PAIRS && !kept.iter().any(known) {
            kept.push((question, answer));
        }
    }
    // One question is rhetoric, not a list of them.
    if kept.len() < 2 { Vec::new() } else { kept }
}

/// Headings that ask, with the text up to the next heading.
fn headings(markdown: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    let mut fence = false;
    for line in markdown.lines() {
        fence ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let heading = line
            .get(level..)
            .filter(|_| !fence && (1..=6).contains(&level))
            .and_then(|rest| rest.strip_prefix(' '));
        let Some(heading) = heading.map(str::trim) else {
            if let Some((_, _, answer)) = open.as_mut().filter(|(_, _, answer)| answer.len() < text::LONG * 4) {
                // The answer of a definition list begins with a colon.
                answer.push_str(line.strip_prefix(": ").unwrap_or(line));
                answer.push('\n');
            }
            continue;
        };
        // A smaller heading that does not ask belongs to the answer.
        if let Some((_, _, answer)) = open.as_mut().filter(|(own, ..)| level > *own && !asks(heading)) {
            answer.push_str(heading);
            answer.push('\n');
            continue;
        }
        out.extend(open.take().map(|(_, question, answer)| (question, answer)));
        open = (asks(heading) && out.len() < MAX_PAIRS).then(|| (level, heading.to_owned(), String::new()));
    }
    out.extend(open.map(|(_, question, answer)| (question, answer)));
    out.into_iter()
        .map(|(question, answer)| (question, text::cut(answer.trim(), text::LONG)))
        .collect()
}

/// `details`, and panels that a control with a question opens (`aria-controls`). Their answers are folded away, not hidden.
fn disclosures(dom: &Dom) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for id in dom.descendants(0) {
        if out.len() >= MAX_PAIRS {
            break;
        }
        if dom.name(id) == "details" {
            if let Some(summary) = dom
                .children(id)
                .find(|child| dom.name(*child) == "summary")
                .filter(|_| is_content(dom, id))
            {
                let answers = dom.children(id).filter(|child| *child != summary).take(MAX_NODES);
                let answer: Vec<String> = answers
                    .map(|child| text::visible(dom, child, text::LONG))
                    .filter(|text| !text.is_empty())
                    .collect();
                out.push((
                    text::visible(dom, summary, MAX_QUESTION),
                    text::cut(&answer.join(" "), text::LONG),
                ));
            }
        } else if let Some(target) = dom
            .attribute(id, "aria-controls")
            .filter(|_| dom.attribute(id, "aria-expanded").is_some())
        {
            let question = text::visible(dom, id, MAX_QUESTION);
            if asks(&question) && is_content(dom, id) {
                let panel = panel(dom, id, target);
                out.extend(panel.map(|panel| (question, text::visible(dom, panel, text::LONG))));
            }
        }
    }
    out
}

/// The element of that id, shortly behind its control.
fn panel(dom: &Dom, control: Id, target: &str) -> Option<Id> {
    let behind = dom.nodes[control].end..dom.nodes.len();
    behind
        .take(MAX_NODES)
        .find(|id| dom.attribute(*id, "id") == Some(target))
}

/// Terms of definition lists that ask.
fn definitions(dom: &Dom) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for term in dom.elements(0, "dt") {
        let meaning = || {
            let parent = dom.nodes[term].parent;
            let mut next = dom.nodes[term].end;
            while next < dom.nodes[parent].end && dom.name(next) != "dd" {
                if dom.name(next) == "dt" {
                    return None;
                }
                next = dom.nodes[next].end;
            }
            (next < dom.nodes[parent].end).then_some(next)
        };
        let question = text::visible(dom, term, MAX_QUESTION);
        if let Some(meaning) = meaning().filter(|_| asks(&question) && out.len() < MAX_PAIRS && is_content(dom, term)) {
            out.push((question, text::visible(dom, meaning, text::LONG)));
        }
    }
    out
}

/// Outside of furniture and hidden parts.
fn is_content(dom: &Dom, id: Id) -> bool {
    !dom.ancestors(id).any(|up| {
        matches!(
            dom.name(up),
            "nav" | "footer" | "header" | "aside" | "form" | "dialog" | "template" | "noscript"
        ) || text::is_unseen(dom, up)
    })
}

/// The question marks of Latin, Chinese and Japanese, Arabic, Armenian and Greek.
fn asks(text: &str) -> bool {
    text.trim_end_matches(['*', '_', '¶', '#', ' '])
        .ends_with(['?', '？', '؟', '՞', '\u{37e}'])
}

fn is_question(text: &str) -> bool {
    let text = text.trim();
    let lower = text
        .trim_start_matches(|c: char| !c.is_alphabetic() && c != '¿')
        .to_lowercase();
    let length = text.chars().count();
    asks(text) && (4..=MAX_QUESTION).contains(&length) && !RHETORIC.iter().any(|begin| lower.starts_with(begin))
}

/// A sentence, however short, or some words; not the caption of a button alone.
fn says_something(answer: &str) -> bool {
    let ends = answer
        .trim_end()
        .trim_end_matches(['"', ')', '*', '”', '»'])
        .ends_with(['.', '!', '。', '！', '।', '؟', ':', '|', '`']);
    let words = answer
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .count();
    let wide = answer.chars().filter(|c| *c >= '\u{2e80}').count();
    !is_teaser(answer) && ((ends && words >= 1) || words >= 5 || wide >= 4)
}

fn is_teaser(answer: &str) -> bool {
    let end = answer.trim_end().trim_end_matches([']', ')', '»', '→', '›', ' ']);
    let lower = end.to_lowercase();
    end.ends_with(['…'])
        || end.ends_with("...")
        || [
            "read more",
            "continue reading",
            "learn more",
            "weiterlesen",
            "lire la suite",
        ]
        .iter()
        .any(|it| lower.ends_with(it))
}

fn simplified(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
