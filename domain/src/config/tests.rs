use super::*;

fn minimal() -> BTreeMap<String, String> {
    [
        ("DATABASE_URL", "postgres://omniops@localhost/omniops"),
        ("REDIS_URL", "redis://localhost"),
        ("ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef"),
        ("OMNIOPS_ADMIN_TOKEN", "a-token-of-at-least-32-characters"),
        ("CRON_SECRET", "a-secret-of-at-least-32-characters"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

#[test]
fn every_error_is_told_at_once_with_its_name_and_an_example() {
    let wrong = [
        ("DATABASE_URL", "mysql://x"),
        ("PORT", "seventy"),
        ("CRAWL_PER_HOST", "0"),
        ("ENCRYPTION_KEY", "short"),
        ("OMNIOPS_EGRESS_ALLOW", "localhost"),
    ];
    let map = wrong.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let errors = Config::from_map(&map).unwrap_err();
    let names: Vec<_> = errors.0.iter().map(|e| e.name).collect();
    for name in [
        "DATABASE_URL",
        "REDIS_URL",
        "PORT",
        "ENCRYPTION_KEY",
        "OMNIOPS_ADMIN_TOKEN",
        "CRON_SECRET",
        "CRAWL_PER_HOST",
    ] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
    assert!(names.contains(&"OMNIOPS_EGRESS_ALLOW"));
    assert!(errors.to_string().contains("for example PORT=3000"));
}

#[test]
fn defaults_are_those_of_the_operations_guide() {
    let config = Config::from_map(&minimal()).unwrap();
    assert_eq!(config.database.pool_max, 20);
    assert_eq!(config.worker.lease.as_secs(), 30);
    assert_eq!(config.crawl.delay.as_millis(), 250);
    assert_eq!(config.model.embedding_model, "local:minilm-l6-v2");
    assert!(!config.redis.required);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3000");
}

#[test]
fn secrets_never_show_in_debug_output() {
    let config = Config::from_map(&minimal()).unwrap();
    let shown = format!("{config:?}");
    for secret in ["a-token-of", "a-secret-of", "0123456789abcdef", "omniops@localhost"] {
        assert!(!shown.contains(secret), "{secret} leaks");
    }
}

#[test]
fn the_login_role_is_read_from_either_form_of_the_url() {
    let mut map = minimal();
    assert_eq!(
        Config::from_map(&map).unwrap().database.login().as_deref(),
        Some("omniops")
    );
    map.insert(
        "DATABASE_URL".into(),
        "postgres:///omniops?host=/run/pg&user=app".into(),
    );
    assert_eq!(Config::from_map(&map).unwrap().database.login().as_deref(), Some("app"));
}

#[test]
fn an_encryption_key_of_64_hex_characters_is_32_bytes() {
    let mut map = minimal();
    map.insert("ENCRYPTION_KEY".into(), "ab".repeat(32));
    let keys = Config::from_map(&map).unwrap().security.keys;
    assert_eq!(
        keys.present().id(),
        crate::secrets::MasterKeys::from(&[0xab; 32]).present().id()
    );
}

/// The assignments of `.env.example`, also those that are commented out because they show a default; and apart from them
/// those of its last section, which are no business of ours.
fn example() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (ours, theirs) = include_str!("../../../.env.example")
        .split_once("# --- Only compose.yaml")
        .unwrap();
    let assignments = |text: &str| {
        let lines = text.lines().map(|line| line.trim_start_matches('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let named = pairs.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    (assignments(ours), assignments(theirs))
}

/// The variables that this module names; those of the system that only say where folders are left out.
fn named_in_code() -> Vec<&'static str> {
    let sources = [
        include_str!("accounts.rs"),
        include_str!("browser.rs"),
        include_str!("chat.rs"),
        include_str!("concerns.rs"),
        include_str!("edge.rs"),
        include_str!("limits.rs"),
        include_str!("mail.rs"),
        include_str!("mod.rs"),
        include_str!("privacy.rs"),
        include_str!("search.rs"),
        include_str!("security.rs"),
    ];
    let literals = sources
        .into_iter()
        .flat_map(|source| source.split('"').skip(1).step_by(2));
    let is_name =
        |text: &&str| text.contains('_') || ["PORT", "BIND", "CHROMEDRIVER", "LIMITS", "CHALLENGE"].contains(text);
    let mut names: Vec<_> = literals
        .filter(is_name)
        .filter(|text| text.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .filter(|name| *name != "XDG_CACHE_HOME" && *name != "CARGO_PKG_VERSION")
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_example_names_what_is_read_and_nothing_else() {
    let (ours, _) = example();
    assert_eq!(ours.keys().map(String::as_str).collect::<Vec<_>>(), named_in_code());
}

#[test]
fn the_example_shows_the_defaults() {
    let (mut shown, _) = example();
    shown.retain(|_, value| !value.is_empty());
    shown.extend(minimal());
    let (with, without) = (Config::from_map(&shown).unwrap(), Config::from_map(&minimal()).unwrap());
    assert_eq!(format!("{with:?}"), format!("{without:?}"));
}

#[test]
fn compose_passes_on_every_variable_of_the_example() {
    let compose = include_str!("../../../compose.yaml");
    let (ours, theirs) = example();
    for name in ours.keys() {
        assert!(
            compose.contains(&format!(" {name}:")),
            "compose.yaml does not set {name}"
        );
    }
    for name in theirs.keys() {
        assert!(
            compose.contains(&format!("${{{name}:")),
            "compose.yaml does not read {name}"
        );
    }
}

/// A restore of the database must not take back the log of who was forgotten since.
#[test]
fn compose_keeps_the_log_of_erasures_in_a_volume_of_its_own() {
    let compose = include_str!("../../../compose.yaml");
    let default = compose.split_once("ERASURE_LOG: ${ERASURE_LOG:-").unwrap().1;
    let path = default.split_once('}').unwrap().0;
    let folder = path.rsplit_once('/').unwrap().0;
    let volume = compose.split_once(&format!(":{folder}\"")).unwrap().0;
    let volume = volume.rsplit_once('"').unwrap().1;
    let mounts: Vec<&str> = compose
        .lines()
        .filter(|line| line.contains(&format!("{volume}:")))
        .collect();
    assert_eq!(
        mounts.len(),
        2,
        "the volume is mounted by our containers alone, and declared: {mounts:?}"
    );
    assert!(!["postgres", "valkey", "cache"].contains(&volume), "{volume}");
    let image = include_str!("../../../Dockerfile");
    assert!(image.contains(folder), "the image has no folder {folder} of its user");
}

#[test]
fn every_variable_that_is_read_is_listed() {
    let listed = variables();
    assert_eq!(listed.keys().map(String::as_str).collect::<Vec<_>>(), named_in_code());
}

#[test]
fn what_sounds_like_a_secret_is_one_unless_somebody_has_looked() {
    const NO_SECRETS: [&str; 6] = [
        "CHAT_FIRST_TOKEN_SECONDS",
        "CHAT_MAX_TOKENS",
        "CSP_REPORT_URI",
        "ENCRYPTION_KEY_FILE",
        "OPENAI_BASE_URL",
        "PUBLIC_URL",
    ];
    let sounds = ["KEY", "TOKEN", "SECRET", "PASSWORD", "_UR", "DSN", "CREDENTIAL"];
    let secret = |name: &str| !name.starts_with("LIMIT_") && sounds.iter().any(|sound| name.contains(sound));
    for (name, concealed) in variables() {
        assert_eq!(
            concealed,
            secret(&name) && !NO_SECRETS.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn an_address_that_is_shown_holds_no_password() {
    for (name, wrong) in [
        ("OPENAI_BASE_URL", "https://me:pa55word@models.example/v1"),
        ("PUBLIC_URL", "https://me:pa55word@shop.example"),
        ("DATABASE_URL", "postgresfoo://me:pa55word@localhost/omniops"),
        ("DATABASE_OWNER_URL", "mysql://me:pa55word@localhost/omniops"),
        ("REDIS_URL", "http://me:pa55word@localhost"),
        ("SMTP_URL", "ftp://me:pa55word@localhost"),
    ] {
        let mut map = minimal();
        map.insert("MAIL_FROM".into(), "a@b.example".into());
        map.insert(name.into(), wrong.into());
        let errors = Config::from_map(&map).unwrap_err();
        assert!(errors.0.iter().any(|error| error.name == name), "{errors}");
        assert!(
            !errors.to_string().contains("pa55word") && !format!("{errors:?}").contains("pa55word"),
            "{errors}"
        );
    }
}
