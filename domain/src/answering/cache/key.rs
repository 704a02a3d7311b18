//! Under what an answer is kept: a hash of everything that it depends on.
use std::{fmt, sync::LazyLock, time::UNIX_EPOCH};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::{answering::prompt, config::ModelConfig, secrets, tenancy::Customer};

/// Which build makes the answers: another one may make others of the same parts. Copies of one image are one build.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let file = std::env::current_exe().and_then(std::fs::metadata).ok();
    let made = file
        .as_ref()
        .and_then(|file| file.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    let (length, made) = (
        file.as_ref().map_or(0, std::fs::Metadata::len),
        made.unwrap_or_default(),
    );
    format!("{} {length} {}", env!("CARGO_PKG_VERSION"), made.as_nanos())
});

/// How this process makes answers: its models and their settings.
#[derive(Clone, Debug)]
pub struct Recipe(Vec<u8>);

impl Recipe {
    /// Takes in every setting of the models; of secrets only whether they are there.
    pub fn of(config: &ModelConfig) -> Self {
        Self::by(&BUILD, config)
    }

    fn by(build: &str, config: &ModelConfig) -> Self {
        Self(digest(&[
            build.as_bytes(),
            prompt::VERSION.as_bytes(),
            format!("{config:?}").as_bytes(),
        ]))
    }
}

/// Names an answer: whose it is, and a hash of everything that it depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    customer: Uuid,
    hash: Vec<u8>,
}

impl Key {
    /// For `question` of this customer as it is now, in `language` if the answer's is not the question's own.
    pub fn of(customer: &Customer, recipe: &Recipe, language: Option<&str>, question: &str) -> Self {
        let parts = [
            customer.id.as_bytes().as_slice(),
            &customer.index_version.to_be_bytes(),
            &recipe.0,
            customer.domain.as_bytes(),
            customer.name.as_bytes(),
            customer.settings.to_string().as_bytes(),
            language.unwrap_or_default().as_bytes(),
            normalised(question).as_bytes(),
        ]
        .map(<[u8]>::to_vec);
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Self {
            customer: customer.id,
            hash: digest(&parts),
        }
    }

    /// A key of the customer `n`.
    #[cfg(test)]
    pub fn test(n: u128) -> Self {
        Self {
            customer: Uuid::from_u128(n),
            hash: secrets::sha256(&n.to_be_bytes()),
        }
    }

    /// Whose it is.
    pub fn customer(&self) -> Uuid {
        self.customer
    }

    /// As Redis names the claim to make the answer.
    pub fn claim(&self) -> String {
        format!("omniops:answering:{{{}}}:{}", self.customer, hex::encode(&self.hash))
    }

    /// 32 bytes.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }
}

/// As Redis names the entry.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "omniops:answers:{{{}}}:{}", self.customer, hex::encode(&self.hash))
    }
}

/// SHA-256 of the parts, each after its length, so that no part can pass for the end of another.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    secrets::sha256(&all)
}

/// Whether two questions are one.
pub fn same(one: &str, other: &str) -> bool {
    normalised(one) == normalised(other)
}

