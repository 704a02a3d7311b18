//! No secret gets out: an installation whose every secret is a canary is used and abused, and everything that it says and keeps is
//! searched for them. Which variables are secrets, the configuration itself says; a new one needs a canary here.
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::config::variables;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::Command};
use testkit::{Catalogue, Kit, SHOP_KEY, SHOP_SECRET, Shop, eventually};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{
    process::{Folder, Process, omniops, processes_in, run, stderr, stdout},
    up::Installation,
};

const ORIGIN: &str = "https://shop.example";

/// The secrets of a shop that a customer connects, by what they are.
const OF_SHOP: [(&str, &str); 3] = [
    ("the key of a shop", SHOP_KEY),
    ("the secret of a shop", SHOP_SECRET),
    ("the secret of a shop's webhooks", "canary-of-a-shop-s-webhooks"),
];

/// The key and the secret as the header of a request has them.
fn sent_to_shop() -> String {
    STANDARD.encode(format!("{SHOP_KEY}:{SHOP_SECRET}"))
}

/// Something of its own for every secret, that appears nowhere by itself.
fn canary(name: &str) -> String {
    let hash = domain::secrets::sha256(name.as_bytes());
    let hex = hex::encode(hash);
    match name {
        "ENCRYPTION_KEY" | "ENCRYPTION_KEYS_OLD" => hex,
        _ => format!("canary{}", &hex[..34]),
    }
}

/// The spellings in which a canary could appear.
fn spellings(canary: &str) -> Vec<String> {
    let mut all = vec![canary.to_owned(), canary.to_uppercase()];
    let bytes = canary.as_bytes();
    all.push(STANDARD.encode(bytes).trim_end_matches('=').to_owned());
    all.push(hex::encode(bytes));
    // A part of it is enough for whoever can try.
    all.push(canary.chars().take(30).collect());
    if let Ok(raw) = hex::decode(canary) {
        all.push(STANDARD.encode(raw).trim_end_matches('=').to_owned());
    }
    // The login of SMTP is one text: as base64 it has none of the password's own spellings.
    all.push(
        STANDARD
            .encode(format!("\0bot\0{canary}"))
            .trim_end_matches('=')
            .to_owned(),
    );
    all
}

/// Everything that was said, each with where.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn holds_none_of(&self, canaries: &BTreeMap<String, String>) {
        assert!(
            self.0.iter().map(|(_, text)| text.len()).sum::<usize>() > 10_000,
            "hardly anything was said"
        );
        for (place, text) in &self.0 {
            for (name, canary) in canaries {
                for spelling in spellings(canary) {
                    if let Some(at) = text.find(&spelling) {
                        let from = text.floor_char_boundary(at.saturating_sub(200));
                        let around: String = text[from..].chars().take(300).collect();
                        panic!("{name} gets out in {place}: …{around}…");
                    }
                }
            }
        }
    }
}

/// A provider that refuses, and repeats what it was told.
struct Parrot;

impl poem::Endpoint for Parrot {
    type Output = poem::Response;

    async fn call(&self, request: poem::Request) -> poem::Result<poem::Response> {
        let told = request.header("authorization").unwrap_or_default();
        let body = json!({ "error": { "message": format!("Incorrect API key provided: {told}"), "code": told } });
        Ok(poem::Response::builder()
            .status(poem::http::StatusCode::UNAUTHORIZED)
            .body(body.to_string()))
    }
}

async fn provider_parrot() -> String {
    use poem::listener::{Acceptor, Listener};
    let acceptor = poem::listener::TcpListener::bind("127.0.0.1:0")
        .into_acceptor()
        .await
        .expect("a port");
    let address = acceptor
        .local_addr()
        .into_iter()
        .find_map(|a| a.as_socket_addr().copied());
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(Parrot));
    format!("http://{}/v1", address.expect("an address"))
}

