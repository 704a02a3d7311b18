//! How to reach the customer and when: from what pages mark up for machines, and from the links of their contact pages.
use sea_orm::FromQueryResult;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Fact,
    words::{self, Labels},
};
use crate::{
    Result,
    answering::expected::{Expected, plain},
    clock::Clock,
    language::Locale,
    tenancy::{Customer, TenantTx, sql},
};

/// Rows that are read at most.
const ROWS: i64 = 400;
/// What a value must be worth to be the customer's: one that some page happens to mention is not.
const OWN: usize = 2;
/// Parts of addresses and titles of pages that say how to reach their owner.
const PAGES: [&str; 20] = [
    "contact",
    "kontakt",
    "impressum",
    "imprint",
    "about",
    "support",
    "legal",
    "contatt",
    "nous-joindre",
    "ueber-uns",
    "uber-uns",
    "mentions-legales",
    "chi-siamo",
    "quienes-somos",
    "over-ons",
    "contato",
    "help",
    "hilfe",
    "aide",
    "ayuda",
];
/// Those of them that are for nothing else.
const CONTACT: [&str; 8] = [
    "contact",
    "kontakt",
    "contatt",
    "contato",
    "nous-joindre",
    "impressum",
    "imprint",
    "お問い合わせ",
];

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each may be asked for beside the others")]
pub struct Wanted {
    email: bool,
    telephone: bool,
    address: bool,
    hours: bool,
}

#[derive(Clone, Debug, FromQueryResult)]
struct Row {
    kind: String,
    source: String,
    data: Value,
    page: Uuid,
    version: i64,
    url: String,
    title: String,
    language: Option<String>,
}

impl Row {
    fn fact(&self, text: String) -> Fact {
        Fact {
            text,
            url: self.url.clone(),
            title: self.title.clone(),
            page: self.page,
            version: self.version,
        }
    }
}

/// Which ways to reach the customer the question asks for. Opening hours only if no passage is `quotable`.
pub fn wanted(question: &str, quotable: bool) -> Option<Wanted> {
    asked_for(&plain(question)).filter(|wanted| !(wanted.hours && quotable))
}

/// The ways to reach the customer that are `wanted`.
pub async fn fact(
    tx: &TenantTx,
    edition: &str,
    customer: &Customer,
    question: &str,
    locale: Option<Locale>,
    wanted: Wanted,
) -> Result<Option<Fact>> {
    let rows = rows(tx, edition).await?;
    let own = |row: &Row| row.data["name"].as_str().unwrap_or_default().to_lowercase();
    let known: String = rows
        .iter()
        .map(own)
        .chain([customer.name.to_lowercase(), customer.domain.clone()])
        .collect();
    // Somebody else's number is not asked for by ours.
    if words::named(&plain(question)).iter().any(|word| !known.contains(word)) {
        return Ok(None);
    }
    Ok(told(
        &rows,
        wanted,
        &customer.domain,
        words::labels(locale.or_else(|| spoken(&rows))),
    ))
}

async fn rows(tx: &TenantTx, edition: &str) -> Result<Vec<Row>> {
    let find = format!(
        "SELECT s.kind, s.source, s.data, p.id AS page, p.version, p.url, p.title, p.language FROM structured_extractions s
        JOIN scraped_pages p ON p.id = s.page_id AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL
        WHERE s.customer_id = $1 AND s.kind IN ('contact', 'organization', 'opening_hours') AND s.{edition} ORDER BY length(p.url), p.url LIMIT $2"
    );
    let find = sql(&find, [tx.customer().into(), ROWS.into()]);
    Ok(Row::find_by_statement(find).all(&**tx).await?)
}

/// The surest way to people that the site publishes: an address, a number, or the page that is for it.
pub async fn route(tx: &TenantTx, customer: &Customer) -> Result<Option<Fact>> {
    let rows = rows(tx, "shown").await?;
    let kinds = [("emails", "email"), ("telephones", "telephone")];
    let own = kinds
        .into_iter()
        .find_map(|(many, one)| best(&rows, many, one, &customer.domain));
    match own {
        Some((text, row)) => Ok(Some(row.fact(text))),
        None => contact_page(tx).await,
    }
}

/// The page with the shortest address that says of itself that it is for those who want to reach people.
async fn contact_page(tx: &TenantTx) -> Result<Option<Fact>> {
    const FIND: &str = "
        SELECT '' AS kind, '' AS source, 'null'::jsonb AS data, id AS page, version, url, title, language FROM scraped_pages
        WHERE customer_id = $1 AND tombstoned_at IS NULL AND duplicate_of IS NULL AND status = 200
          AND regexp_replace(url, '^[a-z]+://[^/]*', '') || ' ' || title ~* $2
        ORDER BY length(url), url LIMIT 1";
    let find = sql(FIND, [tx.customer().into(), CONTACT.join("|").into()]);
    let row = Row::find_by_statement(find).one(&**tx).await?;
    Ok(row.map(|row| row.fact(row.url.clone())))
}

fn spoken(rows: &[Row]) -> Option<Locale> {
    let code = rows.first()?.language.as_deref()?;
    Locale::EACH.into_iter().find(|locale| locale.code() == code)
}

