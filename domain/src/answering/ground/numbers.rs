//! Numbers in figures and in words, in one writing: 1,000.50 is 1.000,50 is 1000.5, and "two" is 2.
use regex::Regex;
use std::{collections::HashMap, sync::LazyLock};

/// Digits with separators: groups of three after a point, comma, space or apostrophe, and a decimal part.
#[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test run")]
pub static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d{1,3}(?:[\u{a0}\u{202f} '’]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*").expect("a constant pattern")
});

/// The values that a writing may have, each without useless zeros; one, but for "1.234", which is a thousand to some and a little
/// more than one to others. More than one point is a version or an address, which is itself.
pub fn readings(text: &str) -> Vec<String> {
    let digits: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        .collect();
    let spaced = text.chars().any(|c| c.is_whitespace() || matches!(c, '\'' | '’'));
    let separators: Vec<char> = digits.chars().filter(|c| !c.is_ascii_digit()).collect();
    let parts: Vec<&str> = digits.split(['.', ',']).collect();
    let grouped = |parts: &[&str]| parts[0].len() <= 3 && parts[0] != "0" && parts[1..].iter().all(|p| p.len() == 3);
    match separators.as_slice() {
        [] => vec![plain(&digits, "")],
        [_] if spaced => vec![plain(parts[0], parts[1])],
        [_] if grouped(&parts) && !parts[0].starts_with('0') => {
            let mut values = vec![plain(&parts.concat(), "")];
            // Nobody writes 1.000 or 4.900 for a price of one or of 4.90.
            if !parts[1].ends_with('0') {
                values.push(plain(parts[0], parts[1]));
            }
            values
        }
        [_] => vec![plain(parts[0], parts[1])],
        [groups @ .., decimal] => {
            let whole = &parts[..parts.len() - 1];
            let same = groups.iter().all(|c| c == &groups[0]);
            if same && decimal != &groups[0] && grouped(whole) {
                vec![plain(&whole.concat(), parts[parts.len() - 1])]
            } else if same && decimal == &groups[0] && grouped(&parts) {
                vec![plain(&parts.concat(), "")]
            } else {
                vec![digits]
            }
        }
    }
}

fn plain(whole: &str, decimals: &str) -> String {
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match decimals.trim_end_matches('0') {
        "" => whole.to_owned(),
        decimals => format!("{whole}.{decimals}"),
    }
}

const WORDS: [(&str, &str); 8] = [
    (
        "en",
        "two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 ten 10 eleven 11 twelve 12 dozen 12 fifteen 15 twenty 20 thirty 30 \
         forty 40 fifty 50 sixty 60 seventy 70 eighty 80 ninety 90 hundred 100 thousand 1000 million 1000000",
    ),
    (
        "de",
        "zwei 2 drei 3 vier 4 fünf 5 sechs 6 sieben 7 acht 8 neun 9 zehn 10 elf 11 zwölf 12 zwanzig 20 dreißig 30 vierzig 40 fünfzig 50 \
         sechzig 60 siebzig 70 achtzig 80 neunzig 90 hundert 100 tausend 1000",
    ),
    (
        "fr",
        "deux 2 trois 3 quatre 4 cinq 5 six 6 sept 7 huit 8 neuf 9 dix 10 onze 11 douze 12 quinze 15 vingt 20 trente 30 quarante 40 \
         cinquante 50 soixante 60 cent 100 mille 1000",
    ),
    (
        "es",
        "dos 2 tres 3 cuatro 4 cinco 5 seis 6 siete 7 ocho 8 nueve 9 diez 10 once 11 doce 12 quince 15 veinte 20 treinta 30 cuarenta 40 \
         cincuenta 50 sesenta 60 cien 100 ciento 100 mil 1000",
    ),
    (
        "it",
        "due 2 tre 3 quattro 4 cinque 5 sei 6 sette 7 otto 8 nove 9 dieci 10 undici 11 dodici 12 quindici 15 venti 20 trenta 30 \
         quaranta 40 cinquanta 50 sessanta 60 cento 100 mille 1000",
    ),
    (
        "nl",
        "twee 2 drie 3 vier 4 vijf 5 zes 6 zeven 7 acht 8 negen 9 tien 10 elf 11 twaalf 12 twintig 20 dertig 30 veertig 40 vijftig 50 \
         zestig 60 honderd 100 duizend 1000",
    ),
    (
        "pt",
        "dois 2 duas 2 três 3 quatro 4 cinco 5 seis 6 sete 7 oito 8 nove 9 dez 10 onze 11 doze 12 quinze 15 vinte 20 trinta 30 \
         quarenta 40 cinquenta 50 sessenta 60 cem 100 mil 1000",
    ),
    (
        "pl",
        "dwa 2 dwie 2 dwóch 2 trzy 3 trzech 3 cztery 4 czterech 4 pięć 5 pięciu 5 sześć 6 siedem 7 osiem 8 dziewięć 9 dziesięć 10 \
         jedenaście 11 dwanaście 12 dwadzieścia 20 trzydzieści 30 sto 100 tysiąc 1000",
    ),
];