/// A mail server that refuses every login and repeats it.
async fn mail_parrot() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                let _ = writer.write_all(b"220 parrot\r\n").await;
                while let Ok(Some(line)) = lines.next_line().await {
                    let plain = line
                        .strip_prefix("AUTH PLAIN ")
                        .and_then(|text| STANDARD.decode(text).ok());
                    let answer = match plain {
                        Some(plain) => {
                            let plain = String::from_utf8_lossy(&plain).replace('\0', " ");
                            format!("535 5.7.8 no such login: {line} which is {plain}\r\n")
                        }
                        None if line.starts_with("EHLO") => "250-parrot\r\n250 AUTH PLAIN\r\n".to_owned(),
                        None => "250 ok\r\n".to_owned(),
                    };
                    let _ = writer.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    port
}

/// Every secret's variable with its canary in it. Whoever makes a new secret variable adds it here.
async fn secret_variables(kit: &Kit, canaries: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mail = mail_parrot().await;
    let postgres = |user: &str, canary: &str| {
        let url = kit.services.url(user, "postgres");
        url.replacen(&format!("{user}@"), &format!("{user}:{canary}@"), 1)
    };
    let redis = |canary: &str| format!("{}?user=default&pass={canary}", kit.services.redis_url());
    let filled = canaries.iter().map(|(name, canary)| {
        let value = match name.as_str() {
            "ENCRYPTION_KEY"
            | "ENCRYPTION_KEYS_OLD"
            | "OMNIOPS_ADMIN_TOKEN"
            | "OMNIOPS_ADMIN_TOKEN_OLD"
            | "CRON_SECRET"
            | "CRON_SECRET_OLD"
            | "OPENAI_API_KEY" => canary.clone(),
            "DATABASE_URL" => postgres("omniops", canary),
            "DATABASE_OWNER_URL" => kit
                .services
                .superuser_url("postgres")
                .replacen('@', &format!(":{canary}@"), 1),
            "REDIS_URL" | "REDIS_CACHE_URL" => redis(canary),
            "SMTP_URL" => format!("smtp://bot:{canary}@127.0.0.1:{mail}"),
            new => panic!("{new} is a new secret: give it a canary here, and let the installation use it"),
        };
        (name.clone(), value)
    });
    filled.collect()
}

/// Makes Valkey ask for the two passwords, of which it has one user only: both are its.
async fn protect_redis(kit: &Kit, canaries: &BTreeMap<String, String>) -> redis::aio::MultiplexedConnection {
    let socket = kit.services.redis_url().replacen("redis+unix://", "unix://", 1);
    let client = redis::Client::open(socket).expect("the URL");
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .expect("Valkey");
    let mut rule = redis::cmd("ACL");
    rule.arg("SETUSER").arg("default").arg("on").arg("resetpass");
    for name in ["REDIS_URL", "REDIS_CACHE_URL"] {
        rule.arg(format!(">{}", canaries[name]));
    }
    rule.exec_async(&mut connection).await.expect("the passwords");
    connection
}

struct House {
    kit: Kit,
    variables: BTreeMap<String, String>,
    canaries: BTreeMap<String, String>,
    folder: Folder,
    said: Said,
    http: reqwest::Client,
    redis: redis::aio::MultiplexedConnection,
    base: String,
    shop: Shop,
}