fn asked_for(plain: &str) -> Option<Wanted> {
    let has = |signs: &[&str]| signs.iter().any(|sign| plain.contains(sign));
    let mut wanted = Wanted::default();
    match Expected::of(plain) {
        // A number of another kind than the one that a page marks up.
        Some(Expected::Telephone) if plain.contains(" fax") => return None,
        Some(Expected::Telephone) => wanted.telephone = true,
        Some(Expected::Email) => wanted.email = true,
        Some(Expected::Hours) => wanted.hours = true,
        _ if only_names(plain, &words::PHONE) => wanted.telephone = true,
        _ if only_names(plain, &words::EMAIL) => wanted.email = true,
        _ if has(&words::WHERE) => wanted.address = true,
        _ if has(&words::REACH) => (wanted.email, wanted.telephone, wanted.address) = (true, true, true),
        _ => return None,
    }
    Some(wanted)
}

/// Whether hardly more than the word is asked: "got a phone?", not what is ordered by it.
fn only_names(plain: &str, names: &[&str]) -> bool {
    const MOST: usize = 6;
    let says = |signs: &[&str]| signs.iter().any(|sign| plain.contains(sign));
    says(names) && !says(&words::MEANS) && plain.split_whitespace().count() <= MOST && words::named(plain).is_empty()
}

