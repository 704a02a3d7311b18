//! Whether a visitor asks for a person, told by words, in the languages of the widget.
//!
//! A wrong yes takes a question away from the bot and a person's time; a wrong no costs a press of the button. So a yes takes a
//! verb of speaking, or of being connected oneself, with a word for a person near it, or a message that is little else than that word.
//! "Do you sell wigs of human hair?" and "Can I transfer this to another person?" are questions; so is how the company is written to.
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
/// words in between, `@` for one of the words for a `person`.
fn language(person: &str, full: &str, alone: &str, not: &str) -> Option<Language> {
    let read = |pattern: &str| {
        Regex::new(
            &pattern
                .replace('@', &format!("(?:{person})"))
                .replace('~', "(?:[^ ,.!?]+,? ){0,5}?"),
        )
    };
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
            r"human|person|human being|agent|representative|rep|operator|someone|somebody|advisor|adviser|team member|staff|employee|support team|customer service|colleague|manager|supervisor",
            r"(?:talk|speak|chat)(?: to| with| directly)+ ~@|(?:can|could|may|want to|like to|need to|prefer to|i) (?:i |please )*(?:be |get )(?:connected|transferred|escalated|put through|handed over|passed on) (?:to|with) ~@|(?:connect|transfer|hand|put|pass|escalate) (?:me|us)(?: on| over| through)* (?:to|with) ~@|escalate (?:this|it) (?:to|with) ~@|get (?:me |us )?(?:hold of|through to) ~@|reach (?:an? )?(?:real |live |actual )?(?:human|agent|representative|operator|person)|(?:need|want|get|give|find|call|prefer|like) (?:me )?(?:an? |some )?(?:real |live |actual )?(?:live (?:agent|chat|person)|real person|human (?:agent|help|support|operator|being))|(?:human|live) (?:agent|operator|support|assistance|representative) please|is there (?:somebody|someone|anybody|anyone) (?:that |who )?(?:i|we) (?:can|could|may) (?:talk|speak|chat)(?: to| with)?|is there an? (?:real |live )?(?:human|person|agent|representative|operator) (?:that |who |whom )?(?:i|we) (?:can|could|may) (?:talk|speak|chat)(?: to| with)?|(?:need|want|get) (?:some )?help from (?:an? )?(?:real |live )?(?:human|person|agent|representative|operator)|complain to (?:your|a|the) (?:manager|supervisor|boss)|(?:can|could) (?:someone|somebody|anyone) (?:please )?(?:call|ring) me(?: back)?",
            r"(?:please |hello |hi |i (?:want|need) |i'd (?:like|prefer) |an? |the |can i (?:get|have) |(?:can|could) you |(?:get|give|find) me )*(?:real |live |actual )?(?:human(?: being)?|person|agent|representative|operator|live chat|human support|talk to human|real person|customer service please|customer support please)(?: please| now| pls)*",
            r"(?:don't|dont|do not|not|never|no need to|without) (?:want |like |need |have |having |wish |going )?(?:to |me )?(?:talk|talking|speak|speaking|chat|connected|transferred|a human|a real person)",
        ),
        // German
        language(
            r"menschen?|mensch|mitarbeiter(?:in|n|innen)?|person|berater(?:in|n)?|jemand(?:em|en)?|kundenservice|kundendienst|support|ansprechpartner(?:in|n)?|kolleg(?:e|en|in)",
            r"mit ~@ ~(?:sprechen|reden|verbinden|verbunden|chatten|schreiben|unterhalten)|(?:mich|uns) ~(?:zu|an) ~@ ~(?:weiterleiten|durchstellen)|(?:verbinde[nt]?|leite[nt]?|stelle[nt]?) (?:sie )?mich ~(?:mit|zu|an) ~(?:menschen?|mitarbeiter(?:in)?|person|jemandem|berater(?:in)?)|(?:brauche|will|möchte|hätte gerne?) (?:bitte )?(?:einen |eine )?(?:echten |echte |richtigen )?(?:menschen|mitarbeiter(?:in)?|ansprechpartner(?:in)?|echte person)|gibt es (?:jemand(?:en)?|einen menschen|eine person),? mit (?:dem|der) ich (?:sprechen|reden)",
            r"(?:bitte |ich will |ich möchte |einen |ein |eine )*(?:echter |echten |echte |richtiger |richtigen )?(?:mensch(?:en)?|mitarbeiter(?:in)?|person|berater(?:in)?|ansprechpartner)(?: bitte)*",
            r"(?:nicht|kein(?:en|em|er|e)?|ohne|nie) ~(?:menschen?|mitarbeiter(?:in)?|person|jemand(?:em)?|berater(?:in)?)",
        ),
        // French
        language(
            r"humain|personne|conseiller|conseillère|agent|opérateur|quelqu'un|interlocuteur|service client|être humain",
            r"(?:parler|discuter|échanger|communiquer) ~@|(?:me|nous) (?:mettre en (?:contact|relation)|transférer|passer) ~@|(?:passez|transférez|mettez|connectez)[ -]moi ~@|(?:joindre|contacter) (?:un |une )(?:vraie? )?(?:humain|personne|conseiller|conseillère|agent|opérateur|interlocuteur|être humain)|(?:veux|voudrais|souhaite|besoin d'?) ?(?:parler |avoir )?(?:à |d'|de )?(?:un |une )?(?:vrai |vraie |réel )?(?:humain|être humain|conseiller|conseillère|vraie personne)",
            r"(?:je veux |un |une |s'il vous plaît )*(?:vrai |vraie )?(?:humain|conseiller|conseillère|personne réelle|vraie personne|agent|opérateur)(?: s'il vous plaît| svp)*",
            r"(?:ne |n')[\w']* ?(?:pas|jamais) ~(?:parler|humain|conseiller)|sans (?:devoir )?(?:parler|humain|conseiller)",
        ),
        // Spanish
        language(
            r"humano|humana|persona|agente|operador|operadora|alguien|asesor|asesora|representante|atención al cliente|ser humano",
            r"(?:hablar|chatear|comunicarme|con[eé]ct(?:arme|eme|ame)|transfi[eé]r[ae]me|transferirme|pás[ae]me|ponerme en contacto|me (?:puedes?|podrías?) (?:conectar|transferir|pasar|comunicar|poner)) (?:con|a) ~@|contactar (?:con|a) (?:una? )?(?:humano|humana|persona|agente|operador|operadora|asesor|asesora)|me atienda ~@|(?:quiero|necesito|quisiera) (?:a )?(?:una? )?(?:humano|persona real|agente|asesor|asesora|operador|operadora|ser humano)",
            r"(?:por favor |quiero |un |una )*(?:humano|persona real|persona|agente|operador|operadora|asesor|asesora)(?: real| humano)?(?: por favor)*",
            r"(?:no (?:quiero|necesito|hace falta)|sin|nunca) ~(?:hablar|humano|persona|agente)",
        ),
        // Italian
        language(
            r"umano|umana|persona|operatore|operatrice|qualcuno|consulente|addetto|assistenza|essere umano",
            r"(?:parlare|chattare|comunicare|mett(?:ermi|imi|etemi) in contatto|passa(?:rmi|mi|temi)|trasferi(?:rmi|scimi|temi)|mi (?:può|puoi|potete) (?:passare|trasferire|mettere in contatto)|essere (?:contattato|contattata|messo in contatto|messa in contatto)) ~@|contattare (?:un |una |un')(?:umano|persona|operatore|operatrice|consulente|essere umano)|(?:voglio|vorrei|ho bisogno di) (?:un |una |un')?(?:umano|persona reale|persona vera|operatore|operatrice|essere umano)",
            r"(?:per favore |voglio |un |una |un')*(?:umano|persona reale|persona vera|persona|operatore|operatrice)(?: umano| reale)?(?: per favore)*",
            r"(?:non (?:voglio|vorrei|serve)|senza) ~(?:parlare|umano|persona|operatore)",
        ),
        // Dutch
        language(
            r"mens|persoon|medewerker|iemand|klantenservice|collega|mensen",
            r"(?:met|naar) ~@ ~(?:praten|spreken|chatten|verbinden|verbonden|doorverbinden|doorverbonden|overleggen)|(?:praten|spreken|chatten|verbinden|doorverbinden|verbind me(?: door)?) (?:met|naar) ~(?:mens|persoon|medewerker|iemand|klantenservice)|(?:wil|heb|zoek) (?:graag )?(?:een )?(?:echte? )?(?:mens|medewerker|echt persoon)(?: nodig| spreken)?",
            r"(?:graag |ik wil |een |alstublieft )*(?:echt |echte )?(?:mens|medewerker|persoon)(?: graag| alstublieft| aub)*",
            r"(?:niet|geen|zonder|nooit) ~(?:mens|persoon|medewerker|iemand)",
        ),
        // Portuguese
        language(
            r"humano|humana|pessoa|atendente|agente|operador|operadora|alguém|assistente humano|representante|ser humano|funcionári[oa]",
            r"(?:falar|conversar|ligar-me|transferir-me|transfira-me|passe-me|me (?:transferir|transfira|passar|passe|conectar|conecte)|ser atendid[oa] por) ~@|conta(?:c?)tar (?:com )?(?:um |uma )(?:humano|pessoa|atendente|agente|operador|operadora|ser humano)|(?:quero|preciso de|gostaria de) (?:um |uma )?(?:humano|pessoa real|pessoa de verdade|atendente|operador|ser humano)",
            r"(?:por favor |quero |um |uma )*(?:humano|pessoa real|pessoa|atendente|operador|operadora)(?: humano| real)?(?: por favor)*",
            r"(?:não (?:quero|preciso)|sem|nunca) ~(?:falar|humano|pessoa|atendente)",
        ),
        // Polish
        language(
            r"człowiekiem|osobą|konsultantem|konsultantką|kimś|pracownikiem|doradcą|konsultanta",
            r"(?:rozmawiać|porozmawiać|pogadać|połącz(?:cie|yć|ysz)?|skontaktować|przełącz(?:cie|yć)?) ~@|(?:chcę|potrzebuję|proszę o) (?:rozmowę z )?(?:prawdziwego |prawdziwym )?(?:człowieka|człowiekiem|konsultanta|konsultantem)",
            r"(?:proszę |chcę )*(?:człowiek|człowieka|konsultant|konsultanta|prawdziwa osoba)(?: proszę)*",
            r"(?:nie (?:chcę|muszę|potrzebuję)|bez) ~(?:rozmawiać|rozmowy|człowiek\w*|konsultant\w*)",
        ),
        // Arabic
        language(
            r"شخص|إنسان|انسان|موظف|ممثل|أحد|احد|خدمة العملاء|بشري|مسؤول",
            r"(?:التحدث|اتحدث|أتحدث|تحدث|التكلم|أتكلم|اتكلم|التواصل|أتواصل|حولني|تحويلي|اوصلني|كلمني) (?:[^ ]+ ){0,3}?@|(?:أريد|اريد|أحتاج|احتاج) (?:إلى )?(?:شخص|إنسان|انسان|موظف)(?:ا|اً)?(?: حقيقي| بشري)?",
            r"(?:من فضلك )?(?:شخص|إنسان|انسان|موظف)(?: حقيقي| بشري)?(?: من فضلك)?",
            r"(?:لا أريد|لا اريد|بدون) (?:[^ ]+ ){0,4}?(?:شخص|إنسان|موظف|التحدث)",
        ),
        // Hebrew
        language(
            r"בן אדם|אדם|נציג|נציגה|מישהו|אנושי|שירות הלקוחות|לנציג|לנציגה",
            r"(?:לדבר|לשוחח|להתכתב|תעבירו אותי|תעביר אותי|העבירו אותי|לעבור) (?:[^ ]+ ){0,3}?(?:עם|אל|ל)? ?@|(?:רוצה|צריך|צריכה) (?:נציג|נציגה|בן אדם|מענה אנושי)",
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

/// Who wants no machine wants a person.
static NO_MACHINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const EACH: [&str; 8] = [
        r"(?:don't|dont|do not|not|never|no longer|stop|without|hate|tired of) (?:want |like |wish |need |going )?(?:to )?(?:talk|talking|speak|speaking|chat|chatting|deal|dealing) (?:to|with) (?:an? |the |this |your |some |another |any |stupid )*(?:chat ?bots?|bots?|robots?|machines?|computers?|ai)",
        r"no (?:more )?(?:chat ?bots?|bots?|robots?)(?:,? please)",
        r"(?:nicht|kein(?:en|em|er|e)?|nie|ohne) (?:[^ ,.!?]+ ){0,4}?(?:bots?|chatbots?|roboter|maschinen?|computer|automaten|ki) (?:[^ ,.!?]+ ){0,2}?(?:sprechen|reden|schreiben|chatten|unterhalten)",
        r"(?:ne |n')[\w']* ?(?:pas|plus) (?:parler|discuter|échanger) (?:à|avec) (?:une? |le |la |ce |votre )?(?:robot|bot|chatbot|machine|ordinateur|ia)",
        r"no (?:quiero|deseo) (?:hablar|chatear) con (?:una? |el |la |este )?(?:robot|bot|chatbot|máquina|ia)",
        r"non (?:voglio|vorrei) (?:parlare|chattare) con (?:una? |il |la |questo )?(?:robot|bot|chatbot|macchina|ia|computer)",
        r"niet (?:met|tegen) (?:een |de |deze )?(?:robot|bot|chatbot|computer|machine) (?:praten|spreken|chatten)",
        r"não (?:quero|gostaria de) (?:falar|conversar) com (?:uma? |o |a |este )?(?:robô|robot|bot|chatbot|máquina|ia)|nie (?:chcę|będę) (?:rozmawiać|pisać) z (?:botem|robotem|maszyną|chatbotem|ai)",
    ];
    Regex::new(&format!(r"\b(?:{})(?:\W|$)", EACH.join("|"))).ok()
});

