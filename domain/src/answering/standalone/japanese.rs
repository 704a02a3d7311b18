//! Follow-ups in Japanese, which has no spaces between its words: a question is read from its beginning, and leans on another one if
//! it begins with a word that points back, or if nothing in it is more than a measure, a question word or an ending.
use super::{Before, beside};

/// What points back at the beginning of a question, with the particle that follows it.
const POINTING: [&str; 5] = ["それ", "これ", "あれ", "そちら", "こちら"];
const PARTICLES: [&str; 8] = ["は", "が", "を", "の", "に", "も", "って", "で"];
/// The same before a thing of no name: "that product".
const THIS: [&str; 3] = ["その", "この", "あの"];
const THINGS: [&str; 5] = ["商品", "製品", "品物", "モデル", "品"];
/// They point at nothing.
const ELSE: [&str; 7] = [
    "これまで",
    "これから",
    "それから",
    "それとも",
    "それぞれ",
    "それでは",
    "それで",
];
/// What a question begins with that goes on from another.
const OPENERS: [&str; 7] = ["それでは", "じゃあ", "では", "あと", "また", "ちなみに", "で、"];
/// What follows a thing that takes another's place.
const INSTEAD: [&str; 8] = [
    "の場合はどうですか",
    "の場合はどうなりますか",
    "の場合はいくらですか",
    "の場合は",
    "はどうですか",
    "はどうでしょうか",
    "だとどうですか",
    "だといくらですか",
];
/// Characters of such a thing at most.
const SHORT: usize = 10;
/// Measures and question words: what is asked of a thing that is not named. Longer ones first.
const ASKED: [&str; 40] = [
    "どのくらい",
    "どれくらい",
    "いくら",
    "いつ",
    "どこ",
    "なぜ",
    "何色",
    "何キロ",
    "何センチ",
    "何日",
    "値段",
    "価格",
    "料金",
    "重さ",
    "重量",
    "長さ",
    "高さ",
    "幅",
    "大きさ",
    "サイズ",
    "寸法",
    "色違い",
    "色",
    "カラー",
    "在庫",
    "素材",
    "材質",
    "期間",
    "時間",
    "納期",
    "種類",
    "詳細",
    "理由",
    "容量",
    "他の色",
    "別の色",
    "他のサイズ",
    "もっと安いもの",
    "もっと大きいもの",
    "もっと小さいもの",
];
/// Particles and endings, longer ones first.
const LITTLE: [&str; 38] = [
    "教えてください",
    "ありますでしょうか",
    "ありますか",
    "できますか",
    "かかりますか",
    "選べますか",
    "でしょうか",
    "になりますか",
    "なりますか",
    "ですか",
    "しますか",
    "でしょう",
    "ください",
    "ありません",
    "あります",
    "かかります",
    "です",
    "ます",
    "また",
    "って",
    "から",
    "まで",
    "には",
    "では",
    "は",
    "が",
    "を",
    "の",
    "に",
    "も",
    "で",
    "と",
    "か",
    "ね",
    "よ",
    "円",
    "、",
    "　",
];

/// The question that `said` means, if it leans on the one before.
pub(super) fn rewrite(said: &str, before: &Before<'_>) -> Option<String> {
    let plain = said.trim().trim_end_matches(['。', '?', '？', '!', '！', ' ']);
    let opener = OPENERS.iter().find(|opener| plain.starts_with(*opener));
    let rest = opener.map_or(plain, |opener| &plain[opener.len()..]);
    let rest = rest.trim_start_matches(['、', '，', ' ', '　']);
    if !ELSE.iter().any(|word| rest.starts_with(word))
        && let Some(after) = pointed(rest)
    {
        return Some(format!("{}{after}?", subject(before)?));
    }
    if asks_only(rest) {
        return Some(beside(rest, &subject(before)?));
    }
    let thing = INSTEAD.iter().find_map(|end| rest.strip_suffix(end));
    let thing = thing.or_else(|| opener.and(rest.strip_suffix('は')))?;
    let short = (1..=SHORT).contains(&thing.chars().count());
    (short && asked_of(thing).is_none()).then(|| instead(before.question, thing))
}

