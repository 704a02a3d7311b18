//! Quotations: their sources, their length, and whether they hold what is asked for.
use super::*;
use crate::answering::support::tests::passage;
use uuid::Uuid;

#[test]
fn the_sources_are_what_is_quoted_and_a_page_has_one_number() {
    let of = |page: u128| Passage {
        page: Uuid::from_u128(page),
        url: format!("https://shop.example/{page}"),
        ..passage(Some(0.8), 1.0, "text")
    };
    let of_page = |page, body: &str| Quotation {
        passage: of(page),
        body: body.to_owned(),
        tells: true,
    };
    let quoted = [of_page(2, "Two."), of_page(1, "One."), of_page(2, "```\nx\n```")];
    let written = written(&quoted);
    assert_eq!(written.text, "Two. [1]\n\nOne. [2]\n\n```\nx\n```\n\n[1]");
    let urls: Vec<&str> = written
        .sources
        .iter()
        .map(|s| s.url.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(urls, ["2", "1"]);
}

/// Sections of every kind of piece, each from its own seed.
fn any_section(seed: u64) -> Section {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut text = String::new();
    for block in 0..=below(5) {
        let long = below(6) == 0;
        let mut words = |n: u64| -> String {
            let n = if long { n * 8 } else { n };
            let word = |i| {
                if i % 11 == 10 {
                    "amet,".to_owned()
                } else {
                    format!("word{i}")
                }
            };
            (0..=below(n)).map(word).collect::<Vec<_>>().join(" ")
        };
        let block = match seed.wrapping_add(block) % 7 {
            0 => format!("### Heading {}\n\n{}.\n\n", words(9), words(20)),
            1 => format!(
                "You need {}:\n\n- {}\n- {}\n- {}\n\n",
                words(9),
                words(20),
                words(30),
                words(9)
            ),
            2 => format!("1. {}.\n2. {}.\n3. {}.\n\n", words(30), words(30), words(30)),
            3 => format!(
                "| A | B |\n|---|---|\n| {} | {} |\n| {} | x |\n\n",
                words(9),
                words(20),
                words(30)
            ),
            4 => format!("```\n{}\n{}\n```\n\n", words(20), words(40)),
            _ => format!("It {}. This {}. {}.\n\n", words(20), words(30), words(20)),
        };
        text.push_str(&block);
    }
    Section::new(&passage(Some(0.8), 1.0, &text), &[text])
}

#[test]
fn no_simplified_answer_has_more_than_75_words() {
    let words = |text: &str| text.split_whitespace().count();
    for seed in 0..400_u64 {
        for parts in 1..=2_u64 {
            let of_part = |part: u64| {
                let section = any_section(seed * 2 + part);
                let near = |i: usize| ((seed + part + i as u64) * 7 % 10) as f32 / 10.0;
                let near: Vec<f32> = (0..section.texts().len()).map(near).collect();
                let worth = Worth::new(&section, &near, "zzz");
                let body = extractive::compose(&section, &worth, true, 1.0 / parts as f32);
                Quotation {
                    passage: passage(Some(0.8), 1.0, "text"),
                    body,
                    tells: true,
                }
            };
            let quoted: Vec<Quotation> = (0..parts).map(of_part).collect();
            let text = written(&quoted).text;
            assert!(words(&text) <= 75, "{seed}: {} words: {text}", words(&text));
            assert_eq!(text.matches("```").count() % 2, 0, "{seed}: {text}");
        }
    }
}

#[test]
fn what_is_quoted_holds_the_fact_and_names_the_thing() {
    let word = |lexeme: &str, rarity| Word {
        lexeme: lexeme.into(),
        rarity,
        here: false,
    };
    let tells = |question: &str, text: &str| {
        let passage = Passage {
            words: vec![word("tern", 7.0), word("fjordkajak", 0.5)],
            ..passage(Some(0.6), 1.0, text)
        };
        let section = Section::new(&passage, &[text.to_owned()]);
        tells(question, &passage, &section, text)
    };
    let text = "The Tern is light, and 12 shops sell it.";
    for question in [
        "How many shops sell the Tern?",
        "Why should Fjordkajak sell the Tern?",
        "How can I lower the cost of a Tern?",
    ] {
        assert!(tells(question, text), "{question}");
    }
    for question in [
        "How many people use the Tern?",
        "What does the Tern cost?",
        "Who is the owner of it?",
    ] {
        assert!(!tells(question, text), "{question}");
    }
    let quotation = |body: &str| Quotation {
        passage: passage(Some(0.6), 1.0, body),
        body: body.to_owned(),
        tells: true,
    };
    assert!(says(&quotation("Is it free? Yes.")));
    assert!(!says(&quotation("Is it free? Is it quick?\n\nWho pays?")) && !says(&quotation("Shipping")));
    assert!(!tells("What are returns?", "Help") && !tells("What are returns?", "Shipping"));
    assert!(!tells(
        "Is the Tern good for Fjordkajak?",
        "It is light, and 12 shops sell it."
    ));
}

#[test]
fn a_heading_that_is_near_promises_a_fact_only_if_it_asks_for_one() {
    let under = |heading: &str| Passage {
        heading_path: format!("Care > {heading}"),
        ..passage(Some(0.8), 1.0, "text")
    };
    for (heading, question, promised) in [
        ("Washing a dry suit", "How long does it take to wash a dry suit?", false),
        ("Washing a dry suit", "How do I wash a dry suit?", true),
        (
            "How long does it take to dry?",
            "How long does it take to dry a dry suit?",
            true,
        ),
        ("How much is shipping?", "How long does shipping take?", false),
    ] {
        assert_eq!(promises(&under(heading), question), promised, "{heading}: {question}");
    }
}

#[test]
fn of_long_sections_every_heading_and_what_shares_most_words_is_compared() {
    let section = |heading: &str, n: usize, last: &str| -> Vec<String> {
        let filler = (0..n).map(|n| format!("{heading}: sentence {n} about bulky goods"));
        std::iter::once(heading.to_owned())
            .chain(filler)
            .chain([last.to_owned()])
            .collect()
    };
    let texts = [
        section("Orders", 60, "Parcels arrive within four days"),
        section("When do parcels arrive?", 5, "Soon"),
        section("Returns", 2, "Free"),
    ];
    let compared = compared("When do parcels arrive?", &texts);
    assert_eq!(compared.len(), TEXTS);
    assert_eq!(compared[..3], [(0, 0), (1, 0), (2, 0)]);
    assert!(compared.contains(&(0, 61)), "{compared:?}");
    let of = |section: usize| compared.iter().filter(|(of, _)| *of == section).count();
    assert_eq!((of(1), of(2)), (texts[1].len(), texts[2].len()));
}
