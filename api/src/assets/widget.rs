//! The widget's script, joined once from the plain files of `assets/widget`: the parts in their order, the texts of every
//! locale, and the style sheet.
//!
//! The parts share one scope, so their order is part of the program. Whole-line comments and indentation are left out; no
//! literal of a part spans lines.
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

/// The parts in the order in which they run.
const PARTS: &[(&str, &str)] = embed!("widget":
    "start.js", "texts.js", "look.js", "dom.js", "frame.js", "format.js", "proof.js", "server.js", "turns.js", "people.js",
    "feedback.js", "suggestions.js", "answer.js", "open.js");

/// The texts of each locale. Every locale has every text.
const LOCALES: &[(&str, &str)] = embed!("widget/locales":
    "en.json", "ar.json", "de.json", "es.json", "fr.json", "he.json", "it.json", "ja.json", "nl.json", "pl.json", "pt.json");

const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/widget/style.css"));

/// What `/embed.js` serves.
pub(crate) static WIDGET: LazyLock<String> = LazyLock::new(|| {
    let mut script = String::from("(()=>{'use strict';\n");
    // A String takes everything that is written to it.
    let _ = texts(&mut script);
    let _ = writeln!(script, "const CSS={};", Value::from(lines(STYLE, " ")));
    for (_, part) in PARTS {
        script.push_str(&lines(part, "\n"));
    }
    script.push_str("})();\n");
    script
});

/// The texts that are needed before there is a session. The others come with it, so that the script stays small.
const FIRST: [&str; 14] = [
    "bot", "busy", "close", "err", "hello", "label", "off", "retry", "send", "stop", "sub", "title", "wait", "you",
];

/// The texts of each locale by their keys.
static TEXTS: LazyLock<BTreeMap<&str, BTreeMap<String, String>>> = LazyLock::new(|| {
    let read = |(name, json): &(&'static str, &str)| (&name[..2], serde_json::from_str(json).unwrap_or_default());
    LOCALES.iter().map(read).collect()
});

/// The texts that a session brings: of a locale, else in English.
pub(crate) fn words(locale: Option<&str>) -> BTreeMap<String, String> {
    let texts = locale.and_then(|locale| TEXTS.get(locale)).or_else(|| TEXTS.get("en"));
    let mut words = texts.cloned().unwrap_or_default();
    words.retain(|key, _| !FIRST.contains(&key.as_str()));
    words
}

/// `KEYS` and `TEXTS` as the part `texts.js` reads them.
fn texts(script: &mut String) -> std::fmt::Result {
    writeln!(
        script,
        "const KEYS={}.split('|');const TEXTS={{",
        Value::from(FIRST.join("|"))
    )?;
    for (locale, texts) in TEXTS.iter() {
        let words = FIRST.map(|key| texts.get(key).map_or("", String::as_str));
        writeln!(script, "{locale}:{},", Value::from(words.join("|")))?;
    }
    writeln!(script, "}};")
}

/// The lines that say something, without their indentation.
fn lines(source: &str, end: &str) -> String {
    let said = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    said.flat_map(|line| [line, end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn every_locale_has_every_text() {
        let read = |json: &str| serde_json::from_str::<BTreeMap<String, String>>(json).unwrap();
        let wanted: Vec<String> = read(LOCALES[0].1).into_keys().collect();
        for (name, json) in LOCALES {
            let texts = read(json);
            assert_eq!(texts.keys().cloned().collect::<Vec<_>>(), wanted, "{name}");
            let empty = texts
                .iter()
                .find(|(_, text)| text.trim().is_empty() || text.contains('|'));
            assert_eq!(empty, None, "{name}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_script() {
        let of = |folder: &str, extension: &str| {
            let entries =
                std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/").to_owned() + folder).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
            names.sort();
            names
        };
        let listed = |list: &[(&str, &str)]| {
            let mut names: Vec<String> = list.iter().map(|(name, _)| (*name).to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(of("widget", ".js"), listed(PARTS));
        assert_eq!(of("widget/locales", ".json"), listed(LOCALES));
        let needed = FIRST
            .iter()
            .chain(["tips", "thanks"].iter())
            .all(|key| TEXTS["en"].contains_key(*key));
        assert!(needed && words(Some("de")).contains_key("tips") && !words(None).contains_key("title"));
        // A text of another locale, an accented one, and the style came through as they are.
        for piece in [
            "Guten Tag! Was möchten Sie wissen?",
            "prefers-color-scheme:dark",
            "attachShadow",
        ] {
            assert!(WIDGET.contains(piece), "{piece}");
        }
    }

    /// The parts share one scope: a name that two of them declare leaves a script that does not run at all.
    #[test]
    fn no_two_parts_declare_the_same_name() {
        let declared = |line: &'static str| {
            let rest = ["const ", "let ", "async function* ", "function "]
                .iter()
                .find_map(|word| line.strip_prefix(word))?;
            rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
                .next()
                .filter(|name| !name.is_empty())
        };
        let mut names: Vec<&str> = PARTS
            .iter()
            .flat_map(|(_, part)| part.lines().filter_map(declared))
            .chain(["KEYS", "TEXTS", "CSS"])
            .collect();
        names.sort_unstable();
        let twice: Vec<&str> = names
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        assert!(names.len() > 50 && twice.is_empty(), "{twice:?}");
    }

    /// Every page of a customer's site loads it.
    #[test]
    fn the_script_is_small() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(WIDGET.as_bytes()).unwrap();
        let size = packed.finish().unwrap().len();
        assert!(size <= 15 * 1024, "{size} bytes");
    }
}
