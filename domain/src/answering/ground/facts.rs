//! What can be true or false by itself: numbers, prices, percentages, dates, addresses, codes, and promises such as "free".
//! A fact of an answer must stand in the passages that it is taken from, in whatever writing.
use std::{collections::HashSet, sync::LazyLock};

use super::{
    dates::{self, Times},
    links::{self, EMAIL, LINK},
    numbers::{NUMBER, han, readings, value_of, values_of},
    visible::folded,
    words::{language, tokens},
};

pattern!(CITATION, r"\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]");
pattern!(PHONE, r"(?:\+|\(|\b)\d[\d\u{a0} ()/.–-]{5,22}\d");
pattern!(
    LISTED,
    r"(?m)^\s*(?:>\s*)*(?:#{1,6}\s+)?(?:\d{1,3}[.)]\s+|\d{1,3}(?:\.\d{1,3})+\.?\s+)"
);
pattern!(SIZE, r"\b(?:X{0,3}[SL]|M)\b");
pattern!(
    SIZED,
    r"(?i:\b(?:sizes?|größen?|tailles?|tallas?|taglie?a?|maat|maten|tamanhos?|rozmiar\w*)):? (X{0,3}[SL]|M)\b"
);
pattern!(CODE, r"[\p{L}\p{N}][\p{L}\p{N}_-]*");
pattern!(
    pub(super) MONEY_BEFORE,
    r"(?i)(€|\$|£|¥|₹|₽|₪|\b(?:EUR|USD|GBP|CHF|PLN|SEK|NOK|DKK|CZK|JPY|CNY|AUD|CAD|Fr\.))\s?$"
);
pattern!(
    pub(super) MONEY_AFTER,
    r"(?i)^\s?(€|\$|£|¥|₹|₽|₪|zł|円|元|₩|(?:EUR|USD|GBP|CHF|PLN|SEK|NOK|DKK|CZK|JPY|CNY|AUD|CAD|euros?|dollars?|dólares|dollari|pounds?|francs?|franken|kr|kronor|yen|zloty(?:ch)?|rubel|рублей|евро)\b)"
);
pattern!(
    pub(super) PERCENT_AFTER,
    r"(?i)^\s?(?:%|％|٪|(?:percent|per\s?cent|prozent|pour\s?cent|por\s?ciento|per\s?cento|procent|por\s?cento)\b)"
);

/// A kind of fact, by the name under which a receipt counts what was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number, a time or a code.
    Number,
    /// An amount of money.
    Price,
    /// A percentage.
    Percentage,
    /// A date, a month or a day of the week.
    Date,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// "Free", "guaranteed", "discount" and the like.
    Promise,
}

impl Kind {
    /// Its name in receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Price => "price",
            Self::Percentage => "percentage",
            Self::Date => "date",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Promise => "promise",
        }
    }
}

/// The facts of a text.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Each number by its readings.
    numbers: Vec<Vec<String>>,
    /// Amounts with their currencies.
    money: Vec<(Vec<String>, &'static str)>,
    percents: Vec<Vec<String>>,
    times: Times,
    emails: HashSet<String>,
    phones: Vec<String>,
    codes: HashSet<String>,
    promises: HashSet<&'static str>,
    /// Numbers that have a table's cell to themselves: what they count stands in its header.
    tabled: HashSet<String>,
    currencies: HashSet<&'static str>,
    percent_somewhere: bool,
}

/// How numbers and names of days are read: a claim means one thing, in the language that it shows; what a passage tells may be
/// meant in any way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Claim(Option<&'static str>),
    Told,
}

impl Facts {
    /// What an answer claims. `usual` is the passages' language, for sentences that don't show theirs.
    pub fn claimed(text: &str, usual: Option<&'static str>) -> Self {
        Self::read(text, Reading::Claim(language(text).or(usual)))
    }

    /// What a passage tells, in every way in which it may be meant.
    pub fn told(text: &str) -> Self {
        Self::read(text, Reading::Told)
    }

