//! What people say around a question to be polite: "Could you please tell me …?", "Ich würde gerne wissen, …". It is on no page, and would
//! count as words that the site does not know.

/// What stands before a question: `|` parts words of which one is said, and one with `?` at its end may be left out.
#[rustfmt::skip]
const BEFORE: [&str; 47] = [
    "please|pls|plz|kindly|bitte|proszę|alstublieft|alsjeblieft|בבקשה",
    "tell|show me|us please?",
    "can|could|would|will you please|kindly|maybe? tell|show|inform me|us please?",
    "can|could|would|will you please|kindly? explain|say to me|us",
    "can|could|would|will you please|kindly? let me|us know",
    "let me|us know",
    "i'd|we'd like|love to know|ask",
    "i|we would like|love to know|ask",
    "i|we just? want|wanted|need|wish to know|ask",
    "i|we was|were|am|are just? wondering",
    "i'm|we're just? wondering",
    "just wondering",
    "i|we wonder|wondered",
    "i|we have|had a quick|short? question",
    "quick|short question",
    "können|könnten|könntest|kannst|könnt sie|du|ihr bitte? mir|uns bitte? sagen|erklären|mitteilen|verraten|zeigen",
    "sagen|erklären|zeigen sie mir|uns bitte?",
    "sag|sagt|erklär|zeig mir|uns bitte?",
    "ich|wir würde|möchte|würden|möchten gern|gerne? wissen|fragen|erfahren",
    "ich|wir wollte|will|wollten|wollen nur|gern|gerne? wissen|fragen",
    "ich habe|hätte eine kurze? frage",
    "mich würde interessieren",
    "s'il vous|te plaît|plait",
    "pouvez|pourriez|peux|pourrais vous|tu me|nous dire|expliquer|indiquer",
    "est ce que vous|tu pouvez|pourriez|peux me|nous dire|expliquer|indiquer",
    "dites|dis moi|nous",
    "j'aimerais|j'aimerai savoir|demander",
    "je voudrais|veux|souhaite|souhaiterais savoir|demander",
    "por favor",
    "puede|puedes|pueden|podría|podrías|podrían decirme|explicarme|indicarme|decirnos",
    "me|nos puede|puedes|pueden|podría|podrías|podrían decir|explicar|indicar",
    "me gustaría|gustaria saber|preguntar",
    "quisiera|quiero|querría saber|preguntar",
    "dime|dígame|digame|dinos",
    "per favore|piacere",
    "può|puoi|potete|potrebbe|potresti dirmi|spiegarmi|indicarmi|dirci",
    "mi|ci può|puoi|potete|potrebbe|potresti dire|spiegare|indicare",
    "vorrei|volevo sapere|chiedere",
    "kunt|kun|kan|zou u|je|jij mij|me|ons misschien? vertellen|zeggen|uitleggen",
    "ik zou|wil graag? willen? weten|vragen",
    "pode|podes|podem|poderia|podia me? dizer|explicar|informar me?",
    "gostaria|queria de? saber|perguntar",
    "czy? może|możesz|mógłby|mogłaby|mógłbyś|możecie pan|pani|państwo? mi powiedzieć|wyjaśnić",
    "chciałbym|chciałabym wiedzieć|zapytać",
    "من فضلك",
    "هل? يمكنك|يمكنكم أن? تخبرني|تخبروني|إخباري",
    "האם? אפשר|תוכל|תוכלי|תוכלו לדעת|לומר|להגיד לי?",
];
/// The same where a word that asks must follow: "do you know when …", not "do you know the way".
#[rustfmt::skip]
const BEFORE_ASKING: [&str; 10] = [
    "do|would you happen? to? know", "can|could|may|might i|we please|just|quickly? ask|know", "any idea", "wissen|weißt|weiss|wisst sie|du|ihr",
    "darf|dürfte|kann|könnte ich kurz? fragen|wissen", "savez|sais vous|tu", "sabe|sabes|saben|sabéis usted?", "sa|sai|sapete", "weet|weten u|je|jullie",
    "explain|explica|explique|erkläre",
];
#[rustfmt::skip]
const ASKING: [&str; 70] = [
    "how", "what", "what's", "when", "where", "where's", "who", "which", "why", "if", "whether", "wie", "was", "wann", "wo", "wohin", "woher",
    "wer", "ob", "welche", "welcher", "welches", "welchen", "warum", "wieso", "wieviel", "comment", "combien", "quand", "où", "qui", "quel",
    "quelle", "quels", "quelles", "pourquoi", "si", "ce", "cómo", "como", "cuánto", "cuanto", "cuánta", "cuándo", "cuando", "dónde", "donde",
    "quién", "qué", "que", "cuál", "cuáles", "por", "come", "quanto", "quando", "dove", "chi", "quale", "quali", "perché", "se", "hoe", "wat",
    "wanneer", "waar", "welk", "welke", "of", "onde",
];
/// What stands behind a question.
#[rustfmt::skip]
const BEHIND: [&str; 21] = [
    "please", "pls", "plz", "bitte", "s'il vous plaît", "s'il vous plait", "s'il te plaît", "svp", "por favor", "per favore", "per piacere",
    "alstublieft", "alsjeblieft", "proszę", "thanks", "thank you", "thx", "danke", "merci", "gracias", "grazie",
];

