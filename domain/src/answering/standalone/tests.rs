//! The rules over a labelled list of dialogues: `dialogues.txt` says how to read it.
use super::*;
use crate::language;

struct Case<'a> {
    dialogue: &'a str,
    said: &'a str,
    /// Words that the question by itself must have; none if it stands by itself.
    wanted: Option<Vec<&'a str>>,
    history: Vec<Turn>,
}

fn cases(dialogues: &'static str) -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    let (mut dialogue, mut history) = ("", Vec::new());
    for line in dialogues.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let Some((kind, rest)) = line.split_once(' ') else {
            continue;
        };
        match kind {
            "#" => (dialogue, history) = (rest, Vec::new()),
            ">" => history.push(Turn {
                role: "visitor".into(),
                text: rest.into(),
                ..Turn::default()
            }),
            "<" => {
                let (path, text) = rest.split_once(" :: ").unwrap();
                history.push(Turn {
                    role: "assistant".into(),
                    text: text.replace("\\n", "\n"),
                    refused: path == "-",
                    source: Some(path.split(" > ").next().unwrap().into()),
                    heading: Some(path.into()),
                    ..Turn::default()
                });
            }
            "?" => {
                let (said, wanted) = rest.split_once(" => ").unwrap();
                let wanted = Some(wanted.split_whitespace().collect());
                cases.push(Case {
                    dialogue,
                    said,
                    wanted,
                    history: history.clone(),
                });
            }
            "=" => cases.push(Case {
                dialogue,
                said: rest,
                wanted: None,
                history: history.clone(),
            }),
            other => panic!("{other}"),
        }
    }
    cases
}

#[test]
fn follow_ups_are_known_and_questions_by_themselves_are_left_alone() {
    let (dialogues, precision, recall, found) = measure(include_str!("dialogues.txt"));
    assert!(dialogues >= 40);
    assert!(precision >= 0.97 && recall >= 0.9 && found >= 0.85);
}

/// A wrong subject is worse than none, so these rules are to be sure.
#[test]
fn polish_arabic_hebrew_and_japanese_follow_ups_are_known_where_that_is_sure() {
    let (dialogues, precision, recall, found) = measure(include_str!("more_dialogues.txt"));
    assert!(dialogues >= 10);
    assert!(precision >= 0.99 && recall >= 0.8 && found >= 0.75);
}

/// Dialogues, precision, recall, and the share of follow-ups with the right subject.
fn measure(dialogues: &'static str) -> (usize, f64, f64, f64) {
    let cases = cases(dialogues);
    let (mut right, mut missed, mut touched, mut subjects) = (0, Vec::new(), Vec::new(), 0);
    for case in &cases {
        let earlier = case
            .history
            .iter()
            .filter(|t| t.role == "visitor")
            .map(|t| t.text.as_str());
        let locale = language::choose(case.said, earlier, None);
        let meant = rewrite(case.said, locale, &case.history);
        let line = format!("{}: {} -> {meant:?}", case.dialogue, case.said);
        match (&case.wanted, meant) {
            (Some(wanted), Some(meant)) => {
                right += 1;
                let meant = meant.to_lowercase();
                if wanted.iter().all(|word| meant.contains(&word.to_lowercase())) {
                    subjects += 1;
                } else {
                    eprintln!("another subject: {line}, wanted {wanted:?}");
                }
            }
            (Some(_), None) => missed.push(line),
            (None, Some(_)) => touched.push(line),
            (None, None) => {}
        }
    }
    let leaning = cases.iter().filter(|case| case.wanted.is_some()).count();
    let precision = right as f64 / (right + touched.len()) as f64;
    let (recall, found) = (right as f64 / leaning as f64, f64::from(subjects) / leaning as f64);
    let dialogues = cases
        .iter()
        .map(|case| case.dialogue)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    eprintln!("missed: {missed:#?}\ntouched: {touched:#?}");
    eprintln!(
        "{dialogues} dialogues, {leaning} follow-ups, {} others: precision {precision:.3}, recall {recall:.3}, subject {found:.3}",
        cases.len() - leaning
    );
    (dialogues, precision, recall, found)
}

#[test]
fn the_question_by_itself_reads_like_one() {
    let asked = |question: &str, said: &str| {
        let history = [Turn {
            role: "visitor".into(),
            text: question.into(),
            ..Turn::default()
        }];
        rewrite(said, Some(Locale::En), &history).unwrap_or_default()
    };
    assert_eq!(
        asked("How heavy is the Sognefjord 14?", "how much is it?"),
        "how much is Sognefjord 14?"
    );
    assert_eq!(
        asked("How heavy is the Sognefjord 14?", "and the Fjord 16?"),
        "How heavy is the Fjord 16?"
    );
    assert_eq!(
        asked("Do you have the Tern paddle in red?", "And in blue?"),
        "Do you have the Tern paddle in blue?"
    );
    assert_eq!(
        asked("How much is shipping to Germany?", "what about France?"),
        "How much is shipping to France?"
    );
    assert_eq!(
        asked("How heavy is the Sognefjord 14?", "which colours?"),
        "which colours: Sognefjord 14?"
    );
}

#[test]
fn there_is_nothing_to_lean_on_at_the_beginning_and_after_mere_politeness() {
    let turn = |text: &str| Turn {
        role: "visitor".into(),
        text: text.into(),
        ..Turn::default()
    };
    assert_eq!(rewrite("how much is it?", Some(Locale::En), &[]), None);
    assert_eq!(rewrite("how much is it?", Some(Locale::En), &[turn("hello")]), None);
    let polite = [turn("How heavy is the Sognefjord 14?"), turn("thanks")];
    assert_eq!(
        rewrite("how much is it?", Some(Locale::En), &polite).as_deref(),
        Some("how much is Sognefjord 14?")
    );
}
