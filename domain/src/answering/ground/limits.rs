//! From what on, or up to what, something holds: "after 60 days" has the words and the number of "within 60 days".
use super::{
    bound::subjects,
    facts::is_free,
    numbers::{NUMBER, readings, values_of},
    visible::folded,
    words::{like, tokens},
};

/// The share of a claim's words that the clause with the limit must have to be compared with it.
const SAME: f64 = 0.5;
/// Words between the limiting one and its number: "from an order of 100 EUR".
const REACH: usize = 4;

/// On which side of a number something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

/// In English, German, French, Spanish, Italian, Dutch, Portuguese and Polish; those that are something else in another of these languages
/// are left out.
#[rustfmt::skip]
const BELOW: [&str; 55] = [
    "within", "under", "below", "before", "until", "till", "less", "fewer", "most", "maximum", "innerhalb", "binnen", "bis", "unter", "vor",
    "hochstens", "maximal", "weniger", "jusqua", "jusqu", "avant", "moins", "maximo", "hasta", "antes", "bajo", "menos", "entro", "fino", "sotto",
    "prima", "meno", "massimo", "onder", "maximaal", "minder", "uiterlijk", "ate", "abaixo", "ponizej", "przed", "najwyzej", "mniej", "spatestens",
    "latest", "inferieur", "unterhalb",
    "smaller", "shorter", "lower", "younger", "kleiner", "kurzer", "niedriger", "junger",
];
#[rustfmt::skip]
const ABOVE: [&str; 51] = [
    "after", "from", "over", "above", "least", "minimum", "more", "beyond", "exceeding", "nach", "ab", "uber", "mindestens", "mehr", "oberhalb", "apres",
    "partir", "plus", "depuis", "despues", "desde", "mas", "minimo", "dopo", "oltre", "piu", "almeno", "boven", "vanaf", "minstens", "meer",
    "minimaal", "apos", "depois", "acima", "mais", "powyzej", "wiecej", "najmniej", "superieur", "starting",
    "larger", "bigger", "greater", "longer", "higher", "older", "grosser", "langer", "hoher", "alter",
];
/// "Not more than" is at most.
const TURNING: [&str; 9] = ["no", "not", "nicht", "kein", "pas", "non", "niet", "nao", "nie"];
/// Limits that [`TURNING`] words turn round; with others they deny what is said.
const COMPARING: [&str; 17] = [
    "more", "less", "fewer", "later", "mehr", "weniger", "plus", "moins", "mas", "menos", "piu", "meno", "meer",
    "minder", "mais", "wiecej", "mniej",
];

/// What ends after a number holds up to it.
#[rustfmt::skip]
const ENDING: [&str; 20] = [
    "end", "ends", "ended", "expire", "expires", "expired", "lapse", "lapses", "late", "endet", "enden", "verfallt", "erlischt", "lauft", "prend",
    "termina", "caduca", "scade", "verloopt", "wygasa",
];

/// A number that something holds up to, or from on.
struct Limit {
    side: Side,
    number: Vec<String>,
    clause: Vec<String>,
}

pattern!(WORD, r"\p{L}[\p{L}\p{M}'’]*|\d[\d.,]*");
pattern!(
    MARK,
    r"[,;:–—]\s|\s(?:and|but|und|aber|et|mais|pero|ma|maar|mas|oraz|ale)\s"
);

/// Of a clause that has a limit and nothing else, "From 100 EUR on,", the next one says what holds.
fn limits(text: &str) -> Vec<Limit> {
    let clauses: Vec<&str> = MARK.split(text).collect();
    let found = clauses.iter().enumerate().flat_map(|(at, clause)| {
        let mut holding = holding(clause);
        if holding.is_empty() {
            holding = clauses.get(at + 1).map_or_else(Vec::new, |next| self::holding(next));
        }
        of_clause(clause, &holding)
    });
    found.collect()
}

