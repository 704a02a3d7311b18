//! Words of questions that ask for typed facts, and the words that answers name them by, in eight languages.
use crate::language::Locale;

/// Names of what is told.
pub struct Labels {
    pub email: &'static str,
    pub telephone: &'static str,
    pub address: &'static str,
    pub hours: &'static str,
    pub days: [&'static str; 7],
    pub to: &'static str,
    pub in_stock: &'static str,
    pub out_of_stock: &'static str,
    pub pre_order: &'static str,
    pub limited: &'static str,
    pub discontinued: &'static str,
}

macro_rules! labels {
    ($email:literal, $telephone:literal, $address:literal, $hours:literal, $days:expr, $to:literal, $in:literal, $out:literal, $pre:literal, $limited:literal, $gone:literal) => {
        Labels {
            email: $email,
            telephone: $telephone,
            address: $address,
            hours: $hours,
            days: $days,
            to: $to,
            in_stock: $in,
            out_of_stock: $out,
            pre_order: $pre,
            limited: $limited,
            discontinued: $gone,
        }
    };
}

static EN: Labels = labels!(
    "E-mail",
    "Telephone",
    "Address",
    "Opening hours",
    [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday"
    ],
    "to",
    "in stock",
    "out of stock",
    "available for pre-order",
    "only a few left",
    "discontinued"
);
static DE: Labels = labels!(
    "E-Mail",
    "Telefon",
    "Adresse",
    "Öffnungszeiten",
    [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag"
    ],
    "bis",
    "auf Lager",
    "nicht auf Lager",
    "vorbestellbar",
    "nur noch wenige",
    "nicht mehr im Sortiment"
);
static FR: Labels = labels!(
    "E-mail",
    "Téléphone",
    "Adresse",
    "Horaires d’ouverture",
    ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    "à",
    "en stock",
    "en rupture de stock",
    "en précommande",
    "stock limité",
    "plus disponible"
);
static ES: Labels = labels!(
    "Correo electrónico",
    "Teléfono",
    "Dirección",
    "Horario",
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    "a",
    "en stock",
    "agotado",
    "en preventa",
    "últimas unidades",
    "descatalogado"
);
static IT: Labels = labels!(
    "E-mail",
    "Telefono",
    "Indirizzo",
    "Orari di apertura",
    [
        "lunedì",
        "martedì",
        "mercoledì",
        "giovedì",
        "venerdì",
        "sabato",
        "domenica"
    ],
    "a",
    "disponibile",
    "esaurito",
    "in prevendita",
    "ultimi pezzi",
    "fuori produzione"
);
static NL: Labels = labels!(
    "E-mail",
    "Telefoon",
    "Adres",
    "Openingstijden",
    [
        "maandag",
        "dinsdag",
        "woensdag",
        "donderdag",
        "vrijdag",
        "zaterdag",
        "zondag"
    ],
    "tot",
    "op voorraad",
    "niet op voorraad",
    "te reserveren",
    "bijna uitverkocht",
    "niet meer leverbaar"
);
static PT: Labels = labels!(
    "E-mail",
    "Telefone",
    "Morada",
    "Horário",
    [
        "segunda-feira",
        "terça-feira",
        "quarta-feira",
        "quinta-feira",
        "sexta-feira",
        "sábado",
        "domingo"
    ],
    "a",
    "em stock",
    "esgotado",
    "em pré-venda",
    "últimas unidades",
    "descontinuado"
);
static PL: Labels = labels!(
    "E-mail",
    "Telefon",
    "Adres",
    "Godziny otwarcia",
    [
        "poniedziałek",
        "wtorek",
        "środa",
        "czwartek",
        "piątek",
        "sobota",
        "niedziela"
    ],
    "do",
    "dostępny",
    "niedostępny",
    "w przedsprzedaży",
    "ostatnie sztuki",
    "wycofany ze sprzedaży"
);

/// The labels of a language; English where there are none.
pub fn labels(locale: Option<Locale>) -> &'static Labels {
    match locale {
        Some(Locale::De) => &DE,
        Some(Locale::Fr) => &FR,
        Some(Locale::Es) => &ES,
        Some(Locale::It) => &IT,
        Some(Locale::Nl) => &NL,
        Some(Locale::Pt) => &PT,
        Some(Locale::Pl) => &PL,
        _ => &EN,
    }
}

