//! The installation's own keys and tokens.
use secrecy::ExposeSecret;
use std::{fs, time::Duration};
use zeroize::{Zeroize, Zeroizing};

use super::Reader;
use crate::secrets::{self, MasterKeys, Secret, StandingToken};

const KEY: &str = "<64 hex characters from `openssl rand -hex 32`>";
const FORM: &str = "must be 64 hex characters, or exactly 32 characters";

/// Keys and tokens of the installation.
#[derive(Clone, Debug)]
pub struct SecurityConfig {
    /// What is signed and sealed, is so under these.
    pub keys: MasterKeys,
    /// Lets an operator act as administrator.
    pub admin_token: StandingToken,
    /// Lets a scheduler start due work.
    pub cron_secret: StandingToken,
    /// Audit lines that are older are deleted.
    pub audit_retention: Duration,
}

impl SecurityConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            keys: keys(r),
            admin_token: token(r, "OMNIOPS_ADMIN_TOKEN", "OMNIOPS_ADMIN_TOKEN_OLD"),
            cron_secret: token(r, "CRON_SECRET", "CRON_SECRET_OLD"),
            audit_retention: Duration::from_hours(24 * r.number("AUDIT_RETENTION_DAYS", 400, 90..=3650, "400")),
        }
    }
}

/// A token, with the one before it while it is being changed. An outgoing one that is as the present one changes nothing, and would
/// stay for ever.
fn token(r: &mut Reader, name: &'static str, old: &'static str) -> StandingToken {
    const TOKEN: &str = "<32 or more random characters>";
    let present = r.required_secret(name, 32, TOKEN);
    let before = r.secret(old);
    if let Some(before) = &before {
        if secrets::equal(before.expose_secret(), present.expose_secret()) {
            r.wrong(old, format!("is the same as {name}"), TOKEN);
        } else if before.expose_secret().chars().count() < 32 {
            r.wrong(old, "must have at least 32 characters", TOKEN);
        }
    }
    StandingToken::new(present, before)
}

/// The present key from its variable or from the first line of its file; older ones from the rest of the file and from their own
/// variable.
fn keys(r: &mut Reader) -> MasterKeys {
    let mut keys: Vec<Secret> = Vec::new();
    match (r.secret("ENCRYPTION_KEY"), r.optional("ENCRYPTION_KEY_FILE")) {
        (Some(_), Some(_)) => r.wrong(
            "ENCRYPTION_KEY_FILE",
            "can't be set beside ENCRYPTION_KEY",
            "/run/secrets/keys",
        ),
        (Some(key), None) => take(r, "ENCRYPTION_KEY", key.expose_secret(), &mut keys),
        (None, Some(path)) => read_file(r, &path, &mut keys),
        (None, None) => r.wrong("ENCRYPTION_KEY", "is required", KEY),
    }
    if let Some(old) = r.secret("ENCRYPTION_KEYS_OLD") {
        for key in old
            .expose_secret()
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
        {
            take(r, "ENCRYPTION_KEYS_OLD", key, &mut keys);
        }
    }
    let mut keys = keys.iter().map(|key| key.as_slice());
    // Without any, an error was noted, and the configuration is never used.
    MasterKeys::new(keys.next().unwrap_or_default(), keys)
}

fn read_file(r: &mut Reader, path: &str, keys: &mut Vec<Secret>) {
    const FILE: &str = "ENCRYPTION_KEY_FILE";
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => return r.wrong(FILE, format!("can't be read ({})", error.kind()), "/run/secrets/keys"),
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        take(r, FILE, line, keys);
    }
    if text.trim().is_empty() {
        r.wrong(FILE, "has no key in its first line", "/run/secrets/keys");
    }
}

