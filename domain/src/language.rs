//! Languages: which of ours a text is in, when that is sure.
//!
//! A question may have three words, too few for statistics of letters: then the little words of each language vote, which
//! hardly any two languages share. What stays unsure is nobody's guess: the conversation so far decides, then the session.
use std::{collections::HashMap, sync::LazyLock};

/// A language that the fixed texts exist in. The widget has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Locale {
    /// English.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Italian.
    It,
    /// Dutch.
    Nl,
    /// Portuguese.
    Pt,
    /// Polish.
    Pl,
    /// Arabic.
    Ar,
    /// Hebrew.
    He,
    /// Japanese.
    Ja,
}

impl Locale {
    /// All of them.
    pub const EACH: [Self; 11] = [
        Self::En,
        Self::De,
        Self::Fr,
        Self::Es,
        Self::It,
        Self::Nl,
        Self::Pt,
        Self::Pl,
        Self::Ar,
        Self::He,
        Self::Ja,
    ];

    /// Its ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::It => "it",
            Self::Nl => "nl",
            Self::Pt => "pt",
            Self::Pl => "pl",
            Self::Ar => "ar",
            Self::He => "he",
            Self::Ja => "ja",
        }
    }

    /// Its English name, as a prompt says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "German",
            Self::Fr => "French",
            Self::Es => "Spanish",
            Self::It => "Italian",
            Self::Nl => "Dutch",
            Self::Pt => "Portuguese",
            Self::Pl => "Polish",
            Self::Ar => "Arabic",
            Self::He => "Hebrew",
            Self::Ja => "Japanese",
        }
    }

    /// The locale of a language tag (BCP 47): `pt-BR` is Portuguese.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Self::EACH.into_iter().find(|l| primary.eq_ignore_ascii_case(l.code()))
    }

    /// The codes of all, for messages.
    pub fn codes() -> String {
        Self::EACH.map(Self::code).join(", ")
    }
}

/// The language to answer in: the question's if that is sure, else that of the visitor's earlier turns, newest last, else
/// the session's.
pub fn choose<'a>(
    question: &str,
    earlier: impl DoubleEndedIterator<Item = &'a str>,
    session: Option<Locale>,
) -> Option<Locale> {
    detect(question).or_else(|| earlier.rev().find_map(detect)).or(session)
}

/// The language of `text`, if it is sure and one of ours.
pub fn detect(text: &str) -> Option<Locale> {
    match script(text)? {
        Script::Only(locale) => Some(locale),
        Script::Latin => vote(text).or_else(|| statistics(text)),
    }
}

enum Script {
    Only(Locale),
    Latin,
}

/// What the letters alone say; none for scripts of other languages.
fn script(text: &str) -> Option<Script> {
    let (mut latin, mut hebrew, mut arabic, mut kana, mut other) = (0, 0, 0, 0, 0);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        match c {
            'A'..='Z' | 'a'..='z' | '\u{aa}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => latin += 1,
            '\u{590}'..='\u{5ff}' => hebrew += 1,
            // Letters that Persian and Urdu have and Arabic has not.
            'پ' | 'چ' | 'ژ' | 'گ' | 'ک' | 'ی' | 'ٹ' | 'ڈ' | 'ے' => other += 1,
            '\u{600}'..='\u{6ff}' => arabic += 1,
            '\u{3040}'..='\u{30ff}' => kana += 1,
            _ => other += 1,
        }
    }
    match (latin, hebrew, arabic, kana) {
        // Kanji stand among kana; a product's name is often in Latin letters.
        (.., 1..) => Some(Script::Only(Locale::Ja)),
        (_, 1.., 0, _) if hebrew > other => Some(Script::Only(Locale::He)),
        (_, 0, 1.., _) if other == 0 => Some(Script::Only(Locale::Ar)),
        (1.., 0, 0, 0) if latin > other => Some(Script::Latin),
        _ => None,
    }
}

