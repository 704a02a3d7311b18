//! Questions for what something is, and the passages that define it.
use super::*;
use crate::answering::support::tests::passage;

fn term(question: &str) -> Option<String> {
    Term::of(question).map(|term| term.name)
}

#[test]
fn what_a_thing_is_is_asked_in_short_questions() {
    for (question, name) in [
        ("What is a dry suit?", "dry suit"),
        ("what does NATO stand for", "nato"),
        ("What does the skeg do?", "skeg"),
        ("What's SEPA?", "sepa"),
        ("Was ist ein Skeg?", "skeg"),
        ("Qu'est-ce qu'un acompte ?", "acompte"),
        ("¿Qué es SEPA?", "sepa"),
    ] {
        assert_eq!(term(question).as_deref(), Some(name), "{question}");
    }
    for question in [
        "What is the difference between a kayak and a canoe?",
        "What is your address?",
        "What does delivery cost?",
        "What does delivery take?",
        "What is the price of a skeg?",
        "What is the best paddle?",
        "How do I wash it?",
        "What is it?",
    ] {
        assert_eq!(term(question), None, "{question}");
    }
}

#[test]
fn entries_headings_and_sentences_define() {
    let of = |question: &str| Term::of(question).unwrap();
    let skeg = of("What is a skeg?");
    for heading in [
        "Skeg",
        "3.1. Skegs",
        "What is a skeg?",
        "Skeg: the fin below",
        "Fixed fin (skeg)",
    ] {
        assert!(skeg.is_heading(heading), "{heading}");
    }
    let debian = of("What is Debian?");
    assert!(debian.is_heading("1.1. What is Debian GNU/Linux?"));
    for heading in ["What is a Debian package?", "What is Debian packaging?"] {
        assert!(!debian.is_heading(heading), "{heading}");
    }
    for heading in ["Skeg boxes", "Why a skeg?", "What is a skeg good for in a storm?"] {
        assert!(!skeg.is_heading(heading), "{heading}");
    }
    for text in [
        "A skeg is a small fin.",
        "Skegs are the fins of kayaks.",
        "Skeg means fin.",
        "skeg: A fin that can be drawn in.",
        "- **Skeg** – the fin below the stern",
        "The skeg button lets the fin down.",
        "boat.skeg(depth=1): Lets the skeg down so far.",
    ] {
        assert!(skeg.is_defined_by(text), "{text}");
    }
    for text in [
        "A skeg is broken.",
        "Mind the skeg: it bends.",
        "Skeg: see fin",
        "Part 9 - the skeg() function: written by two people of the club",
        "The skeg box is a part.",
        "The skeg button is red.",
    ] {
        assert!(!skeg.is_defined_by(text), "{text}");
    }
    let (loud, quiet) = (of("What is PFD?"), of("what is pfd"));
    let text = "Wear a personal flotation device (PFD) at all times.";
    assert!(loud.is_defined_by(text) && !quiet.is_defined_by(text));
}

#[test]
fn an_entry_goes_on_and_leads_to_another() {
    let term = Term::of("What is a skeg?").unwrap();
    let text = "rudder\n: Turns it. It is big.\n\nskeg\n: See drop fin.\n\ndrop fin\n: A fin that can be drawn in. It keeps the boat straight.";
    let pieces = crate::answering::sentences::pieces(text);
    assert_eq!(term.defining(&pieces), [false, false, false, true, true]);
    let of = |text: &str| term.worth(&passage(Some(0.5), 1.0, text)) > 0.0;
    assert!(of(text) && !of("skeg\n: See drop fin.\n\nrudder\n: Turns it."));
}

#[test]
fn who_asks_what_a_thing_is_gets_its_entry_before_what_speaks_of_it() {
    let of = |score, text: &str| Passage {
        score,
        ..passage(Some(score), 1.0, text)
    };
    let found = || {
        vec![
            of(0.60, "Let the skeg down when the wind comes from the side."),
            of(0.45, "rudder\n: Turns the boat.\n\nskeg\n: Keeps the boat straight."),
        ]
    };
    let order = |question: &str| first(question, found())[0].text.starts_with("rudder");
    assert!(order("What is a skeg?"));
    assert!(!order("How do I repair a skeg?"));
}

#[test]
fn an_entry_of_a_glossary_comes_before_a_setting_that_is_called_so() {
    let of = |score, heading: &str, text: &str| Passage {
        score,
        heading_path: heading.into(),
        ..passage(Some(score), 1.0, text)
    };
    let passages = vec![
        of(
            0.60,
            "Boat > Settings",
            "skeg\n: How far it is down when the boat is built.",
        ),
        of(
            0.45,
            "Glossary",
            "rudder\n: Turns the boat.\n\nskeg\n: Keeps the boat straight.",
        ),
    ];
    assert!(is_in_glossary("What is a skeg?", &passages) && !is_in_glossary("What is a skeg?", &passages[..1]));
    assert_eq!(first("What is a skeg?", passages)[0].heading_path, "Glossary");
}
