//! schemathesis against the running API: requests made from the contract, right and wrong in form, one by one and in sequences, from two
//! customers who must not see each other's things, from a visitor, a scheduler, a person and an administrator. All bounds of every call are
//! tried by somebody who may make it.
use domain::config::environment;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path, time::Duration};
use testkit::{ADMIN_TOKEN, CRON_SECRET, Folder};
use tokio::process::Command;

use super::{
    contract::{CONTRACT, Operation},
    scene::{ORIGIN, Scene, unlimited},
};
use crate::accounts::{Browser, browser};

/// The ways of trying calls: what the contract's own examples and bounds make, what chance makes of its schemas, and sequences in which
/// one call takes what another has made. Each has a run of its own, so that none is left out for want of time.
const WAYS: [&str; 3] = ["coverage", "fuzzing", "stateful"];
/// Seconds that chance and sequences get, each of them for each caller, unless `OMNIOPS_FUZZ_SECONDS` says otherwise. All bounds are tried
/// of every call, however long that takes.
const BUDGET: u64 = 25;
/// Calls that nobody may make here: a shop signs them.
const SIGNED: [&str; 2] = ["woocommerce_webhook", "shopify_webhook"];
/// What a person does last.
const LAST: &str = "log_out";
/// Requests of each call and kind of test, at most.
const EXAMPLES: u32 = 12;

/// What the checks can't know: rules that no schema can tell (a URL of a verified domain, an `Idempotency-Key` that was used) refuse
/// data that is right in form, and so do calls that a caller's credential is not for. And a request through a proxy is not from this machine, which may read metrics without a credential.
/// An address that is too long to be read is refused as such. Calls that take an optional header are sent unknown ones as wrong data; HTTP ignores those (RFC 9110, section 5.1).
/// A page that was removed can be read, which says why, and so can the answers that cited it: that is when they are looked for, and it can be restored.
/// A person's cookie goes along with every request, also where one without it is meant: other generated tests try that.
const RULES: &str = r#"
[headers]
X-Forwarded-For = "203.0.113.7"
{headers}
[parameters]
{parameters}
[auth]
{auth}
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 413, 422, 429, 503]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 428, 429, 431, "5xx"]
[[operations]]
include-operation-id = ["follow_conversation", "follow_job"]
checks.negative_data_rejection.enabled = false
[[operations]]
include-operation-id = ["get_page", "list_page_answers"]
checks.use_after_free.enabled = false
[[operations]]
include-operation-id = ["who_am_i", "log_out"]
checks.ignored_auth.enabled = false
checks.negative_data_rejection.enabled = false
"#;

struct Caller {
    name: &'static str,
    headers: String,
    parameters: String,
    auth: String,
    /// The credential's name in the contract.
    scheme: &'static str,
    /// Which calls are tried in this way.
    tries: fn(&Operation, &str) -> bool,
}

impl Caller {
    /// Whether the caller may make the call.
    fn may(&self, operation: &Operation) -> bool {
        operation.schemes.is_empty() || operation.takes(self.scheme)
    }
}