/// Words that are numbers in one language and something else in another.
const AMBIGUOUS: [&str; 8] = ["once", "sei", "due", "dos", "onze", "cent", "sept", "sto"];

/// What each word counts, by language, in the languages' order.
static VALUES: LazyLock<HashMap<String, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut values: HashMap<String, Vec<(&str, &str)>> = HashMap::new();
    for (language, list) in WORDS {
        let list: Vec<&str> = list.split_whitespace().collect();
        for pair in list.chunks(2) {
            values
                .entry(super::visible::folded(pair[0]))
                .or_default()
                .push((language, pair[1]));
        }
    }
    values
});

fn values(word: &str) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    VALUES.get(word).into_iter().flatten().copied()
}

#[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test run")]
static HAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("([一二三四五六七八九十百千万萬两兩]+)([元円天日年月周週折个個小時时分秒%％倍歳岁])")
        .expect("a constant pattern")
});

/// Chinese numerals before what they count, in figures: 三十天 is 30天.
pub fn han(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let figures = |c: &regex::Captures<'_>| format!("{}{}", han_value(&c[1]), &c[2]);
    HAN.replace_all(text, figures).into_owned()
}

fn han_value(text: &str) -> u64 {
    let (mut total, mut section, mut digit) = (0, 0, 0);
    for c in text.chars() {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            '万' | '萬' => 10_000,
            '两' | '兩' => {
                digit = 2;
                continue;
            }
            c => {
                digit = "一二三四五六七八九"
                    .chars()
                    .position(|d| d == c)
                    .map_or(0, |at| at as u64 + 1);
                continue;
            }
        };
        section += digit.max(1) * unit;
        digit = 0;
        if unit == 10_000 {
            total += section;
            section = 0;
        }
    }
    total + section + digit
}

/// What a folded word counts in `language`; without one, in any language in which it can't be another word.
pub fn value_of(word: &str, language: Option<&str>) -> Option<&'static str> {
    if language.is_none() && AMBIGUOUS.contains(&word) {
        return None;
    }
    let (_, value) = values(word).find(|(of, _)| language.is_none_or(|language| language == *of))?;
    Some(value)
}

/// What a folded word may count in any language.
pub fn values_of(word: &str) -> impl Iterator<Item = &'static str> + use<> {
    const ONE: [&str; 12] = [
        "one", "ein", "eine", "einen", "einem", "einer", "un", "une", "una", "uno", "een", "um",
    ];
    let one = ONE.contains(&word).then_some("1");
    one.into_iter().chain(values(word).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_many_writings() {
        for text in [
            "1,000.50",
            "1.000,50",
            "1000.5",
            "1 000,50",
            "1'000.50",
            "1\u{a0}000.500",
        ] {
            assert_eq!(readings(text), ["1000.5"], "{text}");
        }
        for text in ["1000", "1,000", "1.000", "1 000", "01000", "1000.00"] {
            assert_eq!(readings(text), ["1000"], "{text}");
        }
        assert_eq!(readings("4,90"), ["4.9"]);
        assert_eq!(readings("1.234"), ["1234", "1.234"]);
        assert_eq!(readings("0.125"), ["0.125"]);
        assert_eq!(readings("1,234,567.80"), ["1234567.8"]);
        assert_eq!(readings("3.11.2"), ["3.11.2"]);
    }

    #[test]
    fn number_words_count_in_their_language() {
        assert_eq!(value_of("two", Some("en")), Some("2"));
        assert_eq!(value_of("zwolf", Some("de")), Some("12"));
        assert_eq!(
            (value_of("once", Some("es")), value_of("once", Some("en"))),
            (Some("11"), None)
        );
        assert_eq!((value_of("once", None), value_of("sieben", None)), (None, Some("7")));
        assert!(values_of("eine").any(|v| v == "1"));
        assert_eq!(han("三十天 一百二十元 一般"), "30天 120元 一般");
    }
}