/// What is asked, without what is said around it; all of it where too little would be left.
pub(super) fn without(text: &str) -> &str {
    let mut rest = text;
    while let Some(left) = behind_frame(rest).or_else(|| before_thanks(rest)) {
        // Two words are the least that ask.
        if words(left).count() < 2 {
            break;
        }
        rest = left;
    }
    rest
}

fn behind_frame(text: &str) -> Option<&str> {
    let all: Vec<(usize, usize, String)> = words(text).take(14).collect();
    let said: Vec<&str> = all.iter().map(|(.., word)| word.as_str()).collect();
    let longest = |frames: &[&str]| frames.iter().filter_map(|frame| said_before(frame, &said)).max();
    let plain = longest(&BEFORE);
    let asking = longest(&BEFORE_ASKING).filter(|n| said.get(*n).is_some_and(|next| ASKING.contains(next)));
    let count = plain.max(asking)?;
    let (end, next) = (all.get(count.checked_sub(1)?)?.1, all.get(count)?.0);
    // "Know-how" is one word.
    let gap = &text[end..next];
    let left = text[end..].trim_start_matches(|c: char| !c.is_alphanumeric() && !"¿\"'(„“«".contains(c));
    (!gap.starts_with(['-', '/', '.']) || gap.contains(char::is_whitespace)).then_some(left)
}

/// How many of the words the frame takes up.
fn said_before(frame: &str, said: &[&str]) -> Option<usize> {
    let mut at = 0;
    for slot in frame.split(' ') {
        let (slot, optional) = slot.strip_suffix('?').map_or((slot, false), |slot| (slot, true));
        match said.get(at) {
            Some(word) if slot.split('|').any(|one| one == *word) => at += 1,
            _ if optional => {}
            _ => return None,
        }
    }
    Some(at)
}

fn before_thanks(text: &str) -> Option<&str> {
    let end = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let lower = end.to_lowercase();
    let ends = |phrase: &&&str| lower.len() == end.len() && lower.ends_with(**phrase);
    let phrase = BEHIND.iter().filter(ends).max_by_key(|phrase| phrase.len())?;
    let left = end.get(..end.len() - phrase.len())?;
    let apart = left.ends_with(|c: char| !c.is_alphanumeric());
    apart.then(|| left.trim_end_matches([' ', ',', '-', '–', '、', '\n']))
}

/// Words with where they begin and end, in lower case; an apostrophe belongs to its word.
fn words(text: &str) -> impl Iterator<Item = (usize, usize, String)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
    let base = text.as_ptr() as usize;
    text.split(move |c| !is_word(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(move |word| {
            let start = word.as_ptr() as usize - base;
            (start, start + word.len(), word.to_lowercase().replace('’', "'"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_polite_is_not_asked() {
        for (text, asked) in [
            (
                "Tell me the weight of the kayak Delta 10.",
                "the weight of the kayak Delta 10.",
            ),
            (
                "Please tell me how much the Delta 10 weighs.",
                "how much the Delta 10 weighs.",
            ),
            ("Could you please tell me: when do you open?", "when do you open?"),
            (
                "I would like to know how long delivery takes",
                "how long delivery takes",
            ),
            ("I'd like to know if you ship to Norway", "if you ship to Norway"),
            ("I’m wondering what a skeg is", "what a skeg is"),
            ("Do you know when you open?", "when you open?"),
            ("May I ask how old you are?", "how old you are?"),
            ("How much is shipping, please?", "How much is shipping"),
            ("please how much is shipping thanks!", "how much is shipping"),
            (
                "Können Sie mir bitte sagen, wie lange die Lieferung dauert?",
                "wie lange die Lieferung dauert?",
            ),
            (
                "Ich würde gerne wissen, was der Versand kostet.",
                "was der Versand kostet.",
            ),
            (
                "Pourriez-vous me dire combien coûte la livraison ?",
                "combien coûte la livraison ?",
            ),
            ("¿Podría decirme cuánto cuesta el envío?", "cuánto cuesta el envío?"),
            ("Vorrei sapere quanto costa la spedizione", "quanto costa la spedizione"),
            ("Kunt u mij vertellen hoe lang het duurt?", "hoe lang het duurt?"),
        ] {
            assert_eq!(without(text), asked, "{text}");
        }
    }

    #[test]
    fn what_asks_stays() {
        for text in [
            "How do I tell a kayak's size?",
            "Do you know-how courses?",
            "Do you know the Fjord museum?",
            "Can you tell two cables apart?",
            "Can I ask for a refund?",
            "tell me more",
            "please",
            "Thanks",
            "Show me kayaks",
            "Do I need to know the size?",
            "Who wrote Tell Me?",
            "I want to ask",
        ] {
            assert_eq!(without(text), text);
        }
    }
}
