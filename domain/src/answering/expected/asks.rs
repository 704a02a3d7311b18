//! Words of questions by the kind of fact that they ask for, in eight languages.
use super::Expected;

/// Words of a question by what they ask for; the first kind that has one decides. Spaces stand for the ends of words.
#[rustfmt::skip]
pub(super) const ASKS: [(Expected, &[&str]); 11] = [
    (
        Expected::Telephone,
        &[
            " phone number", " telephone", " your phone", " call you", " fax number", " telefon", " rufnummer",
            " anrufen", " téléphone", " teléfono", " telefono", " telefoonnummer", " telefone", " numer telefonu",
        ],
    ),
    (
        Expected::Email,
        &[
            " email address", " e mail address", " mail address of", " your email", " your e mail", " email adresse",
            " e mail adresse", " adresse e mail", " adresse mail", " correo electrónico", " indirizzo email",
            " indirizzo e mail", " mailadres", " e mailadres", " adres e mail", " endereço de e mail",
        ],
    ),
    (
        Expected::Hours,
        &[
            " opening hours", " opening times", " business hours", " office hours", " open on ", " are you open",
            " you open ", " you close ", " öffnungszeiten", " geöffnet", " horaires", " horario", " orari ",
            " orario ", " openingstijden", " geopend ", " horário", " godziny otwarcia",
        ],
    ),
    (
        Expected::Frequency,
        &[
            " how often ", " how frequently ", " wie oft ", " wie häufig ", " à quelle fréquence ", " tous les combien ", " con qué frecuencia ",
            " cada cuánto ", " ogni quanto ", " quanto spesso ", " hoe vaak ", " com que frequência ", " jak często ",
        ],
    ),
    (
        Expected::Extent,
        &[" how long is ", " how long are ", " how long was ", " how long were ", " how long s ", " wie lang ist ", " wie lang sind ", " hoe lang "],
    ),
    (
        Expected::Duration,
        &[
            " how long ", " how much time", " wie lange ", " wie viel zeit", " combien de temps", " cuánto tiempo", " cuánto tarda",
            " cuánto dura", " quanto tempo", " quanto dura", " quanto demora", " hoeveel tijd", " jak długo", " ile czasu",
        ],
    ),
    (
        Expected::Size,
        &[
            " what size ", " which size ", " what sizes ", " which sizes ", " welche größe", " quelle taille", " qué talla", " che taglia",
            " welke maat ", " que tamanho ", " jaki rozmiar",
        ],
    ),
    (
        Expected::Price,
        &[
            " how much is ", " how much are ", " how much for ", " price of ", " the price ", " cost of ", " does it cost",
            " cost ", " costs ", " you charge ", " they charge ", " it charge ", " i pay ", " we pay ", " to pay ",
            " how expensive", " what do you charge", " kostet ", " kosten ", " wie teuer",
            " preis ", " wie hoch ist die kaution", " combien coûte", " combien coûtent", " quel est le prix",
            " cuánto cuesta", " cuánto vale", " qué precio", " quanto costa", " quanto costano", " che prezzo",
            " hoeveel kost", " wat kost", " quanto custa", " ile kosztuje",
        ],
    ),
    (
        Expected::Number,
        &[
            " how many ", " the number of ", " maximum number of ", " total number of ", " how tall ",
            " how heavy ", " how big ", " how large ", " how old ",
            " how far ", " how wide ", " how high ", " how deep ", " how fast ", " how much disk", " how much memory", " how much space", " how much weight",
            " weigh ", " what percentage", " wie viele ", " wie hoch ", " wie schwer ",
            " wiegt ",
            " wie groß ", " wie breit ", " wie alt ", " wie weit ", " combien de ", " combien d ", " cuántos ",
            " cuántas ", " quanti ", " quante ", " hoeveel ", " hoe zwaar ", " quantos ", " quantas ",
            " ile ",
        ],
    ),
    (
        Expected::Date,
        &[
            " when is ", " when was ", " when were ", " when will ", " when did ", " what time ", " what date",
            " which year",
            " what year", " wann ist ", " wann war ", " wann wird ", " wann findet ", " quand est ", " cuándo es ",
            " quando è ", " wanneer is ", " quando é ", " kiedy ",
        ],
    ),
    (
        Expected::Person,
        &[
            " who is ", " who was ", " who are ", " who founded ", " who wrote ", " who won ", " who created ",
            " who designed ", " who leads ", " wer ist ", " wer war ", " wer leitet ", " wer hat ", " wer sind ",
            " qui est ", " quién es ", " chi è ", " wie is de ", " quem é ", " kto ",
        ],
    ),
];