/// What follows a word that points back, from its particle on.
fn pointed(text: &str) -> Option<&str> {
    let before_particle = |rest: &&str| PARTICLES.iter().any(|particle| rest.starts_with(particle));
    let word = POINTING.iter().find_map(|word| text.strip_prefix(word));
    let thing = || {
        let rest = THIS.iter().find_map(|word| text.strip_prefix(word))?;
        THINGS.iter().find_map(|thing| rest.strip_prefix(thing))
    };
    word.filter(before_particle).or_else(|| thing().filter(before_particle))
}

/// Whether something is asked, and of nothing that is named.
fn asks_only(text: &str) -> bool {
    let (mut rest, mut asks) = (text, false);
    while !rest.is_empty() {
        if let Some(after) = asked_of(rest) {
            (rest, asks) = (after, true);
        } else if let Some(after) = LITTLE.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = after;
        } else {
            return false;
        }
    }
    asks
}

/// What follows the longest measure or question word that a text begins with.
fn asked_of(text: &str) -> Option<&str> {
    let found = ASKED.iter().filter_map(|word| text.strip_prefix(word));
    found.min_by_key(|rest| rest.len())
}

/// The question before with `thing` in the place of what is written like it, if that is one thing; else with it at its end.
fn instead(question: &str, thing: &str) -> String {
    let question = question.trim_end_matches(['。', '?', '？', ' ']);
    let (_, kind) = runs(thing).into_iter().next().unwrap_or_default();
    let alike: Vec<&str> = runs(question)
        .into_iter()
        .filter(|(run, of)| *of == kind && asked_of(run).is_none())
        .map(|(run, _)| run)
        .collect();
    match alike.as_slice() {
        [one] if kind == Writing::Katakana || kind == Writing::Latin => question.replacen(one, thing, 1) + "?",
        _ => format!("{thing}: {question}?"),
    }
}

/// What the question before was about: what it names first, or the page that its answer came from.
fn subject(before: &Before<'_>) -> Option<String> {
    let question = before.question;
    let first = named(question).find(|run| asked_of(run).is_none());
    let Some(first) = first else {
        let answer = before.answer.filter(|turn| !turn.refused)?;
        return answer.source.clone().filter(|title| title.chars().count() <= 20);
    };
    // "The most popular kayak" is two words with a particle between them.
    let at = first.as_ptr() as usize - question.as_ptr() as usize + first.len();
    let next = question[at..].strip_prefix('の').and_then(|rest| {
        let run = named(rest).next()?;
        (rest.starts_with(run) && asked_of(run).is_none()).then_some(run)
    });
    Some(next.map_or_else(|| first.to_owned(), |next| format!("{first}の{next}")))
}

/// How a run of characters is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writing {
    Katakana,
    Latin,
    Kanji,
    /// Particles and endings.
    #[default]
    Little,
}

fn writing(c: char) -> Writing {
    match c {
        '\u{30a0}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' => Writing::Katakana,
        '々' | '\u{3400}'..='\u{9fff}' => Writing::Kanji,
        c if c.is_alphanumeric() && !('\u{3040}'..='\u{309f}').contains(&c) => Writing::Latin,
        _ => Writing::Little,
    }
}

/// Runs of one writing, in order.
fn runs(text: &str) -> Vec<(&str, Writing)> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = writing(first);
        let end = rest.find(|c| writing(c) != kind).unwrap_or(rest.len());
        runs.push((&rest[..end], kind));
        rest = &rest[end..];
    }
    runs
}

/// Runs of everything but particles and endings: names, with numbers and in several writings.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let spaced = |c: char| writing(c) == Writing::Little && c != ' ';
    text.split(spaced).map(str::trim).filter(|run| run.chars().count() > 1)
}