impl House {
    async fn start() -> Self {
        let names: Vec<String> = variables()
            .into_iter()
            .filter(|(_, secret)| *secret)
            .map(|(name, _)| name)
            .collect();
        let mut canaries: BTreeMap<String, String> = names.iter().map(|name| (name.clone(), canary(name))).collect();
        let kit = Kit::start().await;
        let redis = protect_redis(&kit, &canaries).await;
        let parrot = provider_parrot().await;
        let mut variables = secret_variables(&kit, &canaries).await;
        canaries.extend(OF_SHOP.map(|(what, secret)| (what.to_owned(), secret.to_owned())));
        canaries.insert("what opens a shop".into(), sent_to_shop());
        let shop = Shop::start().await;
        for (name, value) in [
            ("OMNIOPS_EGRESS_ALLOW", shop.host()),
            ("PORT", "0".into()),
            ("OPENAI_BASE_URL", parrot),
            ("EMBEDDING_MODEL", "parrot-embeddings".into()),
            ("MAIL_FROM", "bot@omniops.example".into()),
            ("LOG_LEVEL", "trace".into()),
            ("LOG_FORMAT", "json".into()),
            ("WORKER_LEASE_SECONDS", "6".into()),
        ] {
            variables.insert(name.into(), value);
        }
        egress::install_crypto();
        Self {
            kit,
            variables,
            canaries,
            folder: Folder::new(),
            said: Said::default(),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            redis,
            base: String::new(),
            shop,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = omniops();
        command.args(args).envs(&self.variables);
        command
    }

    fn process(&self, name: &str) -> Process {
        let log = self.folder.path().join(format!("{name}.log"));
        Process::spawn(self.command(&[name]), log)
    }

    /// Runs a command to its end, with some variables changed.
    async fn says(&mut self, args: &[&str], changes: &[(&str, &str)]) {
        let mut command = self.command(args);
        command.envs(changes.iter().copied());
        let output = run(command).await;
        self.said
            .add(format!("{args:?} with {changes:?}"), stdout(&output) + &stderr(&output));
    }

    /// Calls the API and notes the whole answer.
    async fn call(&mut self, method: &str, path: &str, credential: &str, body: &Value) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("origin", ORIGIN);
        if !credential.is_empty() {
            request = request.bearer_auth(credential);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let head = format!("{} {:?}", answer.status(), answer.headers());
        let text = answer.text().await.expect("a body");
        self.said.add(path, format!("{head}\n{text}"));
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Whatever is in the database and in Valkey.
    async fn stores(&mut self) {
        let catalogue = Catalogue::of(&self.kit).await;
        for table in &catalogue.tables {
            let name = &table.name;
            let query = format!("SELECT coalesce(string_agg(r::text, E'\\n'), '') AS rows FROM {name} r");
            let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, query);
            let row = sea_orm::ConnectionTrait::query_one_raw(&catalogue.owner, statement).await;
            let rows: String = row.expect("rows").expect("one").try_get("", "rows").expect("text");
            self.said.add(format!("the table {name}"), rows);
        }
        let mut from = 0u64;
        loop {
            let (next, keys): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
                .arg(from)
                .arg("COUNT")
                .arg(1000)
                .query_async(&mut self.redis)
                .await
                .expect("keys");
            for key in keys {
                let dump: Option<Vec<u8>> = redis::cmd("DUMP")
                    .arg(&key)
                    .query_async(&mut self.redis)
                    .await
                    .expect("a dump");
                let name = String::from_utf8_lossy(&key).into_owned();
                self.said.add("the keys of Valkey", name.clone());
                self.said.add(
                    format!("Valkey's {name}"),
                    String::from_utf8_lossy(&dump.unwrap_or_default()),
                );
            }
            from = next;
            if from == 0 {
                return;
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_anything_that_the_processes_say_or_keep() {
    let mut house = House::start().await;
    let customer = house.kit.customer("shop.example").await;
    let admin = house.canaries["OMNIOPS_ADMIN_TOKEN"].clone();
    let (mut api, mut worker) = (house.process("api"), house.process("worker"));
    let listens = api.says("api_listening").await;
    let address = listens.split("127.0.0.1:").nth(1).expect("a port");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    house.base = format!("http://127.0.0.1:{port}");
    worker.says("worker_started").await;

    use_it(&mut house, &admin, customer.id).await;
    connect_a_shop(&mut house, &admin, customer.id).await;
    abuse_it(&mut house, &admin).await;
    for (name, process) in [("api", &mut api), ("worker", &mut worker)] {
        let status = process.end_by(Signal::SIGTERM).await;
        assert_eq!(status.code(), Some(0), "{name}");
        let log = process.output();
        assert!(log.lines().count() > 3, "{name} logged hardly anything: {log}");
        house.said.add(format!("the log of {name}"), log);
    }
    house.stores().await;
    house.said.holds_none_of(&house.canaries);
}

/// What people do, with a provider and a mail server that refuse and repeat.
async fn use_it(house: &mut House, admin: &str, customer: uuid::Uuid) {
    let settings = json!({ "settings": { "handoff": { "email": "people@shop.example" } } });
    house
        .call("PATCH", &format!("/api/customers/{customer}"), admin, &settings)
        .await;
    for question in ["What is the price?", "Where are you?"] {
        let path = format!("/api/chat?customer_id={customer}");
        house.call("POST", &path, admin, &json!({ "message": question })).await;
    }
    house
        .call(
            "GET",
            &format!("/api/search?q=price&customer_id={customer}"),
            admin,
            &Value::Null,
        )
        .await;
    let session = house
        .call("POST", "/api/widget/session", "", &json!({ "domain": "shop.example" }))
        .await;
    let token = session["token"].as_str().expect("a token").to_owned();
    let chat = house
        .call("POST", "/api/chat", &token, &json!({ "message": "Is anybody there?" }))
        .await;
    let conversation = chat["conversation_id"].as_str().expect("a conversation").to_owned();
    let handoff = format!("/api/conversations/{conversation}/handoff");
    house.call("POST", &handoff, &token, &json!({})).await;
    for path in [
        "/api/metrics",
        "/api/health/comprehensive?verbose=true",
        "/api/audit",
        "/api/queue/stats",
        "/api/keys",
    ] {
        house.call("GET", path, admin, &Value::Null).await;
    }
    eventually("a mail that was refused", || async {
        let tried = "SELECT count(*) FROM jobs WHERE kind = 'maintenance' AND attempts > 0 AND error IS NOT NULL";
        (house.kit.count(tried).await > 0).then_some(())
    })
    .await;
    house
        .call("GET", &format!("/api/jobs?customer_id={customer}"), admin, &Value::Null)
        .await;
    house.call("GET", "/api/metrics", admin, &Value::Null).await;
}

/// A shop that is read, and then refuses and repeats what it was sent, in each of its spellings.
async fn connect_a_shop(house: &mut House, admin: &str, customer: uuid::Uuid) {
    let [key, secret, webhooks] = OF_SHOP.map(|(_, secret)| secret);
    let of = format!("?customer_id={customer}");
    let shop = json!({ "platform": "woocommerce", "url": house.shop.url(), "consumer_key": key, "consumer_secret": secret, "webhook_secret": webhooks });
    let connected = house.call("POST", &format!("/api/connections{of}"), admin, &shop).await;
    eventually("a shop that is read", || async {
        let read = "SELECT count(*) FROM store_connections WHERE synced_at IS NOT NULL";
        (house.kit.count(read).await > 0).then_some(())
    })
    .await;
    let told = format!(
        "There is no key {key} with {secret}, and Basic {} opens nothing",
        sent_to_shop()
    );
    let repeats = json!({ "message": told });
    for _ in 0..3 {
        house
            .shop
            .once(400, &[("content-type", "application/json")], &repeats.to_string());
    }
    let tried = house
        .call("GET", &format!("/api/woocommerce/test{of}"), admin, &Value::Null)
        .await;
    assert_eq!(tried["code"], "store_failing", "{tried}");
    let again = json!({ "connection_id": connected["id"], "mode": "full" });
    house.call("POST", &format!("/api/sync{of}"), admin, &again).await;
    eventually("a shop that fails", || async {
        let failing = "SELECT count(*) FROM store_connections WHERE error LIKE '%[secret]%'";
        (house.kit.count(failing).await > 0).then_some(())
    })
    .await;
    for path in ["/api/connections", "/api/jobs"] {
        house.call("GET", &format!("{path}{of}"), admin, &Value::Null).await;
    }
}

/// What goes wrong.
async fn abuse_it(house: &mut House, admin: &str) {
    for (path, credential) in [
        ("/api/customers", "wrong"),
        ("/api/nothing", admin),
        ("/api/customers/x", admin),
    ] {
        house.call("GET", path, credential, &Value::Null).await;
    }
    house.call("POST", "/api/customers", admin, &json!({ "name": 1 })).await;
    for args in [
        ["config"].as_slice(),
        &["doctor"],
        &["doctor", "--audit"],
        &["keys", "status"],
        &["keys", "rotate"],
        &["audit", "verify"],
        &["audit", "export"],
        &["queue", "stats"],
    ] {
        house.says(args, &[]).await;
    }
    // Nobody there, no such database, other passwords, and what is no URL at all, with the secret still in it.
    let (database, owner) = (
        house.variables["DATABASE_URL"].clone(),
        house.variables["DATABASE_OWNER_URL"].clone(),
    );
    let away = format!(
        "postgres://omniops:{}@127.0.0.1:1/omniops",
        house.canaries["DATABASE_URL"]
    );
    let unknown = database.replace("/postgres?", "/nowhere?");
    let odd = database.replacen("postgres://", "postgresfoo://", 1);
    let other = owner.replacen("postgres://", "mysql://", 1);
    let redis = format!("redis://default:{}@127.0.0.1:1", house.canaries["REDIS_URL"]);
    let odd_redis = redis.replacen("redis://", "rediz://", 1);
    let odd_mail = format!("smtp://bot:{}@", house.canaries["SMTP_URL"]);
    let short = &house.canaries["ENCRYPTION_KEY"].clone()[..50];
    for command in ["api", "worker", "doctor", "migrate", "config"] {
        for (name, value) in [
            ("DATABASE_URL", &away),
            ("DATABASE_URL", &unknown),
            ("DATABASE_URL", &odd),
            ("DATABASE_OWNER_URL", &other),
            ("REDIS_URL", &odd_redis),
            ("SMTP_URL", &odd_mail),
            ("ENCRYPTION_KEYS_OLD", &short.to_owned()),
        ] {
            // What would run on is none of these.
            if !(name == "DATABASE_URL" && command == "config") {
                house.says(&[command], &[(name, value.as_str())]).await;
            }
        }
    }
    house.says(&["doctor"], &[("REDIS_URL", &redis)]).await;
}

/// What a process was started with, as everybody with the same user can read it.
fn told_at_its_start(pid: u32) -> Option<String> {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
    let (line, environment) = (read("cmdline")?, read("environ")?);
    Some(String::from_utf8_lossy(&[line, environment].concat()).into_owned())
}

#[tokio::test]
async fn no_process_leaves_a_core_or_tells_its_children() {
    let secrets = ["ENCRYPTION_KEY", "OMNIOPS_ADMIN_TOKEN", "CRON_SECRET", "OPENAI_API_KEY"];
    let canaries: BTreeMap<String, String> = secrets.iter().map(|name| ((*name).to_owned(), canary(name))).collect();
    let mut installation = Installation::new();
    for (name, canary) in &canaries {
        installation = installation.env(name, canary);
    }
    let up = installation.up().await;
    let own = up.process.pid();
    let limits = std::fs::read_to_string(format!("/proc/{own}/limits")).expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("the limit");
    let sizes: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert!(sizes.iter().all(|size| ["0", "1"].contains(size)), "{core}");

    let mut children = 0;
    for pid in processes_in(&installation.state())
        .into_iter()
        .filter(|pid| *pid != own)
    {
        let Some(told) = told_at_its_start(pid) else { continue };
        children += 1;
        for (name, canary) in &canaries {
            for spelling in spellings(canary) {
                assert!(!told.contains(&spelling), "{name} was told to {told}");
            }
        }
    }
    assert!(children >= 2, "Postgres and Valkey were not looked at");
    up.stop(Signal::SIGTERM).await;
}
