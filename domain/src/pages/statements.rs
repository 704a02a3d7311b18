//! What a page's structured data says, as chunks of their own: a question with its answer, or what is known of a product.
//!
//! A page that shows its questions as headings has them in its content already; then the content's chunk is the answer, and nothing is
//! indexed twice. Prices and stock stay out: they are read from typed rows, never from text that was embedded some time ago.
use serde_json::Value;
use std::collections::{HashMap, HashSet};

use super::index::Kind;

/// Most statements of a page.
const MAX: usize = 100;
/// Longest text, in characters.
const MAX_TEXT: usize = 4000;
/// What is told of a product beside its description.
const FACTS: [(&str, &str); 10] = [
    ("brand", "Brand"),
    ("model", "Model"),
    ("category", "Category"),
    ("sku", "SKU"),
    ("mpn", "MPN"),
    ("gtin", "GTIN"),
    ("color", "Color"),
    ("size", "Size"),
    ("material", "Material"),
    ("condition", "Condition"),
];

/// A chunk to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// `Title > Question` or `Title > Product`.
    pub heading_path: String,
    /// The answer or the description.
    pub text: String,
}

/// The statements of `extracted`, which is a list of `{kind, data}`, but for those that `content`, heading paths with texts, has.
pub fn statements(title: &str, extracted: &Value, content: &[(&str, &str)]) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    for item in extracted.as_array().into_iter().flatten() {
        let data = &item["data"];
        match item["kind"].as_str() {
            Some("faq") => found.extend(
                data["questions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|pair| answer(title, pair)),
            ),
            Some("product") => found.extend(product(title, data)),
            _ => {}
        }
    }
    let mut sections: HashMap<String, Vec<&str>> = HashMap::new();
    for (heading, text) in content {
        sections.entry(words(last(heading))).or_default().push(text);
    }
    let (mut kept, mut asked) = (Vec::new(), HashSet::new());
    for statement in found {
        let question = words(last(&statement.heading_path));
        let mut sections = sections.get(&question).into_iter().flatten();
        if kept.len() < MAX && !asked.contains(&question) && !sections.any(|text| same_words(text, &statement.text)) {
            kept.push(statement);
            asked.insert(question);
        }
    }
    kept
}

/// `extracted` without the blocks that its site repeats: an answer that was read off the page may have its frame at its end.
pub fn without(extracted: &Value, repeated: &[String]) -> Value {
    match extracted {
        Value::String(text) => {
            let cut = |text: String, block: &String| text.replace(block.trim(), "");
            let left = repeated
                .iter()
                .filter(|block| !block.trim().is_empty())
                .fold(text.clone(), cut);
            Value::String(if left == *text { left } else { left.trim().to_owned() })
        }
        Value::Array(items) => items.iter().map(|item| without(item, repeated)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), without(field, repeated)))
            .collect(),
        other => other.clone(),
    }
}

/// The questions that structured data answers, and the words of their answers.
pub struct Answers(HashMap<String, Vec<String>>);

impl Answers {
    /// Those of `extracted`.
    pub fn of(extracted: &Value) -> Self {
        let items = extracted.as_array().into_iter().flatten();
        let lists = items.filter(|item| item["kind"] == "faq");
        let pairs = lists.flat_map(|item| item["data"]["questions"].as_array().into_iter().flatten());
        let mut answers: HashMap<String, Vec<String>> = HashMap::new();
        for said in pairs.filter_map(|pair| answer("", pair)) {
            let question = words(last(&said.heading_path));
            answers.entry(question).or_default().push(words(&said.text));
        }
        Self(answers)
    }

    /// What a chunk of the content is: a question's whole answer, if the structured data says so.
    pub fn kind_of(&self, heading_path: &str, text: &str) -> Kind {
        if self.0.is_empty() {
            return Kind::Content;
        }
        let answers = self.0.get(&words(last(heading_path)));
        if answers.is_some_and(|answers| answers.contains(&words(text))) {
            Kind::Faq
        } else {
            Kind::Content
        }
    }
}

fn answer(title: &str, pair: &Value) -> Option<Statement> {
    let (question, text) = (pair["question"].as_str()?.trim(), pair["answer"].as_str()?.trim());
    let fits = !question.is_empty() && !text.is_empty() && text.chars().count() <= MAX_TEXT;
    fits.then(|| Statement {
        kind: Kind::Faq,
        heading_path: path(title, question),
        text: text.to_owned(),
    })
}