/// Beginnings of questions that want the fact itself: "how can I lower the cost of delivery" has the words of one for a price, and is none.
#[rustfmt::skip]
pub(super) const PLAINLY: [&str; 73] = [
    " how much ", " how many ", " how long ", " how tall ", " how heavy ", " how big ", " how large ", " how old ", " how far ", " how wide ",
    " how high ", " how deep ", " how fast ", " how expensive ", " what is ", " what s ", " what are ", " what was ", " what does ",
    " what do you charge ", " what time ", " what date ", " what year ", " what percentage ", " which year ", " when will ", " when was ",
    " when were ", " when did ", " who ", " was kostet ", " was kosten ", " wie viel", " wie lange ", " wie hoch ", " wie schwer ",
    " wie groß ", " wie breit ", " wie alt ", " wie weit ", " wie teuer ", " wann wird ", " wann war ", " wer ", " combien ", " quel est ",
    " qui est ", " cuánt", " quién ", " quant", " chi ", " hoeveel ", " hoe lang ", " wat kost", " ile ", " kto ",
    " wie lang ", " jak długo ", " what size", " which size", " welche größe", " quelle taille", " qué talla", " che taglia", " welke maat ",
    " how often ", " how frequently ", " wie oft ", " wie häufig ", " con qué frecuencia ", " ogni quanto ", " hoe vaak ", " jak często ",
];

/// What an indirect question asks for, whose verb stands at its end: "how much delivery to Norway is", "when the shop opens".
pub(super) fn indirectly(words: &str) -> Option<Expected> {
    let all: Vec<&str> = words.split_whitespace().collect();
    let (last, begin) = (*all.last()?, |a: &str, b: &str| {
        all.windows(2).position(|two| two == [a, b])
    });
    let is = ["is", "are", "was", "were"].contains(&last);
    let plain = |at: usize| {
        let between = all.get(at + 2..all.len() - 1).unwrap_or_default();
        !between.is_empty() && !between.iter().any(|word| HELPING.contains(word))
    };
    if let Some(at) = begin("how", "much").filter(|at| plain(*at))
        && (is || ["costs", "cost"].contains(&last))
        && !all.get(at + 2).is_some_and(|next| MEASURED.contains(next))
    {
        return Some(Expected::Price);
    }
    if begin("how", "long").is_some_and(plain) && is {
        return Some(Expected::Extent);
    }
    let when = all.iter().position(|word| *word == "when")?;
    let near: Vec<&&str> = all[when + 1..].iter().take(6).collect();
    let opens = near
        .iter()
        .any(|word| ["open", "opens", "close", "closes"].contains(word));
    let theirs = near.iter().any(|word| PLACES.contains(word));
    (opens && theirs).then_some(Expected::Hours)
}

/// Verbs that stand before the subject of a direct question.
#[rustfmt::skip]
const HELPING: [&str; 16] = [
    "do", "does", "did", "can", "could", "will", "would", "should", "must", "may", "might", "is", "are", "was", "were", "have",
];
const MEASURED: [&str; 8] = ["space", "time", "memory", "disk", "weight", "luggage", "longer", "more"];
#[rustfmt::skip]
const PLACES: [&str; 14] = [
    "you", "shop", "store", "showroom", "workshop", "office", "museum", "cafe", "restaurant", "library", "bar", "gym", "pool", "branch",
];
/// The word alone names what is asked for: "Tern paddle price".
#[rustfmt::skip]
const PRICES: [&str; 12] = [
    " price ", " prices ", " preis ", " preise ", " prix ", " precio ", " precios ", " prezzo ", " prijs ", " preço ", " cena ", " coûte ",
];

/// Whether it is asked how one can pay, not what.
pub(super) fn for_a_way_to_pay(words: &str) -> bool {
    const WAYS: [&str; 5] = [
        " can i pay ",
        " can we pay ",
        " how do i pay ",
        " how do we pay ",
        " how to pay ",
    ];
    !words.contains(" much ") && WAYS.iter().any(|way| words.contains(way))
}

pub(super) fn names_a_price(words: &str) -> bool {
    PRICES.iter().any(|price| words.contains(price))
}

/// Whether a question is hardly more than the word.
pub(super) fn is_a_price_and_little_else(words: &str) -> bool {
    const FEW: usize = 4;
    names_a_price(words) && words.split_whitespace().count() <= FEW
}