/// A question as it is compared: NFKC, lower case, one space between words, without what stands around words. What stands inside
/// of them or means something (`C++`, `node.js`, `-5 °C`) stays, and so does whatever a model could read and a person could not
/// see: a question with something hidden in it must not answer for the one without.
fn normalised(question: &str) -> String {
    let text = question.nfkc().collect::<String>().to_lowercase();
    // Lower case can take a text out of its normal form.
    let text: String = text.nfkc().collect();
    let words = text.split_whitespace().map(|word| {
        word.trim_start_matches(opens)
            .trim_end_matches(|c| opens(c) || matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '。' | '、' | '…'))
    });
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What stands around words and never means anything.
fn opens(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '`'
            | '('
            | ')'
            | '['
            | ']'
            | '¿'
            | '¡'
            | '«'
            | '»'
            | '‹'
            | '›'
            | '„'
            | '“'
            | '”'
            | '‘'
            | '’'
            | '‚'
            | '「'
            | '」'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::json;
    use time::OffsetDateTime;

    fn customer() -> Customer {
        Customer {
            id: Uuid::from_u128(1),
            domain: "shop.example".into(),
            name: "Shop".into(),
            index_version: 7,
            settings: json!({ "tone": "warm" }),
            created_at: OffsetDateTime::UNIX_EPOCH,
            unlimited: false,
        }
    }

    fn variables(extra: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
        let key = "5e".repeat(32);
        let base = [
            ("DATABASE_URL", "postgres://x@localhost/x"),
            ("REDIS_URL", "redis://localhost"),
            ("ENCRYPTION_KEY", key.as_str()),
            ("OMNIOPS_ADMIN_TOKEN", key.as_str()),
            ("CRON_SECRET", key.as_str()),
        ];
        let all = base.iter().chain(extra);
        all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn recipe(extra: &[(&str, &str)]) -> Recipe {
        Recipe::of(&Config::from_map(&variables(extra)).unwrap().model)
    }

    #[test]
    fn another_build_makes_other_answers() {
        let config = Config::from_map(&variables(&[])).unwrap().model;
        let key = |recipe: &Recipe| Key::of(&customer(), recipe, None, "How much is shipping?");
        let by = |build: &str| key(&Recipe::by(build, &config));
        assert!(by("1.0 7") == by("1.0 7") && by("1.0 7") != by("1.0 8"));
        assert!(key(&Recipe::of(&config)) == by(&BUILD) && BUILD.split(' ').count() == 3);
        assert!(!BUILD.ends_with(" 0 0"), "the running file is known: {}", *BUILD);
    }

    #[test]
    fn spelling_does_not_matter_and_words_do() {
        let same = [
            "How much is shipping?",
            "  how MUCH is\tshipping ",
            "How much is “shipping”?!",
            "Ｈｏｗ much is shipping？",
            "How\u{a0}much\u{3000}is shipping?",
        ];
        for question in same {
            assert_eq!(normalised(question), "how much is shipping", "{question}");
        }
        let different = [
            ("Do you teach C?", "Do you teach C++?"),
            ("Do you teach C?", "Do you teach C#?"),
            ("Is it 5 °C?", "Is it -5 °C?"),
            ("Is it 1.5 m?", "Is it 15 m?"),
            ("node.js?", "nodejs?"),
            ("Hello", "Hell o"),
            ("Hello", "Hello\u{fe01}\u{e0041}"),
        ];
        for (one, other) in different {
            assert_ne!(normalised(one), normalised(other));
        }
        assert_eq!(normalised("STRASSE İzmir Ω"), normalised("strasse i\u{307}zmir ω"));
        assert_eq!(normalised("?!"), "");
    }

    #[test]
    fn everything_that_an_answer_depends_on_changes_the_key() {
        let (shop, plain) = (customer(), recipe(&[]));
        let key = Key::of(&shop, &plain, None, "Hello?");
        assert!(key == Key::of(&shop, &plain, None, "hello"));
        let changed: Vec<Customer> = vec![
            Customer {
                id: Uuid::from_u128(2),
                ..customer()
            },
            Customer {
                index_version: 8,
                ..customer()
            },
            Customer {
                settings: json!({ "tone": "cool" }),
                ..customer()
            },
            Customer {
                settings: json!({}),
                ..customer()
            },
            Customer {
                name: "Shops".into(),
                ..customer()
            },
        ];
        for other in changed {
            assert!(key != Key::of(&other, &plain, None, "Hello?"), "{other:?}");
        }
        assert!(key != Key::of(&shop, &plain, Some("de"), "Hello?"));
        for setting in [
            ("USE_SIMPLIFIED_PROMPT", "true"),
            ("OPENAI_API_KEY", "sk-1"),
            ("CHAT_MODEL", "other"),
            ("OPENAI_BASE_URL", "http://localhost/v1"),
            ("DISABLE_VECTOR_SEARCH", "true"),
            ("EMBEDDING_MODEL", "text-embedding-3-small"),
        ] {
            assert!(
                key != Key::of(&shop, &recipe(&[setting]), None, "Hello?"),
                "{setting:?}"
            );
        }
    }

    #[test]
    fn a_part_cannot_pass_for_the_end_of_another() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"ab", b""]), digest(&[b"", b"ab"]));
        let one = Customer {
            name: "Shop".into(),
            settings: json!("x"),
            ..customer()
        };
        let other = Customer {
            name: "Shop\"x\"".into(),
            settings: json!(""),
            ..customer()
        };
        assert!(Key::of(&one, &recipe(&[]), None, "q") != Key::of(&other, &recipe(&[]), None, "q"));
    }
}