fn of_clause(clause: &str, holding: &[String]) -> Vec<Limit> {
    let words: Vec<String> = WORD.find_iter(clause).map(|word| folded(word.as_str())).collect();
    let number = |word: &str| -> Vec<String> {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            NUMBER
                .find(word)
                .map(|number| readings(number.as_str()))
                .unwrap_or_default()
        } else {
            values_of(word).map(str::to_owned).collect()
        }
    };
    let side = |at: usize| {
        let word = words[at].as_str();
        let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
        if (before, word) == ("up", "to") {
            return Some(Side::Below);
        }
        let side = match (BELOW.contains(&word), ABOVE.contains(&word)) {
            (true, false) => Side::Below,
            (false, true) => Side::Above,
            _ => return None,
        };
        let turned = COMPARING.contains(&word) && TURNING.contains(&before);
        Some(match (side, turned) {
            (side, false) => side,
            (Side::Below, true) => Side::Above,
            (Side::Above, true) => Side::Below,
        })
    };
    let mut found = Vec::new();
    for at in 0..words.len() {
        let told = number(&words[at]);
        if told.is_empty() {
            continue;
        }
        let back = (at.saturating_sub(REACH)..at).rev();
        // Behind another number a word stands between the two ends of a range.
        let limiting = back
            .take_while(|n| number(&words[*n]).is_empty())
            .find_map(|n| side(n).map(|side| (n, side)));
        if let Some((n, side)) = limiting
            && n.checked_sub(1).is_none_or(|before| number(&words[before]).is_empty())
        {
            found.push(Limit {
                side,
                number: told,
                clause: holding.to_vec(),
            });
        }
    }
    found
}

/// Whether sentences set a claim's limit to the other side of its number, and none to the same. `denies` tells whether a sentence denies.
pub fn is_turned<'a>(claim: &str, said: impl IntoIterator<Item = &'a String>, denies: impl Fn(&str) -> bool) -> bool {
    let claimed = limits(claim);
    if claimed.is_empty() {
        return false;
    }
    let ends = |text: &str| {
        tokens(text)
            .iter()
            .filter(|word| ENDING.contains(&word.as_str()))
            .count()
            % 2
            == 1
    };
    let denies = |text: &str| denies(text) != ends(text);
    let (words, opposed) = (holding(claim), denies(claim));
    let mut turned = false;
    for sentence in said {
        let even = denies(sentence) == opposed;
        for told in limits(sentence) {
            let same = |own: &&Limit| own.number.iter().any(|n| told.number.contains(n));
            let known = words
                .iter()
                .filter(|word| told.clause.iter().any(|own| like(word, own)))
                .count();
            if (known as f64) < SAME * words.len() as f64 {
                continue;
            }
            for own in claimed.iter().filter(same) {
                if (own.side == told.side) == even {
                    return false;
                }
                turned = true;
            }
        }
    }
    turned
}

/// Words of limits that say how long something takes, and not for whom or what it holds.
const LASTING: [&str; 6] = ["within", "innerhalb", "binnen", "entro", "dans", "until"];
/// Words of conditions without a number.
#[rustfmt::skip]
const CONDITIONS: [&str; 14] = [
    "if", "when", "unless", "provided", "wenn", "falls", "sofern", "si", "lorsque", "se", "quando", "als", "indien", "jesli",
];

/// Whether a claim says without a condition what sentences say is free only under one.
pub fn is_without_condition<'a>(
    claim: &str,
    said: impl IntoIterator<Item = &'a String>,
    denies: impl Fn(&str) -> bool,
) -> bool {
    if denies(claim) || is_conditional(claim) {
        return false;
    }
    let words = subjects(claim);
    let known = |part: &str| {
        let own = subjects(part);
        if own.is_empty() {
            return words.len();
        }
        words
            .iter()
            .filter(|word| own.iter().any(|own| like(own, word)))
            .count()
    };
    let parts = said.into_iter().flat_map(|sentence| sentence.split(';'));
    let told: Vec<(usize, &str)> = parts
        .filter(|part| tokens(part).iter().any(|word| is_free(word)))
        .map(|part| (known(part), part))
        .collect();
    let most = told.iter().map(|(known, _)| *known).max().unwrap_or(0);
    let mut told = told.into_iter().filter(|(known, _)| *known == most).peekable();
    (most > 0 || words.is_empty()) && told.peek().is_some() && told.all(|(_, part)| has_condition(part))
}