/// Words with which an offer is taken.
const YES: [&str; 40] = [
    "yes",
    "yes please",
    "yes pls",
    "yeah",
    "yep",
    "yes i would",
    "yes i do",
    "please do",
    "sure",
    "yes thanks",
    "yes thank you",
    "i would",
    "ja",
    "ja bitte",
    "ja gerne",
    "ja gern",
    "gerne",
    "bitte",
    "ja graag",
    "graag",
    "oui",
    "oui merci",
    "oui s'il vous plaît",
    "volontiers",
    "sí",
    "si",
    "sí por favor",
    "si por favor",
    "sì",
    "sì grazie",
    "sì per favore",
    "sim",
    "sim por favor",
    "tak",
    "tak proszę",
    "poproszę",
    "نعم",
    "כן",
    "はい",
    "お願いします",
];

/// Whether the message says yes, and nothing else.
pub fn says_yes(message: &str) -> bool {
    if message.len() > LOOKED_AT {
        return false;
    }
    let text = message.to_lowercase().replace(['’', '‘', '`', '´'], "'");
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    YES.contains(&words.join(" ").as_str())
}

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
    let no_machine = || NO_MACHINE.as_ref().is_some_and(|machine| machine.is_match(&text));
    LANGUAGES.iter().any(asks) || japanese() || no_machine()
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
            "I'd like to be transferred to an agent",
            "Could you get me a human?",
            "Escalate this to your supervisor",
            "How can I reach a human",
            "Ich möchte mit einem Menschen sprechen",
            "Kann ich bitte mit einem Mitarbeiter reden?",
            "Mitarbeiter bitte",
            "Verbinden Sie mich mit einer echten Person",
            "Können Sie mich an einen Mitarbeiter weiterleiten?",
            "Ich möchte mit jemandem verbunden werden",
            "Je voudrais parler à un conseiller",
            "Puis-je parler à quelqu’un ?",
            "Pouvez-vous me passer un conseiller ?",
            "Passez-moi quelqu'un",
            "Un humain s'il vous plaît",
            "Quiero hablar con una persona",
            "¿Puedo hablar con un agente?",
            "¿Me puedes pasar con una persona?",
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
            "I don't want to talk to a bot, I want a human",
            "I do not want to speak to a robot. Give me a person",
            "I hate talking to bots",
            "stop, no bot please",
            "Je ne veux pas parler à un robot, je veux un humain",
            "No quiero hablar con un robot, quiero hablar con una persona",
            "Non voglio parlare con un bot, voglio un operatore",
            "Ik wil niet met een bot praten maar met een medewerker",
            "Ich will nicht mit einem Bot reden, sondern mit einem Menschen",
            "Não quero falar com um robô",
            "Nie chcę rozmawiać z botem",
            "Is there somebody I can speak to?",
            "Is there a human I can talk to?",
            "Gibt es jemanden, mit dem ich sprechen kann?",
            "I need help from a real person",
            "customer service please",
            "I want to complain to your manager",
            "can someone call me back?",
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
            "Can I transfer this to another person?",
            "Can the ticket be transferred to someone else?",
            "Can I pass this on to someone else?",
            "Is the warranty transferred to a new person if I sell it?",
            "Do these wigs look like human hair?",
            "How do I write to customer service?",
            "How do I talk to people in another language?",
            "Can my boat be handed over to a friend of a colleague?",
            "Comment contacter le service client ?",
            "Combien coûte de passer une commande pour une personne ?",
            "Kann ich den Gutschein an eine andere Person weiterleiten?",
            "¿Puedo transferir a otra persona mi bono?",
            "¿Cómo contactar con atención al cliente?",
            "Posso trasferire il biglietto a un'altra persona?",
            "Come posso contattare l'assistenza?",
            "Posso transferir o bilhete para outra pessoa?",
            "Jak skontaktować się z obsługą klienta?",
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
            "Does the robot mower not talk to the app?",
            "Can I return a robot without talking to the shop?",
            "Do you sell robots?",
            "",
            "🙂",
        ]
        .into_iter()
        .filter(|question| wants_person(question));
        assert_eq!(taken.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn a_yes_is_nothing_but_a_yes() {
        for yes in ["Yes.", "yes please!", "Ja, bitte", "Oui, s’il vous plaît", "Sí", "はい"] {
            assert!(says_yes(yes), "{yes}");
        }
        for other in ["no", "yes, and what does it cost?", "Yes I can see it", ""] {
            assert!(!says_yes(other), "{other}");
        }
    }

    #[test]
    fn a_long_message_costs_no_more_than_its_beginning() {
        let long = format!("{}talk to a human", "please could you tell me about ".repeat(60));
        assert!(!wants_person(&long));
    }
}
