//! Whether a visitor asks for a person, told by words, in the languages of the widget.
//!
//! A wrong yes takes a question away from the bot and a person's time; a wrong no costs a press of the button. So a yes takes a
//! verb of speaking or being connected with a word for a person near it, or a message that is little else than that word.
//! "Do you sell wigs of human hair?" is a question.
use regex::Regex;
use std::sync::LazyLock;

/// Only the beginning of a message is looked at.
const LOOKED_AT: usize = 300;

/// How one language asks: `full` is found anywhere, `alone` is the whole message, `not` is found where the visitor wants none.
struct Language {
    full: Regex,
    alone: Regex,
    not: Option<Regex>,
}

/// Patterns run on lower-case text whose white space is single blanks and whose apostrophes are plain. `~` stands for up to five
/// words in between.
fn language(full: &str, alone: &str, not: &str) -> Option<Language> {
    let read = |pattern: &str| Regex::new(&pattern.replace('~', "(?:[^ ,.!?]+,? ){0,5}?"));
    Some(Language {
        full: read(&format!(r"\b(?:{full})\b")).ok()?,
        alone: read(&format!(r"^[\W_]*(?:{alone})[\W_]*$")).ok()?,
        not: (!not.is_empty())
            .then(|| read(&format!(r"\b(?:{not})\b")))
            .transpose()
            .ok()?,
    })
}

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let languages = [
        // English
        language(
            r"(?:talk|speak|chat|write|connect(?:ed)?|transfer(?:red)?|hand(?:ed)?|put|pass|get|reach|escalate)(?: me| us| this| through| over| on)* (?:to|with|through to|hold of) ~(?:human|person|people|human being|agent|representative|rep|operator|someone|somebody|advisor|adviser|team member|staff|employee|support team|customer service|colleague|manager|supervisor)|(?:need|want|get|give|find|call|prefer|like) (?:me )?(?:an? |some )?(?:real |live |actual )?(?:human(?: being)?|live (?:agent|chat|person)|real person|human (?:agent|help|support|operator))|(?:human|live) (?:agent|operator|support|assistance|representative) please",
            r"(?:please |hello |hi |i (?:want|need) |an? |the |can i (?:get|have) |get me )*(?:real |live |actual )?(?:human(?: being)?|person|agent|representative|operator|live chat|human support|talk to human|real person)(?: please| now| pls)*",
            r"(?:don't|dont|do not|not|never|no need to|without) (?:want |like |need |have |having |wish |going )?(?:to |me )?(?:talk|talking|speak|speaking|chat|connected|transferred|a human|a real person)",
        ),
        // German
        language(
            r"(?:mit|zu|an) ~(?:menschen?|mensch|mitarbeiter(?:in|n|innen)?|person|berater(?:in|n)?|jemand(?:em|en)?|kundenservice|kundendienst|support|ansprechpartner(?:in|n)?|kolleg(?:e|en|in)) ~(?:sprechen|reden|verbinden|verbunden|chatten|schreiben|weiterleiten|weitergeleitet|durchstellen|unterhalten)|(?:verbinde[nt]?|leite[nt]?|stelle[nt]?) (?:sie )?mich ~(?:mit|zu|an) ~(?:menschen?|mitarbeiter(?:in)?|person|jemandem|berater(?:in)?)|(?:brauche|will|möchte|hätte gerne?) (?:bitte )?(?:einen |eine )?(?:echten |echte |richtigen )?(?:menschen|mitarbeiter(?:in)?|ansprechpartner(?:in)?|echte person)",
            r"(?:bitte |ich will |ich möchte |einen |ein |eine )*(?:echter |echten |echte |richtiger |richtigen )?(?:mensch(?:en)?|mitarbeiter(?:in)?|person|berater(?:in)?|ansprechpartner)(?: bitte)*",
            r"(?:nicht|kein(?:en|em|er|e)?|ohne|nie) ~(?:menschen?|mitarbeiter(?:in)?|person|jemand(?:em)?|berater(?:in)?)",
        ),
        // French
        language(
            r"(?:parler|discuter|échanger|communiquer|joindre|contacter|mettre en (?:contact|relation)|transférer?|passer) ~(?:humain|personne|conseiller|conseillère|agent|opérateur|quelqu'un|interlocuteur|service client|être humain)|(?:veux|voudrais|souhaite|besoin d'?) ?(?:parler |avoir )?(?:à |d'|de )?(?:un |une )?(?:vrai |vraie |réel )?(?:humain|être humain|conseiller|conseillère|vraie personne)",
            r"(?:je veux |un |une |s'il vous plaît )*(?:vrai |vraie )?(?:humain|conseiller|conseillère|personne réelle|vraie personne|agent|opérateur)(?: s'il vous plaît| svp)*",
            r"(?:ne |n')[\w']* ?(?:pas|jamais) ~(?:parler|humain|conseiller)|sans (?:devoir )?(?:parler|humain|conseiller)",
        ),
        // Spanish
        language(
            r"(?:hablar|chatear|comunicar(?:me)?|conect(?:ar|arme|e|eme|ame)|contactar|transfier[ae]me|transferir(?:me)?|pás[ae]me|ponerme en contacto|atienda) (?:con|a|una?) ~(?:humano|humana|persona|agente|operador|operadora|alguien|asesor|asesora|representante|atención al cliente|ser humano)|(?:quiero|necesito|quisiera) (?:a )?(?:una? )?(?:humano|persona real|agente|asesor|asesora|operador|operadora|ser humano)",
            r"(?:por favor |quiero |un |una )*(?:humano|persona real|persona|agente|operador|operadora|asesor|asesora)(?: real| humano)?(?: por favor)*",
            r"(?:no (?:quiero|necesito|hace falta)|sin|nunca) ~(?:hablar|humano|persona|agente)",
        ),
        // Italian
        language(
            r"(?:parlare|chattare|comunicare|contattare|mett(?:ere|imi|etemi) in contatto|passare|passami|passatemi|trasferi(?:re|scimi|temi)|essere (?:contattato|messo in contatto)) ~(?:umano|umana|persona|operatore|operatrice|qualcuno|consulente|addetto|assistenza|essere umano)|(?:voglio|vorrei|ho bisogno di) (?:un |una |un')?(?:umano|persona reale|persona vera|operatore|operatrice|essere umano)",
            r"(?:per favore |voglio |un |una |un')*(?:umano|persona reale|persona vera|persona|operatore|operatrice)(?: umano| reale)?(?: per favore)*",
            r"(?:non (?:voglio|vorrei|serve)|senza) ~(?:parlare|umano|persona|operatore)",
        ),
        // Dutch
        language(
            r"(?:met|naar) ~(?:mens|persoon|medewerker|iemand|klantenservice|collega|mensen) ~(?:praten|spreken|chatten|verbinden|verbonden|doorverbinden|doorverbonden|overleggen)|(?:praten|spreken|chatten|verbinden|doorverbinden|verbind me(?: door)?) (?:met|naar) ~(?:mens|persoon|medewerker|iemand|klantenservice)|(?:wil|heb|zoek) (?:graag )?(?:een )?(?:echte? )?(?:mens|medewerker|echt persoon)(?: nodig| spreken)?",
            r"(?:graag |ik wil |een |alstublieft )*(?:echt |echte )?(?:mens|medewerker|persoon)(?: graag| alstublieft| aub)*",
            r"(?:niet|geen|zonder|nooit) ~(?:mens|persoon|medewerker|iemand)",
        ),
        // Portuguese
        language(
            r"(?:falar|conversar|contactar|contatar|ligar-me|transferir|transfira-me|passe-me|ser atendid[oa] por) ~(?:humano|humana|pessoa|atendente|agente|operador|operadora|alguém|assistente humano|representante|ser humano|funcionári[oa])|(?:quero|preciso de|gostaria de) (?:um |uma )?(?:humano|pessoa real|pessoa de verdade|atendente|operador|ser humano)",
            r"(?:por favor |quero |um |uma )*(?:humano|pessoa real|pessoa|atendente|operador|operadora)(?: humano| real)?(?: por favor)*",
            r"(?:não (?:quero|preciso)|sem|nunca) ~(?:falar|humano|pessoa|atendente)",
        ),
        // Polish
        language(
            r"(?:rozmawiać|porozmawiać|pogadać|połącz(?:cie|yć|ysz)?|skontaktować|przełącz(?:cie|yć)?) ~(?:człowiekiem|osobą|konsultantem|konsultantką|kimś|pracownikiem|obsługą(?: klienta)?|doradcą|konsultanta)|(?:chcę|potrzebuję|proszę o) (?:rozmowę z )?(?:prawdziwego |prawdziwym )?(?:człowieka|człowiekiem|konsultanta|konsultantem)",
            r"(?:proszę |chcę )*(?:człowiek|człowieka|konsultant|konsultanta|prawdziwa osoba)(?: proszę)*",
            r"(?:nie (?:chcę|muszę|potrzebuję)|bez) ~(?:rozmawiać|rozmowy|człowiek\w*|konsultant\w*)",
        ),
        // Arabic
        language(
            r"(?:التحدث|اتحدث|أتحدث|تحدث|التكلم|أتكلم|اتكلم|التواصل|أتواصل|حولني|تحويلي|اوصلني|كلمني) (?:[^ ]+ ){0,3}?(?:شخص|إنسان|انسان|موظف|ممثل|أحد|احد|خدمة العملاء|بشري|مسؤول)|(?:أريد|اريد|أحتاج|احتاج) (?:إلى )?(?:شخص|إنسان|انسان|موظف)(?:ا|اً)?(?: حقيقي| بشري)?",
            r"(?:من فضلك )?(?:شخص|إنسان|انسان|موظف)(?: حقيقي| بشري)?(?: من فضلك)?",
            r"(?:لا أريد|لا اريد|بدون) (?:[^ ]+ ){0,4}?(?:شخص|إنسان|موظف|التحدث)",
        ),
        // Hebrew
        language(
            r"(?:לדבר|לשוחח|להתכתב|תעבירו אותי|תעביר אותי|העבירו אותי|לעבור) (?:[^ ]+ ){0,3}?(?:עם|אל|ל)? ?(?:בן אדם|אדם|נציג|נציגה|מישהו|אנושי|שירות הלקוחות|לנציג|לנציגה)|(?:רוצה|צריך|צריכה) (?:נציג|נציגה|בן אדם|מענה אנושי)",
            r"(?:בבקשה )?(?:נציג|נציגה|בן אדם|נציג אנושי|מענה אנושי)(?: בבקשה)?",
            r"(?:לא (?:רוצה|צריך|צריכה)|בלי) (?:[^ ]+ ){0,3}?(?:לדבר|נציג|נציגה)",
        ),
    ];
    languages.into_iter().flatten().collect()
});