/// The best value of each wanted kind, as a line or a list, on the page that has the most of them.
fn told(rows: &[Row], wanted: Wanted, domain: &str, labels: &Labels) -> Option<Fact> {
    let mut lines: Vec<(&str, String, &Row)> = Vec::new();
    let kinds = [
        (wanted.telephone, labels.telephone, "telephones", "telephone"),
        (wanted.email, labels.email, "emails", "email"),
        (wanted.address, labels.address, "addresses", "address"),
    ];
    for (_, label, many, one) in kinds.into_iter().filter(|(wanted, ..)| *wanted) {
        lines.extend(best(rows, many, one, domain).map(|(value, row)| (label, value, row)));
    }
    if wanted.hours {
        let row = rows
            .iter()
            .filter(|row| row.kind == "opening_hours")
            .max_by_key(|row| (row.source != "heuristic", is_contact(row)));
        let today = Clock::system().now().date().to_string();
        lines.extend(row.and_then(|row| Some((labels.hours, hours(&row.data, labels, &today)?, row))));
    }
    let page = |of: &(&str, String, &Row)| lines.iter().filter(|line| line.2.page == of.2.page).count();
    let row = lines.iter().rev().max_by_key(|line| page(line))?.2;
    let text = match &lines[..] {
        [(label, value, _)] if value.contains('\n') => format!("{label}:\n\n{value}"),
        [(label, value, _)] => format!("{label}: {value}"),
        several => several
            .iter()
            .map(|(label, value, _)| format!("- {label}: {value}"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Some(row.fact(text))
}

/// The value that is most surely the customer's own, with the row that it is from.
fn best<'a>(rows: &'a [Row], many: &str, one: &str, domain: &str) -> Option<(String, &'a Row)> {
    let mut found: HashMap<String, (usize, &Row, usize)> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    for row in rows {
        let values = row.data[many].as_array().into_iter().flatten().chain([&row.data[one]]);
        for value in values.filter_map(Value::as_str) {
            let marked = if row.source == "heuristic" { 0 } else { 3 };
            let worth =
                marked + 2 * usize::from(is_contact(row)) + usize::from(value.ends_with(domain) && many == "emails");
            let seen = found.entry(value.to_owned()).or_insert_with(|| {
                order.push(value.to_owned());
                (0, row, 0)
            });
            seen.2 += 1;
            if worth > seen.0 || is_contact(row) && !is_contact(seen.1) {
                (seen.0, seen.1) = (worth.max(seen.0), row);
            }
        }
    }
    // What stands on many pages stands in their frame.
    let pages = rows.len().max(1);
    let total = |value: &String| {
        let (worth, row, seen) = found[value];
        (worth + if seen >= 3 && seen * 3 >= pages { 2 } else { 0 }, row, seen)
    };
    let ranked = order.iter().map(|value| (value, total(value)));
    let (value, (worth, row, _)) = ranked.rev().max_by_key(|(_, (worth, _, seen))| (*worth, *seen))?;
    (worth >= OWN).then(|| (value.clone(), row))
}

fn is_contact(row: &Row) -> bool {
    let path = row
        .url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split_once('/'))
        .map_or("", |(_, path)| path);
    let text = format!("{path} {}", row.title).to_lowercase();
    PAGES.iter().any(|part| text.contains(part))
}

/// `- Tuesday to Friday: 10:00–18:00`, a line for each group of days. Of hours that hold for a season only the one that is now counts, and
/// what opens when it closes is closed.
fn hours(data: &Value, labels: &Labels, today: &str) -> Option<String> {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for line in data["hours"].as_array()? {
        let (Some(opens), Some(closes)) = (line["opens"].as_str(), line["closes"].as_str()) else {
            continue;
        };
        let bound = |key: &str| line[key].as_str().and_then(|text| text.get(..10));
        let is_now = bound("from").is_none_or(|from| from <= today) && bound("through").is_none_or(|end| end >= today);
        if !is_now || opens == closes {
            continue;
        }
        let days: Vec<usize> = line["days"]
            .as_array()?
            .iter()
            .filter_map(|day| DAYS.iter().position(|known| Some(*known) == day.as_str()))
            .collect();
        let name = match days[..] {
            [] => continue,
            [one] => labels.days[one].to_owned(),
            [first, .., last] if days.windows(2).all(|pair| pair[1] == pair[0] + 1) && days.len() > 2 => {
                format!("{} {} {}", labels.days[first], labels.to, labels.days[last])
            }
            _ => days.iter().map(|day| labels.days[*day]).collect::<Vec<_>>().join(", "),
        };
        let time = format!("{opens}–{closes}");
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(time),
            None => lines.push((name, vec![time])),
        }
    }
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(days, times)| format!("- {days}: {}", times.join(", ")))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(n: u128, kind: &str, source: &str, path: &str, data: Value) -> Row {
        Row {
            kind: kind.into(),
            source: source.into(),
            data,
            page: Uuid::from_u128(n),
            version: 1,
            url: format!("https://shop.example/{path}"),
            title: String::new(),
            language: Some("en".into()),
        }
    }

    fn shop() -> Vec<Row> {
        vec![
            row(
                1,
                "contact",
                "heuristic",
                "blog",
                json!({"emails": ["author@elsewhere.example"], "telephones": ["12345"]}),
            ),
            row(
                2,
                "contact",
                "json_ld",
                "contact",
                json!({"emails": ["hello@shop.example"], "telephones": ["+47 55 55 01 40"], "addresses": ["Quay 1, Bergen"]}),
            ),
            row(
                2,
                "opening_hours",
                "json_ld",
                "contact",
                json!({"hours": [
                {"days": ["tuesday", "wednesday", "thursday"], "opens": "10:00", "closes": "13:00"},
                {"days": ["tuesday", "wednesday", "thursday"], "opens": "14:00", "closes": "18:00"},
                {"days": ["saturday"], "opens": "10:00", "closes": "15:00"}]}),
            ),
        ]
    }

    fn answer(question: &str) -> Option<String> {
        let wanted = asked_for(&plain(question))?;
        Some(told(&shop(), wanted, "shop.example", words::labels(None))?.text)
    }

    #[test]
    fn what_is_asked_for_is_told_and_nothing_that_a_page_only_mentions() {
        assert_eq!(
            answer("What is your phone number?").unwrap(),
            "Telephone: +47 55 55 01 40"
        );
        assert_eq!(
            answer("How can I reach you?").unwrap(),
            "- Telephone: +47 55 55 01 40\n- E-mail: hello@shop.example\n- Address: Quay 1, Bergen"
        );
        assert_eq!(
            answer("What are your opening hours?").unwrap(),
            "Opening hours:\n\n- Tuesday to Thursday: 10:00–13:00, 14:00–18:00\n- Saturday: 10:00–15:00"
        );
        for question in ["phone?", "you got a phone number?", "Is there a phone?"] {
            assert_eq!(answer(question).unwrap(), "Telephone: +47 55 55 01 40", "{question}");
        }
        assert_eq!(answer("got an e-mail?").unwrap(), "E-mail: hello@shop.example");
        for question in [
            "How do I wash a dry suit?",
            "Can I order by phone?",
            "Is the phone in stock?",
            "Which phone holder fits?",
        ] {
            assert_eq!(answer(question), None, "{question}");
        }
        let only = &shop()[..1];
        let email = Wanted {
            email: true,
            ..Wanted::default()
        };
        assert!(told(only, email, "shop.example", words::labels(None)).is_none());
    }

    #[test]
    fn a_question_about_somebody_else_names_them() {
        let of = |question: &str| {
            words::named(&plain(question))
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert!(of("What is your phone number?").is_empty());
        assert!(of("you got any phone number?").is_empty());
        assert!(of("Wann haben Sie am Samstag geöffnet?").is_empty());
        assert_eq!(
            of("What is the phone number of the Python Software Foundation?"),
            ["python", "software", "foundation"]
        );
    }

    #[test]
    fn hours_of_another_season_and_closed_days_are_not_told() {
        let line = |days: &[&str], opens: &str, closes: &str| json!({ "days": days, "opens": opens, "closes": closes });
        let season = |from: &str, through: &str, opens: &str| json!({ "days": ["monday"], "opens": opens, "closes": "18:00", "from": from, "through": through });
        let data = json!({ "hours": [
            season("2021-05-01", "2021-09-30", "07:00"),
            season("2026-05-01T00:00:00Z", "2026-12-31", "08:00"),
            line(&["tuesday"], "09:00", "17:00"),
            line(&["sunday"], "00:00", "00:00"),
        ] });
        let told = hours(&data, words::labels(Some(Locale::En)), "2026-11-23").unwrap();
        assert_eq!(told, "- Monday: 08:00–18:00\n- Tuesday: 09:00–17:00");
    }
}