/// Calls that are a person's alone.
fn personal(operation: &Operation) -> bool {
    operation.takes("admin_session") && operation.schemes.len() == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_made_from_the_contract_meet_no_fault() {
    let scene = Scene::of(unlimited().await).await;
    let folder = Folder::new();
    let address = api::serve(scene.app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    fs::write(folder.path().join("openapi.yaml"), api::openapi_yaml()).unwrap();
    let peers = [("shop", &scene.app.key), ("other", &scene.app.other_key)].map(|(name, key)| {
        let header = json!({ "name": "Authorization", "value": format!("Bearer {key}") });
        json!({ "name": name, "fixedHeaders": [header] })
    });
    let peers = json!({ "auth": peers });
    let wfc = folder.path().join("peers.json");
    fs::write(&wfc, peers.to_string()).unwrap();
    let person = browser(&scene.app, "ada@mail.example", "owner", &[]).await;
    let callers = callers(&scene, &person, &wfc);
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|operation| !SIGNED.contains(&operation.id.as_str()))
    {
        for way in ["coverage", "fuzzing"] {
            let tried = callers
                .iter()
                .any(|caller| (caller.tries)(operation, way) && caller.may(operation));
            assert!(tried, "nobody who may tries {}: {way}", operation.id);
        }
    }
    let mut faults = Vec::new();
    for caller in &callers {
        // The few calls of some take nothing that another one of them makes.
        let ways = WAYS
            .into_iter()
            .filter(|way| *way != "stateful" || wanted(caller, way).len() >= 20);
        for way in ways {
            faults.extend(fuzz(caller, way, folder.path(), address).await);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Everybody, in an order in which nobody takes away what the next one needs.
fn callers(scene: &Scene, person: &Browser, peers: &Path) -> Vec<Caller> {
    let bearer = |token: &str| format!("Authorization = \"Bearer {token}\"");
    let cookie = format!("Cookie = \"{}\"\nX-Csrf-Token = \"{}\"", person.cookie, person.csrf);
    let caller = |name, headers: String, scheme, tries: fn(&Operation, &str) -> bool| Caller {
        name,
        headers,
        parameters: String::new(),
        auth: String::new(),
        scheme,
        tries,
    };
    vec![
        Caller {
            auth: format!(
                "wfc = {{ path = \"{}\", peers = [\"shop\", \"other\"] }}",
                peers.display()
            ),
            ..caller("customers", String::new(), "api_key", |_, _| true)
        },
        caller(
            "visitor",
            format!("{}\nOrigin = \"{ORIGIN}\"", bearer(&scene.visitor)),
            "widget_session",
            |operation, _| operation.takes("widget_session"),
        ),
        caller("scheduler", bearer(CRON_SECRET), "cron_secret", |operation, _| {
            operation.takes("cron_secret")
        }),
        caller("person", cookie.clone(), "admin_session", |operation, _| {
            personal(operation) && operation.id != LAST
        }),
        caller("person who leaves", cookie, "admin_session", |operation, _| {
            operation.id == LAST
        }),
        // Last, since it may delete the customers. All bounds of what customers may do were tried by them.
        Caller {
            parameters: format!("customer_id = \"{}\"", scene.app.shop.id),
            ..caller("administrator", bearer(ADMIN_TOKEN), "admin_token", |operation, way| {
                operation.takes("admin_token") && (way != "coverage" || !operation.takes("api_key"))
            })
        },
    ]
}

/// Runs it one way, and returns what it says of each failure.
async fn fuzz(caller: &Caller, way: &str, folder: &Path, server: SocketAddr) -> Vec<String> {
    let settings = RULES
        .replace("{headers}", &caller.headers)
        .replace("{parameters}", &caller.parameters)
        .replace("{auth}", &caller.auth);
    let [config, report] = ["toml", "json"].map(|kind| folder.join(format!("{}-{way}.{kind}", caller.name)));
    fs::write(&config, settings).unwrap();
    let said = environment().get("OMNIOPS_FUZZ_SECONDS").cloned();
    let said: Option<u64> = said.map(|seconds| seconds.parse().expect("OMNIOPS_FUZZ_SECONDS is a number"));
    let budget = said.unwrap_or(BUDGET);
    let mut command = command(&config, &report, server);
    command
        .current_dir(folder)
        .args(["--phases", if way == "coverage" { "examples,coverage" } else { way }]);
    if way != "coverage" {
        command.args(["--max-time", &budget.to_string()]);
    }
    for operation in wanted(caller, way) {
        command.args(["--include-operation-id", &operation.id]);
    }
    let limit = Duration::from_secs(budget) + Duration::from_mins(10);
    let output = tokio::time::timeout(limit, command.output()).await;
    let output = output.expect("schemathesis should end").expect("python3");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Option<Value> = fs::read(&report)
        .ok()
        .and_then(|report| serde_json::from_slice(&report).ok());
    let Some(report) = report else {
        panic!("no report: {told}{}", String::from_utf8_lossy(&output.stderr));
    };
    assert_tried(caller, way, &report);
    if output.status.success() {
        return vec![];
    }
    vec![format!("{}, {way}:\n{told}", caller.name)]
}

fn command(config: &Path, report: &Path, server: SocketAddr) -> Command {
    let mut command = Command::from(testkit::schemathesis());
    command.arg("--config-file").arg(config).args(["run", "openapi.yaml"]);
    command.arg("--url").arg(format!("http://{server}"));
    command.arg("--max-examples").arg(EXAMPLES.to_string());
    command.args([
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--request-timeout",
        "60",
    ]);
    // How fast the machine makes values up is not the API's.
    command.args(["--suppress-health-check", "too_slow"]);
    command.args(["--continue-on-failure", "--no-color", "--warnings", "off"]);
    command.args(["--report", "json", "--report-json-path"]).arg(report);
    command.kill_on_drop(true);
    command
}

/// The calls that a caller tries.
fn wanted(caller: &Caller, way: &str) -> Vec<&'static Operation> {
    let all = CONTRACT.operations.iter();
    all.filter(|operation| (caller.tries)(operation, way)).collect()
}

/// A run that ended before it came to some calls, or did not come about, has shown nothing.
fn assert_tried(caller: &Caller, way: &str, report: &Value) {
    let (name, operations, ran) = (caller.name, &report["operations"], &report["phases"][way]);
    let counted = ["selected", "errored"].map(|what| operations[what].as_u64().unwrap());
    assert_eq!(
        counted,
        [wanted(caller, way).len() as u64, 0],
        "{name}, {way}: {operations}"
    );
    let status = ran["status"].as_str().unwrap();
    assert!(["success", "failure"].contains(&status), "{name}, {way}: {ran}");
    if way == "coverage" {
        assert_eq!(
            operations["tested"], operations["selected"],
            "{name}, {way}: {operations}"
        );
    }
}