fn product(title: &str, data: &Value) -> Option<Statement> {
    let name = data["name"].as_str()?.trim();
    let description = data["description"].as_str().unwrap_or_default().trim();
    let facts = FACTS
        .iter()
        .filter_map(|(key, label)| Some(format!("- {label}: {}", data[*key].as_str()?.trim())));
    let facts = facts.collect::<Vec<_>>().join("\n");
    let parts: Vec<&str> = [description, &facts]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    (!name.is_empty() && !parts.is_empty()).then(|| Statement {
        kind: Kind::Product,
        heading_path: path(title, name),
        text: parts.join("\n\n").chars().take(MAX_TEXT).collect(),
    })
}

fn path(title: &str, last: &str) -> String {
    // The separator of heading paths must not come out of a page's own words.
    let last = last.replace(" > ", " › ");
    if title.is_empty() || same_words(title, &last) {
        last
    } else {
        format!("{title} > {last}")
    }
}

fn last(heading_path: &str) -> &str {
    heading_path.rsplit(" > ").next().unwrap_or_default()
}

fn same_words(a: &str, b: &str) -> bool {
    words(a) == words(b)
}

/// The words of a text, whatever their case and what stands between them.
fn words(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faq() -> Value {
        let pair = |q: &str, a: &str| json!({ "question": q, "answer": a });
        json!([{ "kind": "faq", "data": { "questions": [
            pair("Do you ship to Norway?", "Yes, within five days."),
            pair("Do you ship to Norway ?", "Another answer."),
            pair("Can I pay by invoice?", "From the second order on."),
            pair("", "Nobody asked."),
        ] } }])
    }

    #[test]
    fn what_the_site_repeats_is_no_part_of_an_answer() {
        let answers = json!([{ "kind": "faq", "data": { "questions": [{ "question": "Q?", "answer": "Yes. Harbour Street 12." }] } }]);
        let told = without(&answers, &["Harbour Street 12.".to_owned(), " ".to_owned()]);
        assert_eq!(told[0]["data"]["questions"][0]["answer"], "Yes.");
        assert_eq!(without(&answers, &[]), answers);
    }

    #[test]
    fn each_question_is_a_chunk_once_unless_the_content_has_it() {
        let content = [("Help > Can I pay by invoice?", "From the *second* order on.")];
        let found = statements("Help", &faq(), &content);
        assert_eq!(
            found,
            [Statement {
                kind: Kind::Faq,
                heading_path: "Help > Do you ship to Norway?".into(),
                text: "Yes, within five days.".into(),
            }]
        );
        assert_eq!(Answers::of(&faq()).kind_of(content[0].0, content[0].1), Kind::Faq);
        assert_eq!(
            Answers::of(&faq()).kind_of(content[0].0, "From the second order on. Or the third."),
            Kind::Content
        );
    }

    /// Each is looked at once: all with all would take hours.
    #[test]
    fn many_questions_meet_many_sections() {
        let text = "and so on ".repeat(20);
        let pair = |n| json!({ "question": format!("What is {n}?"), "answer": format!("{text} {n}") });
        let pairs: Vec<Value> = (0..5_000).map(pair).collect();
        let extracted = json!([{ "kind": "faq", "data": { "questions": pairs } }]);
        let section = |n| (format!("Help > What is {n}?"), format!("{text}, {n}!"));
        let sections: Vec<(String, String)> = (0..10_000).map(section).collect();
        let content: Vec<(&str, &str)> = sections.iter().map(|(path, text)| (&**path, &**text)).collect();
        assert_eq!(statements("Help", &extracted, &content), []);
        let answers = Answers::of(&extracted);
        let whole = content
            .iter()
            .filter(|(path, text)| answers.kind_of(path, text) == Kind::Faq);
        assert_eq!(whole.count(), 5_000);
    }

    #[test]
    fn a_product_is_told_of_without_its_price_and_stock() {
        let data = json!({ "name": "Fjord 14", "description": "A kayak for the sea.", "sku": "F-14", "price": "1299.00",
            "currency": "EUR", "availability": "in_stock" });
        let found = statements("Kayaks", &json!([{ "kind": "product", "data": data }]), &[]);
        assert_eq!(
            (found[0].kind, found[0].heading_path.as_str()),
            (Kind::Product, "Kayaks > Fjord 14")
        );
        assert_eq!(found[0].text, "A kayak for the sea.\n\n- SKU: F-14");
        assert_eq!(
            statements(
                "",
                &json!([{ "kind": "product", "data": { "name": "Fjord 14", "price": "1" } }]),
                &[]
            ),
            []
        );
    }

    #[test]
    fn data_of_another_form_is_nothing() {
        for odd in [
            json!(null),
            json!([1, { "kind": "faq" }, { "kind": "faq", "data": { "questions": "?" } }]),
        ] {
            assert_eq!(statements("T", &odd, &[]), []);
        }
    }
}
