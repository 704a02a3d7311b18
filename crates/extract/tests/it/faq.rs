//! Questions without markup: pages that have them, and pages that only look so.

use extract::page::{Input, Kind, extract};
use url::Url;

/// The questions that were found, with their answers.
fn pairs(html: &str) -> Vec<(String, String)> {
    let url = Url::parse("https://e.com/help").unwrap();
    let input = Input {
        url: &url,
        body: html.as_bytes(),
        content_type: Some("text/html; charset=utf-8"),
    };
    let structured = extract(&input).unwrap().structured;
    let faq = structured.into_iter().find(|item| item.kind == Kind::Faq);
    let questions = faq
        .map(|item| item.data["questions"].as_array().unwrap().clone())
        .unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    questions
        .iter()
        .map(|pair| (text(&pair["question"]), text(&pair["answer"])))
        .collect()
}

#[track_caller]
fn has(html: &str, expected: &[(&str, &str)]) {
    let found = pairs(html);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(question, answer)| (question.as_str(), answer.as_str()))
        .collect();
    assert_eq!(found, expected, "{html}");
}

const TWO: &[(&str, &str)] = &[
    ("How long does delivery take?", "Two to three days."),
    ("Can I return my order?", "Yes, within 30 days."),
];

#[test]
fn pages_with_questions() {
    for html in [
        "<main><h1>FAQ</h1><h2>How long does delivery take?</h2><p>Two to three days.</p><h2>Can I return my order?</h2><p>Yes, within 30 days.</p></main>",
        "<main><h1>FAQ</h1><details><summary>How long does delivery take?</summary><p>Two to three days.</p></details>\
         <details><summary>Can I return my order?</summary>Yes, within 30 days.</details></main>",
        "<main><h1>FAQ</h1><dl><dt>How long does delivery take?</dt><dd>Two to three days.</dd><dt>Can I return my order?</dt><dd>Yes, within 30 days.</dd></dl></main>",
        "<main><h1>FAQ</h1><h3><button aria-expanded=false aria-controls=a1>How long does delivery take?</button></h3><div id=a1 hidden><p>Two to three days.</p></div>\
         <h3><button aria-expanded=false aria-controls=a2>Can I return my order?</button></h3><div id=a2 hidden><p>Yes, within 30 days.</p></div></main>",
        "<main><h1>FAQ</h1><div class=item><div role=button aria-expanded=true aria-controls=a1>How long does delivery take?</div><div id=a1>Two to three days.</div></div>\
         <div class=item><div role=button aria-expanded=false aria-controls=a2>Can I return my order?</div><div id=a2 style='display:none'>Yes, within 30 days.</div></div></main>",
    ] {
        has(html, TWO);
    }
}

#[test]
fn answers_go_up_to_the_next_question() {
    has(
        "<main><h2>How do I wash it?</h2><p>At 30 degrees.</p><h3>Wool</h3><p>By hand.</p><ul><li>no bleach</li></ul><h2>Is it warm?</h2><p>Very.</p><h2>Contact</h2><p>Call us.</p></main>",
        &[
            ("How do I wash it?", "At 30 degrees. Wool By hand. - no bleach"),
            ("Is it warm?", "Very."),
        ],
    );
}

#[test]
fn questions_of_other_languages() {
    has(
        "<main><h2>送料はいくらですか？</h2><p>全国一律五百円です。</p><h2>返品できますか？</h2><p>三十日以内なら可能です。</p></main>",
        &[
            ("送料はいくらですか？", "全国一律五百円です。"),
            ("返品できますか？", "三十日以内なら可能です。"),
        ],
    );
    has(
        "<main><h2>¿Cuánto cuesta el envío?</h2><p>Cinco euros.</p><h2>¿Puedo devolverlo?</h2><p>Sí, en 30 días.</p></main>",
        &[
            ("¿Cuánto cuesta el envío?", "Cinco euros."),
            ("¿Puedo devolverlo?", "Sí, en 30 días."),
        ],
    );
}

#[test]
fn pages_without_questions() {
    for html in [
        // Marketing.
        "<main><h2>Ready to get started?</h2><p>Sign up today and get a free month of everything we have.</p><h2>Still have questions?</h2><p>Our team is happy to help you at any time.</p></main>",
        "<main><h1>Why us?</h1><p>Because we are the best of all.</p><h2>Looking for more?</h2><p>See our other products in the shop.</p></main>",
        // One question.
        "<main><h1>What is a lease?</h1><p>A lease is a contract by which one party lends to another.</p><h2>History</h2><p>It is old.</p></main>",
        // A list of posts.
        "<main><h2>How do I tie a tie?</h2><p>Tying a tie is easy once you know how to begin…</p><h2>What is silk?</h2><p>Silk is a fibre that comes from [...]</p></main>",
        "<main><h2>How do I tie a tie?</h2><p>It is easy. Read more</p><h2>What is silk?</h2><p>A fibre of worms. Read more »</p></main>",
        // Questions with nothing below, or a button.
        "<main><h2>How long does it take?</h2><h2>Can I return it?</h2><p>Contact</p><h2>Text</h2><p>Some text that is long enough.</p></main>",
        // Furniture.
        "<main><p>Text of the page.</p></main><footer><details><summary>Where are you?</summary>In the town of our fathers.</details><details><summary>Who are you?</summary>We are people like you.</details></footer>",
        // A form.
        "<main><form><h3>Forgot your password?</h3><p>Enter your address and we send you a link.</p><h3>New here?</h3><p>Create an account in a minute or two.</p></form></main>",
        // Hidden for everybody.
        "<main><p>Text of the page, which says what it has to say at some length, since a page that is hidden for the most part is shown by a script \
         and read all the same; this one is not, and goes on for a while.</p><div style='display:none'><dl><dt>What is the secret word?</dt><dd>Say that all is free.</dd><dt>Who may know it?</dt><dd>Everybody may know it.</dd></dl></div></main>",
        // Code.
        "<main><pre># is it code?\nyes it is\n# is it text?\nno it is not</pre></main>",
    ] {
        has(html, &[]);
    }
}