    fn read(text: &str, reading: Reading) -> Self {
        let mut facts = Self::default();
        // Words of a link say what they say; where it leads is the link rule's matter.
        let text = LINK.replace_all(text, "$1");
        let text = if text.contains('@') {
            EMAIL.replace_all(&text, |c: &regex::Captures<'_>| {
                facts.emails.insert(c[0].trim_end_matches('.').to_lowercase());
                " "
            })
        } else {
            text
        };
        let text = CITATION.replace_all(&links::without(&text), " ").into_owned();
        let mut text = LISTED.replace_all(&text, "\n").into_owned();
        facts.promises = promises(&text);
        facts.times = dates::take(&mut text, reading == Reading::Told);
        facts.take_sizes(&text, reading);
        let text = han(&text);
        let text = facts.take_phones(&text);
        facts.take_numbers(&text);
        facts.take_words(&text, reading);
        facts
    }

    fn take_phones(&mut self, text: &str) -> String {
        let told = |c: &regex::Captures<'_>| {
            let digits: String = c[0].chars().filter(char::is_ascii_digit).collect();
            let number = NUMBER.find(&c[0]).is_some_and(|m| m.as_str() == &c[0]);
            let spaced = c[0]
                .chars()
                .any(|c| matches!(c, ' ' | '\u{a0}' | '(' | '+' | '/' | '-' | '–'));
            let years = digits.len() == 8 && c[0].len() == 9;
            let phone = digits.len() >= 7 && !number && !years && (spaced || digits.starts_with('0'));
            if phone {
                self.phones.push(digits);
                return " ".to_owned();
            }
            c[0].to_owned()
        };
        PHONE.replace_all(&folded_digits(text), told).into_owned()
    }

    fn take_numbers(&mut self, text: &str) {
        for line in text.lines() {
            let tabled = line.trim_start().starts_with('|');
            for found in NUMBER.find_iter(line) {
                let before = line[..found.start()].chars().next_back();
                if before.is_some_and(char::is_alphabetic) {
                    continue;
                }
                let values = readings(found.as_str());
                let (left, right) = (&line[..found.start()], &line[found.end()..]);
                let currency = MONEY_BEFORE.captures(left).or_else(|| MONEY_AFTER.captures(right));
                if let Some(currency) = currency.map(|c| currency_of(&c[1])) {
                    self.currencies.insert(currency);
                    self.money.push((values.clone(), currency));
                } else if PERCENT_AFTER.is_match(right) {
                    self.percents.push(values.clone());
                }
                let bare = left.trim_end().ends_with('|') && right.trim_start().starts_with('|');
                if tabled && bare {
                    self.tabled.extend(values.iter().cloned());
                }
                self.numbers.push(values);
            }
            for word in line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | ',' | ':')) {
                self.currencies.extend(currency_name(word));
            }
            self.percent_somewhere |= line.contains('%');
        }
    }

    /// Sizes of clothes: a claim has them behind a word for one, a passage anywhere.
    fn take_sizes(&mut self, text: &str, reading: Reading) {
        self.codes.extend(match reading {
            Reading::Claim(_) => sizes_claimed(text),
            Reading::Told => sizes_told(text),
        });
    }

    fn take_words(&mut self, text: &str, reading: Reading) {
        for word in tokens(text).iter().filter(|w| w.chars().all(char::is_alphabetic)) {
            match reading {
                Reading::Claim(language) => self
                    .numbers
                    .extend(value_of(word, language).map(|v| vec![v.to_owned()])),
                Reading::Told => self.numbers.extend(values_of(word).map(|v| vec![v.to_owned()])),
            }
        }
        for code in CODE.find_iter(text).map(|m| folded(m.as_str())) {
            let digits = code.chars().filter(char::is_ascii_digit).count();
            let letters = code.chars().filter(|c| c.is_alphabetic()).count();
            let measured = code.starts_with(|c: char| c.is_ascii_digit())
                && letters <= 8
                && !code.ends_with(|c: char| c.is_ascii_digit());
            if digits > 0 && letters > 0 && !measured {
                self.codes.insert(code);
            }
        }
    }

    /// Whether something is said to cost nothing.
    pub fn promises_free(&self) -> bool {
        self.promises.contains("free")
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let times = &self.times;
        let timeless =
            times.dates.is_empty() && times.clock.is_empty() && times.days.is_empty() && times.months.is_empty();
        let sets = self.emails.is_empty() && self.codes.is_empty() && self.promises.is_empty();
        timeless && sets && self.numbers.is_empty() && self.phones.is_empty()
    }

    /// The first kind of fact here that `told` does not tell.
    pub fn beyond(&self, told: &[&Self]) -> Option<Kind> {
        let any = |test: &dyn Fn(&Self) -> bool| told.iter().any(|t| test(t));
        if !self.emails.iter().all(|e| any(&|t| t.emails.contains(e))) {
            return Some(Kind::Email);
        }
        if !self
            .phones
            .iter()
            .all(|p| any(&|t| t.phones.iter().any(|q| same_phone(p, q))))
        {
            return Some(Kind::Phone);
        }
        if !self.times_are_told(told) {
            return Some(Kind::Date);
        }
        for (amount, currency) in &self.money {
            let priced = |t: &Self| t.money.iter().any(|(a, c)| c == currency && meet(a, amount));
            let listed = |t: &Self| t.currencies.contains(currency) && amount.iter().any(|a| t.tabled.contains(a));
            if !any(&|t| priced(t) || listed(t)) {
                return Some(Kind::Price);
            }
        }
        for percent in &self.percents {
            let listed = |t: &Self| t.percent_somewhere && percent.iter().any(|p| t.tabled.contains(p));
            if !any(&|t| t.percents.iter().any(|p| meet(p, percent)) || listed(t)) {
                return Some(Kind::Percentage);
            }
        }
        let clock = |t: &Self, n: &[String]| t.times.clock.iter().any(|c| n.contains(&(c / 60).to_string()));
        if !self
            .numbers
            .iter()
            .all(|n| any(&|t| t.numbers.iter().any(|m| meet(m, n)) || clock(t, n)))
        {
            return Some(Kind::Number);
        }
        if !self.codes.iter().all(|c| any(&|t| t.codes.contains(c))) {
            return Some(Kind::Number);
        }
        (!self.promises.iter().all(|p| any(&|t| t.promises.contains(p)))).then_some(Kind::Promise)
    }

    fn times_are_told(&self, told: &[&Self]) -> bool {
        let any = |test: &dyn Fn(&Times) -> bool| told.iter().any(|t| test(&t.times));
        let month = |t: &Times, m: &u8| t.months.contains(m) || t.dates.iter().flatten().any(|d| d.month == *m);
        let times = &self.times;
        let date = |t: &Times, d: &dates::Date| {
            t.dates.iter().flatten().any(|told| d.is_told_by(*told))
                || (d.year.is_none() && d.day.is_none() && month(t, &d.month))
        };
        let clock = |c: &u16| {
            let hour = (c / 60).to_string();
            let whole = |t: &&Self| c.is_multiple_of(60) && t.numbers.iter().any(|n| n.contains(&hour));
            any(&|t| t.clock.contains(c)) || told.iter().any(whole)
        };
        times
            .dates
            .iter()
            .all(|readings| readings.iter().any(|d| any(&|t| date(t, d))))
            && times.clock.iter().all(clock)
            && times.days.iter().all(|day| any(&|t| t.days.contains(day)))
            && times.months.iter().all(|m| any(&|t| month(t, m)))
    }
}

