//! schemathesis against the running API: requests made from the contract, right and wrong in form, one by one and in sequences, from two
//! customers who must not see each other's things, from an administrator, and from a visitor.
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path, time::Duration};
use testkit::{ADMIN_TOKEN, Folder};

use super::{
    contract::CONTRACT,
    scene::{ORIGIN, Scene, unlimited},
};

/// Seconds that each caller's requests may take altogether; what is not tried by then is not tried.
const BUDGET: u64 = 40;
/// Requests of each call and kind of test, at most.
const EXAMPLES: u32 = 12;

/// What the checks can't know: rules that no schema can tell (a URL of a verified domain, an `Idempotency-Key` that was used) refuse
/// data that is right in form, and so do calls that a caller's credential is not for. And a request through a proxy is not from this machine, which may read metrics without a credential.
/// An address that is too long to be read is refused as such. Calls that take an optional header are sent unknown ones as wrong data; HTTP ignores those (RFC 9110, section 5.1).
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
"#;

struct Caller {
    name: &'static str,
    headers: String,
    parameters: String,
    auth: String,
    /// The credential's name in the contract; only calls that take it are tried.
    scheme: Option<&'static str>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_made_from_the_contract_meet_no_fault() {
    let scene = Scene::of(unlimited().await).await;
    let folder = Folder::new();
    let address = api::serve(scene.app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    fs::write(folder.path().join("openapi.yaml"), api::openapi_yaml()).unwrap();
    let bearer = |token: &str| format!("Authorization = \"Bearer {token}\"");
    let peers = [("shop", &scene.app.key), ("other", &scene.app.other_key)].map(|(name, key)| {
        let header = json!({ "name": "Authorization", "value": format!("Bearer {key}") });
        json!({ "name": name, "fixedHeaders": [header] })
    });
    let peers = json!({ "auth": peers });
    let wfc = folder.path().join("peers.json");
    fs::write(&wfc, peers.to_string()).unwrap();
    let callers = [
        Caller {
            name: "customers",
            headers: String::new(),
            parameters: String::new(),
            auth: format!(
                "wfc = {{ path = \"{}\", peers = [\"shop\", \"other\"] }}",
                wfc.display()
            ),
            scheme: None,
        },
        Caller {
            name: "visitor",
            headers: format!("{}\nOrigin = \"{ORIGIN}\"", bearer(&scene.visitor)),
            parameters: String::new(),
            auth: String::new(),
            scheme: Some("widget_session"),
        },
        // Last, since it may delete the customers.
        Caller {
            name: "administrator",
            headers: bearer(ADMIN_TOKEN),
            parameters: format!("customer_id = \"{}\"", scene.app.shop.id),
            auth: String::new(),
            scheme: None,
        },
    ];
    let mut faults = Vec::new();
    for caller in &callers {
        faults.extend(fuzz(caller, folder.path(), address).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Runs it, and returns what it says of each failure.
async fn fuzz(caller: &Caller, folder: &Path, server: SocketAddr) -> Vec<String> {
    let settings = RULES
        .replace("{headers}", &caller.headers)
        .replace("{parameters}", &caller.parameters)
        .replace("{auth}", &caller.auth);
    let [config, report] = ["toml", "json"].map(|kind| folder.join(format!("{}.{kind}", caller.name)));
    fs::write(&config, settings).unwrap();
    let mut command = tokio::process::Command::from(testkit::schemathesis());
    command
        .current_dir(folder)
        .arg("--config-file")
        .arg(&config)
        .args(["run", "openapi.yaml", "--url"]);
    command.arg(format!("http://{server}"));
    command.args([
        "--max-time",
        &BUDGET.to_string(),
        "--max-examples",
        &EXAMPLES.to_string(),
    ]);
    command.args([
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--request-timeout",
        "60",
        "--continue-on-failure",
    ]);
    command
        .args([
            "--no-color",
            "--warnings",
            "off",
            "--report",
            "json",
            "--report-json-path",
        ])
        .arg(&report);
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|o| caller.scheme.is_some_and(|scheme| o.takes(scheme)))
    {
        command.args(["--include-operation-id", &operation.id]);
    }
    command.kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(10), command.output()).await;
    let output = output.expect("schemathesis should end").expect("python3");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Option<Value> = fs::read(&report)
        .ok()
        .and_then(|report| serde_json::from_slice(&report).ok());
    assert!(
        report.is_some(),
        "no report: {told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        return vec![];
    }
    vec![format!("{}:\n{told}", caller.name)]
}