fn take(r: &mut Reader, name: &'static str, text: &str, keys: &mut Vec<Secret>) {
    let mut bytes = [0; 32];
    let is_hex = text.len() == 64 && hex::decode_to_slice(text, &mut bytes).is_ok();
    if is_hex {
        keys.push(Zeroizing::new(bytes.to_vec()));
    } else if text.len() == 32 {
        keys.push(Zeroizing::new(text.as_bytes().to_vec()));
    } else {
        r.wrong(name, FORM, KEY);
    }
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(variables: &[(&str, &str)]) -> (MasterKeys, Vec<String>) {
        let own = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let map: BTreeMap<String, String> = own.collect();
        let mut reader = Reader::new(&map);
        let keys = keys(&mut reader);
        let told = reader.finish();
        for (_, value) in variables {
            let shown = format!("{told:?}");
            assert!(value.starts_with('/') || !shown.contains(value), "{shown}");
        }
        (keys, told.into_iter().map(|wrong| wrong.name.to_owned()).collect())
    }

    #[test]
    fn keys_come_from_variables_or_from_a_file() {
        let (a, b, c) = ("ab".repeat(32), "0123456789abcdef0123456789abcdef", "cd".repeat(32));
        let old = format!("{b}, {c}");
        let (keys, wrong) = read(&[("ENCRYPTION_KEY", &a), ("ENCRYPTION_KEYS_OLD", &old)]);
        assert!(wrong.is_empty() && keys.all().len() == 3);
        assert_eq!(keys.present().id(), MasterKeys::from(&[0xab; 32]).present().id());
        assert!(keys.find(MasterKeys::from(b.as_bytes()).present().id()).is_some());

        let path = std::env::temp_dir().join(format!("omniops-keys-{}", std::process::id()));
        fs::write(&path, format!("{a}\n{b}\n\n{c}\n")).unwrap();
        let (from_file, wrong) = read(&[("ENCRYPTION_KEY_FILE", path.to_str().unwrap())]);
        assert!(wrong.is_empty());
        assert_eq!(format!("{from_file:?}"), format!("{keys:?}"));
        fs::write(&path, "\n").unwrap();
        assert_eq!(
            read(&[("ENCRYPTION_KEY_FILE", path.to_str().unwrap())]).1,
            ["ENCRYPTION_KEY_FILE"]
        );
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_token_overlaps_with_the_one_before_it() {
        let (new, old) = ("n".repeat(32), "o".repeat(32));
        let read = |old: &str| {
            let map = [("CRON_SECRET", new.as_str()), ("CRON_SECRET_OLD", old)];
            let map = map.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let mut reader = Reader::new(&map);
            let token = token(&mut reader, "CRON_SECRET", "CRON_SECRET_OLD");
            (
                token,
                reader.finish().into_iter().map(|wrong| wrong.name).collect::<Vec<_>>(),
            )
        };
        let (token, wrong) = read(&old);
        assert!(wrong.is_empty() && token.is(&new) && token.is(&old));
        let (token, wrong) = read("");
        assert!(wrong.is_empty() && token.is(&new) && !token.is(""));
        assert_eq!(read(&new).1, ["CRON_SECRET_OLD"]);
        assert_eq!(read("short").1, ["CRON_SECRET_OLD"]);
    }

    #[test]
    fn wrong_keys_are_told_by_their_variable_only() {
        let good = "ab".repeat(32);
        assert_eq!(read(&[]).1, ["ENCRYPTION_KEY"]);
        assert_eq!(read(&[("ENCRYPTION_KEY", "a-key-too-short")]).1, ["ENCRYPTION_KEY"]);
        let wrong = [
            ("ENCRYPTION_KEY", good.as_str()),
            ("ENCRYPTION_KEYS_OLD", "an-old-one-too-short"),
        ];
        assert_eq!(read(&wrong).1, ["ENCRYPTION_KEYS_OLD"]);
        let both = [("ENCRYPTION_KEY", good.as_str()), ("ENCRYPTION_KEY_FILE", "/nowhere")];
        assert_eq!(read(&both).1, ["ENCRYPTION_KEY_FILE"]);
        assert_eq!(read(&[("ENCRYPTION_KEY_FILE", "/nowhere")]).1, ["ENCRYPTION_KEY_FILE"]);
    }
}