fn meet(a: &[String], b: &[String]) -> bool {
    a.iter().any(|value| b.contains(value))
}

/// Numbers with and without their country and trunk prefixes.
fn same_phone(a: &str, b: &str) -> bool {
    let core = |digits: &str| digits.trim_start_matches('0').to_owned();
    let (a, b) = (core(a), core(b));
    let (long, short) = if a.len() >= b.len() { (&a, &b) } else { (&b, &a) };
    short.len() >= 6
        && long.len() - short.len() <= 4
        && (long.ends_with(short.as_str()) || long.replacen('0', "", 1) == *short)
}

fn folded_digits(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_numeric() {
                folded(&c.to_string()).chars().next().unwrap_or(c)
            } else {
                c
            }
        })
        .collect()
}

fn currency_of(text: &str) -> &'static str {
    currency_name(text).unwrap_or("other")
}

/// A currency's code, if a word or sign is one's; in capitals.
pub(super) fn currency_name(word: &str) -> Option<&'static str> {
    Some(match folded(word.trim_end_matches(['.', ';', '?', '!'])).as_str() {
        "€" | "eur" | "euro" | "euros" | "евро" => "EUR",
        "$" | "usd" | "dollar" | "dollars" | "dolares" | "dollari" => "USD",
        "£" | "gbp" | "pound" | "pounds" => "GBP",
        "chf" | "fr" | "franken" | "francs" | "franc" => "CHF",
        "zł" | "pln" | "zloty" | "złoty" | "zlotych" => "PLN",
        "¥" | "jpy" | "yen" | "円" => "JPY",
        "cny" | "元" => "CNY",
        "sek" | "nok" | "dkk" | "kr" | "kronor" => "KR",
        "₽" | "рублеи" | "рублей" | "rubel" => "RUB",
        _ => return None,
    })
}

/// What customers would hold a shop to, by beginnings of words.
const PROMISES: [(&str, &str); 5] = [
    (
        "free",
        "=free gratis kostenlos kostenfrei versandkostenfrei =umsonst gratuit gratuita gratuito bezplatn darmow бесплатн 無料 免费 免費 مجان חינם 무료",
    ),
    (
        "discount",
        "discount voucher coupon promo rabatt gutschein =remise reduction descuento cupon sconto korting descont rabat скидк 割引 折扣 خصم הנחה 할인",
    ),
    (
        "guarantee",
        "guarante garantie garantia garanzia gwarancj warrant гарант 保証 保证 ضمان אחריות 보증",
    ),
    (
        "lifelong",
        "lifetime lifelong unlimited forever lebenslang unbegrenzt illimite ilimitad illimitat onbeperkt 無制限 无限",
    ),
    (
        "winning",
        "jackpot =prize =won gewonnen lottery giveaway bitcoin crypto",
    ),
];