/// Little words, and letters, that tell a language from the others of this list.
const MARKS: [(Locale, &str, &str); 8] = [
    (
        Locale::En,
        "",
        "the is are was do does did you to i how what where when which who why can could would should you your my i'm it's have has had \
         this these those there with from for and much many long about please any get not if of we our they be will been \
         hello hi hey thanks thank goodbye bye ship shipping u ur got wanna gonna dont cant",
    ),
    (
        Locale::De,
        "ßäöü",
        "der das den dem des ein eine einen einem einer ist sind war habe haben hat hast kann kannst können könnt ich du ihr \
         ihre ihren sie wir wie wo wann warum welche welcher welches wer wieviel viel lange kostet und oder mit für auf \
         zum zur bei nicht auch gibt es noch man meine mein meinen bitte danke vielen dank gern guten tag morgen tschüss",
    ),
    (
        Locale::Fr,
        "œêèà",
        "le la les de des du un une y a-t-il est sont êtes avez avoir puis-je peux peut pouvez vous nous je j'ai mon ma mes votre vos comment \
         combien où quand pourquoi quel quelle quels quelles qui et ou avec pour dans sur ce cette ces il elle est-ce \
         qu'est-ce c'est d'une l'a merci bonjour bonsoir salut faut quoi aux au",
    ),
    (
        Locale::Es,
        "ñ¿¡",
        "el la los las de del un una es son está están tiene tienen tengo puedo puede pueden usted ustedes mi mis su sus cómo cuánto \
         cuánta cuántos cuál cuáles dónde cuándo qué quién y con para por hay gracias hola buenos buenas hacer lo cuesta \
         cuanto cuando donde como al adiós",
    ),
    (
        Locale::It,
        "ìò",
        "il la un una gli della dello delle dei degli nel nella sono è c'è ho hai ha posso può possono voi vostro vostra mio mia come \
         quanto quanta quanti quale quali dove quando perché che chi con per anche grazie ciao buongiorno buonasera costa \
         si un'altra dell' alla allo di arrivederci",
    ),
    (
        Locale::Nl,
        "",
        "het een de is zijn bent heb heeft hebben hebt kan kunnen kunt ik jij je jullie u uw mijn wij hoe waar wanneer waarom welke \
         welk wie wat hoeveel hoelang veel lang en of met voor op bij niet ook naar van deze dit kost wordt worden bedankt \
         dank goedemorgen goedendag dag doei er",
    ),
    (
        Locale::Pt,
        "ãõ",
        "o os as de do da dos das um uma é são está estão tem têm tenho posso pode podem você vocês meu minha seu sua como \
         quanto quanta quantos qual quais onde quando porque quem e com para por não obrigado obrigada olá oi bom boa dia \
         no na nos nas ao à custa fazer",
    ),
    (
        Locale::Pl,
        "ąęłńśźżć",
        "jest są czy jak gdzie kiedy dlaczego ile kto co który która które jaki jaka jakie mogę można mam macie mój moja \
         się nie na do od za po dla przez lub oraz dziękuję dzień dobry cześć kosztuje proszę to w z i ten ta te",
    ),
];

/// A text in lower case as words; apostrophes belong to them.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('’', "'");
    let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'));
    parts.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The languages that have a little word, as places in [`MARKS`].
static LITTLE: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut little: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, (_, _, words)) in MARKS.iter().enumerate() {
        for word in words.split_whitespace() {
            let places = little.entry(word).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    little
});

fn vote(text: &str) -> Option<Locale> {
    let lower = text.to_lowercase();
    let words = words(text);
    let mut said = [0; MARKS.len()];
    for place in words.iter().filter_map(|word| LITTLE.get(word.as_str())).flatten() {
        said[*place] += 1;
    }
    let marked: Vec<char> = lower.chars().filter(|c| !c.is_ascii()).collect();
    let votes = MARKS.iter().zip(said).map(|((locale, letters, _), said)| {
        let written = marked.iter().any(|c| letters.contains(*c));
        (said * 2 + usize::from(written), *locale)
    });
    let mut votes: Vec<(usize, Locale)> = votes.collect();
    votes.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let (best, second) = (votes[0], votes[1]);
    let enough = best.0 >= 2 && best.0 * 4 >= words.len();
    (enough && best.0 > second.0).then_some(best.1)
}