/// Whether a claim has a condition, whatever it is.
pub fn is_conditional(claim: &str) -> bool {
    let numbers = || tokens(claim).iter().any(|word| values_of(word).next().is_some());
    has_condition(claim) || NUMBER.is_match(claim) || numbers()
}

fn has_condition(text: &str) -> bool {
    let words = tokens(text);
    let lasting = words.iter().any(|word| LASTING.contains(&word.as_str()));
    words.iter().any(|word| CONDITIONS.contains(&word.as_str())) || (!limits(text).is_empty() && !lasting)
}

/// The words of a text that say what holds.
fn holding(text: &str) -> Vec<String> {
    let mut words = subjects(text);
    words.extend(tokens(text).into_iter().filter(|word| is_free(word)));
    words.retain(|word| !BELOW.contains(&word.as_str()) && !ABOVE.contains(&word.as_str()));
    words
}

#[cfg(test)]
mod tests {
    use super::super::negation::denies;
    use super::*;

    fn turned(claim: &str, said: &str) -> bool {
        is_turned(claim, &[said.to_owned()], denies)
    }

    #[test]
    fn a_limit_on_the_other_side_of_its_number_is_seen() {
        for (claim, said) in [
            (
                "You can return everything after 60 days.",
                "You can return everything within 60 days.",
            ),
            (
                "Shipping is free up to 100 EUR.",
                "Shipping within Germany costs 4.90 EUR; shipping is free from 100 EUR on.",
            ),
            (
                "Orders before 2 pm are sent the same day.",
                "Orders after 2 pm are sent the same day.",
            ),
            (
                "You must be at least 18 years old.",
                "You must be at most 18 years old.",
            ),
            (
                "You can return everything after sixty days.",
                "You can return everything within 60 days.",
            ),
            (
                "Sie können alles nach 60 Tagen zurückgeben.",
                "Sie können alles innerhalb von 60 Tagen zurückgeben.",
            ),
            (
                "Der Versand ist bis 100 EUR kostenlos.",
                "Der Versand ist ab 100 EUR kostenlos.",
            ),
            (
                "La livraison est gratuite avant 100 EUR.",
                "La livraison est gratuite à partir de 100 EUR.",
            ),
            (
                "Vous pouvez retourner les articles après 60 jours.",
                "Vous pouvez retourner les articles avant 60 jours.",
            ),
        ] {
            assert!(turned(claim, said), "{claim}");
            assert!(turned(said, claim) || said.contains(';'), "{said}");
        }
    }

    #[test]
    fn what_holds_on_one_side_is_denied_on_the_other() {
        for (claim, said) in [
            (
                "You can not return everything after 60 days.",
                "You can return everything within 60 days.",
            ),
            (
                "You can return everything within 60 days.",
                "You can return everything within 60 days.",
            ),
            (
                "Shipping is not free below 100 EUR.",
                "Shipping costs 4.90 EUR, from 100 EUR on it is free.",
            ),
            (
                "Shipping below 100 EUR costs 4.90 EUR.",
                "Shipping costs 4.90 EUR, from 100 EUR on it is free.",
            ),
            (
                "The right of return ends after 60 days.",
                "You can return everything within 60 days.",
            ),
            ("Parcels arrive in 2 to 4 days.", "Parcels arrive within 2 to 4 days."),
            (
                "Die Lieferung dauert 2 bis 4 Tage.",
                "Die Lieferung dauert mehr als 2 und weniger als 4 Tage.",
            ),
            (
                "The room holds no more than 12 people.",
                "The room holds at most 12 people.",
            ),
            ("The refund takes five days.", "The refund comes after five days."),
        ] {
            assert!(!turned(claim, said), "{claim}");
        }
        let both = ["Cancel before 14 days.".to_owned(), "Cancel after 14 days.".to_owned()];
        assert!(!is_turned("Cancel after 14 days.", &both, denies));
    }
}