/// Questions for any way to reach the customer; with a space at each end of a word.
pub const REACH: [&str; 22] = [
    " reach you ",
    " contact you",
    " get in touch",
    " contact details",
    " contact information",
    " contact us ",
    " how do i contact",
    " how can i contact",
    " sie erreichen",
    " euch erreichen",
    " sie kontaktieren",
    " kontaktieren ",
    " kontaktdaten",
    " vous contacter",
    " vous joindre",
    " contactarlos",
    " contactar con ustedes",
    " contattarvi",
    " contact met jullie",
    " contact opnemen",
    " contactar vos",
    " skontaktować",
];

/// Names of a number and an address to reach somebody by, and words that say that something else is wanted of them.
pub const PHONE: [&str; 5] = [" phone ", " tel ", " téléphone ", " teléfono ", " telefoon "];
pub const EMAIL: [&str; 4] = [" email ", " e mail ", " correo ", " mailadresse "];
#[rustfmt::skip]
pub const MEANS: [&str; 12] = [
    " by ", " per ", " via ", " par ", " por ", " order ", " buy ", " sell ", " price ", " cost ", " stock ", " available ",
];

/// Questions for where the customer is.
pub const WHERE: [&str; 17] = [
    " your address",
    " postal address",
    " where are you ",
    " where is your ",
    " where can i find you",
    " where are you located",
    " ihre adresse",
    " eure adresse",
    " wo finde ich sie",
    " wo sind sie ",
    " wo befindet sich",
    " votre adresse",
    " où êtes vous",
    " su dirección",
    " vostro indirizzo",
    " jullie adres",
    " wasz adres",
];

/// Questions for whether there is any left.
pub const STOCK: [&str; 16] = [
    " in stock",
    " out of stock",
    " available ",
    " availability",
    " auf lager",
    " verfügbar",
    " lieferbar",
    " vorrätig",
    " en stock",
    " disponible ",
    " disponibile",
    " op voorraad",
    " leverbaar",
    " em stock",
    " em estoque",
    " dostępn",
];

/// Words that name nothing: what is left of a question without them is what it is about.
const EMPTY: &str = " what whats is s the your you a an of are am can i we do does did how where when which have has had got get any tell me please us our on to for in at it its this that there be \
    and or with by from will would should could may my long much many price cost costs expensive today now still currently right number phone telephone email e mail mailbox address fax contact contacts \
    details information reach touch open opening close closing closed hours times time business office shop store showroom workshop company site website customer service support team located find call write send \
    stock available availability left order buy sell \
    was wie wo wann wer welche ihr ihre ihren euer eure sie ihnen euch der die das den dem ein eine einen ist sind haben hat habt kann ich man wir und oder am im in auf für zu von bei mit es gibt noch lautet heißt \
    telefonnummer telefon nummer rufnummer email mail adresse kontakt kontaktieren kontaktdaten erreichen anrufen öffnungszeiten geöffnet offen heute finde befindet laden geschäft büro werkstatt kostet kosten preis teuer viel hoch lager verfügbar lieferbar vorrätig \
    quel quelle quels est votre vos le la les de du des un une numéro téléphone adresse e mail comment puis je vous contacter joindre où êtes quand ouvert ouverts horaires ouverture combien coûte prix en stock disponible \
    cuál cuáles es su sus el los las un una número teléfono correo electrónico dirección cómo puedo contactar dónde están cuándo abren horario cuánto cuesta precio \
    qual quali il lo gli vostro vostra vostri numero telefono indirizzo come posso contattarvi dove siete quando aprite orari orario quanto costa prezzo disponibile \
    wat wie hoe waar wanneer jullie jouw uw het een van is zijn telefoonnummer adres openingstijden geopend kan ik contact opnemen kost prijs voorraad \
    monday tuesday wednesday thursday friday saturday sunday mondays saturdays sundays weekend weekends \
    montag dienstag mittwoch donnerstag freitag samstag sonntag wochenende samstags sonntags samedi dimanche sábado domingo sabato domenica zaterdag zondag ";

/// The words of a question that name something, in lower case. `plain` has single spaces.
pub fn named(plain: &str) -> Vec<&str> {
    let empty = |word: &&str| EMPTY.split_whitespace().any(|known| known == *word);
    plain.split_whitespace().filter(|word| !empty(word)).collect()
}