/// For longer texts, statistics of letters.
fn statistics(text: &str) -> Option<Locale> {
    const SURE: f64 = 0.9;
    if text.chars().count() < 24 {
        return None;
    }
    let info = whatlang::detect(text).filter(|info| info.is_reliable() && info.confidence() >= SURE)?;
    let locale = match info.lang() {
        whatlang::Lang::Eng => Locale::En,
        whatlang::Lang::Deu => Locale::De,
        whatlang::Lang::Fra => Locale::Fr,
        whatlang::Lang::Spa => Locale::Es,
        whatlang::Lang::Ita => Locale::It,
        whatlang::Lang::Nld => Locale::Nl,
        whatlang::Lang::Por => Locale::Pt,
        whatlang::Lang::Pol => Locale::Pl,
        _ => return None,
    };
    Some(locale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_questions_tell_their_language_by_their_little_words() {
        let questions = [
            ("How long does delivery take?", Locale::En),
            ("DO YOU SHIP TO NORWAY", Locale::En),
            ("what about returns", Locale::En),
            ("u got a phone number?", Locale::En),
            ("Wie lange dauert die Lieferung?", Locale::De),
            ("Was kostet der Versand?", Locale::De),
            ("Combien coûte la livraison ?", Locale::Fr),
            ("Où êtes-vous ?", Locale::Fr),
            ("¿Cuánto cuesta el envío?", Locale::Es),
            ("cuanto cuesta el envio", Locale::Es),
            ("Quanto costa la spedizione?", Locale::It),
            ("Come posso restituire un articolo?", Locale::It),
            ("Hoe lang duurt de levering?", Locale::Nl),
            ("Wat kost verzending naar België?", Locale::Nl),
            ("Heeft u een winkel?", Locale::Nl),
            ("Bent u open?", Locale::Nl),
            ("Quanto custa o envio?", Locale::Pt),
            ("Como posso devolver um produto?", Locale::Pt),
            ("Ile kosztuje wysyłka?", Locale::Pl),
            ("Jak zwrócić towar?", Locale::Pl),
            ("كم تكلفة الشحن؟", Locale::Ar),
            ("כמה עולה המשלוח?", Locale::He),
            ("送料はいくらですか?", Locale::Ja),
        ];
        for (text, locale) in questions {
            assert_eq!(detect(text), Some(locale), "{text}");
        }
    }

    #[test]
    fn what_is_unsure_is_left_to_the_conversation_and_then_to_the_session() {
        for text in [
            "Sognefjord 14",
            "hallo",
            "????",
            "",
            "Сколько стоит доставка?",
            "送料",
            "قیمت ارسال چقدر است؟",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
        let earlier = ["How much is it?", "Was kostet der Versand?", "Retouren"];
        assert_eq!(
            choose("Lieferzeit", earlier.into_iter(), Some(Locale::Fr)),
            Some(Locale::De)
        );
        assert_eq!(choose("Lieferzeit", [].into_iter(), Some(Locale::Fr)), Some(Locale::Fr));
        assert_eq!(choose("Lieferzeit", [].into_iter(), None), None);
    }

    #[test]
    fn a_tag_s_region_and_case_do_not_matter() {
        assert_eq!(Locale::of_tag("pt-BR"), Some(Locale::Pt));
        assert_eq!(Locale::of_tag("DE_at"), Some(Locale::De));
        assert_eq!(Locale::of_tag("sv"), None);
        assert_eq!(Locale::of_tag(""), None);
    }
}