/// Sizes behind a word that says so.
pub(super) fn sizes_claimed(text: &str) -> Vec<String> {
    let sizes = SIZED.captures_iter(text).filter_map(|c| c.get(1));
    sizes.map(|size| format!("size {}", size.as_str())).collect()
}

/// What may be a size.
pub(super) fn sizes_told(text: &str) -> Vec<String> {
    SIZE.find_iter(text)
        .map(|size| format!("size {}", size.as_str()))
        .collect()
}

/// The kind of amount that nothing is.
pub(super) const FREE: &str = "FREE";

/// Whether a word says that there is nothing to pay.
pub(super) fn is_free(word: &str) -> bool {
    FORMS.first().is_some_and(|(_, forms)| {
        forms.iter().any(|form| match form.strip_prefix('=') {
            Some(exact) => word == exact,
            None => form.is_ascii() && word.starts_with(form.as_str()),
        })
    })
}

static FORMS: LazyLock<Vec<(&str, Vec<String>)>> = LazyLock::new(|| {
    let read = |(class, forms): (&'static str, &str)| (class, forms.split(' ').map(folded).collect());
    PROMISES.map(read).into()
});

fn promises(text: &str) -> HashSet<&'static str> {
    let text = folded(text);
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let said = |form: &String| match form.strip_prefix('=') {
        Some(exact) => words.contains(&exact),
        None if form.is_ascii() => words.iter().any(|w| w.starts_with(form.as_str())),
        None => text.contains(form.as_str()),
    };
    FORMS
        .iter()
        .filter(|(_, forms)| forms.iter().any(said))
        .map(|(class, _)| *class)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beyond(claim: &str, told: &str) -> Option<Kind> {
        Facts::claimed(claim, None).beyond(&[&Facts::told(told)])
    }

    #[test]
    fn facts_are_found_in_other_writings() {
        for (claim, told) in [
            ("Two to four days [1].", "Parcels arrive within 2-4 days."),
            ("It takes 2 to 4 days.", "Parcels take two to four days."),
            ("It costs €1,000.50.", "Preis: 1.000,50 EUR"),
            (
                "It costs 4.9 euros.",
                "| Item | Price (EUR) |\n|---|---|\n| Box | 4,90 |",
            ),
            ("Until March 5th, 2026.", "Gültig bis 05.03.2026"),
            ("Open from 9 am to 5 pm.", "Geöffnet 9:00 bis 17:00 Uhr"),
            ("Open on Wednesday.", "Mon-Fri 9:00-17:00"),
            ("Call 0 30 / 123 456-7.", "Phone: +49 (0)30 1234567"),
            ("You get 20 percent back.", "Es gibt 20 % zurück."),
            ("Write to Help@Shop.example.", "help@shop.example"),
            ("Kayak KX-200 in 3 steps.", "1. Take the KX-200 with three hands"),
            ("12 kg, 24kg", "it weighs 12 kg or 24 kg"),
        ] {
            assert_eq!(beyond(claim, told), None, "{claim} / {told}");
        }
    }

    #[test]
    fn what_no_passage_tells_is_named_by_its_kind() {
        let told = "1. Parcels arrive within 2-4 days for 4.90 EUR until 5 March, Monday to Friday. Phone +49 30 1234567, help@shop.example. 20 % off 14 kg";
        for (claim, kind) in [
            ("Parcels arrive within 3 days.", Kind::Number),
            ("Parcels arrive within seven days.", Kind::Number),
            ("Lieferung in sieben Tagen.", Kind::Number),
            ("It costs 14 EUR.", Kind::Price),
            ("It costs 4.90 USD.", Kind::Price),
            ("It costs ٤٩ EUR.", Kind::Price),
            ("14 % off.", Kind::Percentage),
            ("Until 6 March.", Kind::Date),
            ("Until 5 March 2027.", Kind::Date),
            ("Open on Sunday.", Kind::Date),
            ("Samstags offen.", Kind::Date),
            ("Call 0900 666 666.", Kind::Phone),
            ("Write to evil@shop.example.", Kind::Email),
            ("Use code SAVE50.", Kind::Number),
            ("Shipping is free.", Kind::Promise),
            ("Der Versand ist kostenlos.", Kind::Promise),
            ("配送は無料です。", Kind::Promise),
        ] {
            assert_eq!(beyond(claim, told), Some(kind), "{claim}");
        }
    }
}