/// Japanese has no words between blanks.
const JAPANESE: [&str; 12] = [
    "人と話したい",
    "人と話せ",
    "人に代わって",
    "人間と話",
    "担当者と話",
    "担当者につな",
    "担当者に代わ",
    "オペレーターと話",
    "オペレーターにつな",
    "オペレーターに代わ",
    "スタッフと話",
    "有人チャット",
];

/// Whether the message asks for a person.
pub fn wants_person(message: &str) -> bool {
    let text: String = message.chars().take(LOOKED_AT).collect::<String>().to_lowercase();
    let text = text.replace(['’', '‘', '`', '´'], "'");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let japanese = || JAPANESE.iter().any(|words| text.contains(words));
    let asks = |language: &Language| {
        (language.alone.is_match(&text) || language.full.is_match(&text))
            && !language.not.as_ref().is_some_and(|not| not.is_match(&text))
    };
    LANGUAGES.iter().any(asks) || japanese()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_read() {
        assert_eq!(LANGUAGES.len(), 10);
    }

    #[test]
    fn those_who_ask_for_a_person_are_understood() {
        let missed = [
            "I want to talk to a human",
            "Can I speak to a real person, please?",
            "Let me chat with someone from your support team",
            "connect me with an agent",
            "Please transfer me to a representative",
            "human please",
            "AGENT!",
            "I need a human.",
            "How do I get hold of a person?",
            "Can I talk to somebody about my broken paddle?",
            "put me through to a manager",
            "Ich möchte mit einem Menschen sprechen",
            "Kann ich bitte mit einem Mitarbeiter reden?",
            "Mitarbeiter bitte",
            "Verbinden Sie mich mit einer echten Person",
            "Je voudrais parler à un conseiller",
            "Puis-je parler à quelqu’un ?",
            "Un humain s'il vous plaît",
            "Quiero hablar con una persona",
            "¿Puedo hablar con un agente?",
            "Vorrei parlare con un operatore",
            "operatore per favore",
            "Ik wil graag met een medewerker praten",
            "Kan ik iemand spreken? Verbind me door met een mens",
            "Quero falar com um atendente",
            "Posso falar com uma pessoa?",
            "Chcę rozmawiać z człowiekiem",
            "konsultant",
            "أريد التحدث مع شخص حقيقي",
            "موظف من فضلك",
            "אני רוצה לדבר עם נציג",
            "נציג אנושי בבקשה",
            "担当者と話したいです",
            "人と話したい",
        ]
        .into_iter()
        .filter(|asks| !wants_person(asks));
        assert_eq!(missed.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn questions_stay_with_the_bot() {
        let taken = [
            "Do you sell wigs of human hair?",
            "How many people fit into the kayak?",
            "Who is your sales agent in France?",
            "Can a person of 120 kg use this board?",
            "Is this answered by a bot or a human?",
            "What does the warranty cover?",
            "Does the agent's discount apply to people over 60?",
            "I don't want to talk to a human, just tell me the price",
            "Can I return it without talking to someone?",
            "Please send me the personnel brochure",
            "Wie viele Personen passen in das Kajak?",
            "Ich will nicht mit einem Mitarbeiter sprechen",
            "Gibt es Rabatt für Mitarbeiter?",
            "Combien de personnes peuvent monter ?",
            "Je ne veux pas parler à un conseiller",
            "¿Cuántas personas caben?",
            "No quiero hablar con una persona",
            "Per quante persone è?",
            "Voor hoeveel personen is deze boot?",
            "Para quantas pessoas é?",
            "Ile osób się zmieści?",
            "كم عدد الأشخاص؟",
            "כמה אנשים נכנסים?",
            "何人まで乗れますか",
            "",
            "🙂",
        ]
        .into_iter()
        .filter(|question| wants_person(question));
        assert_eq!(taken.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn a_long_message_costs_no_more_than_its_beginning() {
        let long = format!("{}talk to a human", "please could you tell me about ".repeat(60));
        assert!(!wants_person(&long));
    }
}
