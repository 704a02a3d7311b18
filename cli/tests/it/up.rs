//! `omniops up` on a folder of its own, asked through its API with what `dev.json` says.
use nix::{sys::signal::Signal, unistd::User};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    time::Duration,
};
use testkit::within;

use crate::process::{Folder, Process, omniops, processes_in, program};

/// The first start on a machine downloads.
const STARTING: Duration = Duration::from_mins(3);
/// Indexing is slow where many tests share two cores.
const CRAWLING: Duration = Duration::from_mins(3);

/// A state folder and how `up` is started on it. The folder outlives its starts.
pub struct Installation {
    folder: Folder,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    /// Nobody, to whom the folder and a copy of the executable belong; else whoever runs the tests.
    user: Option<User>,
    logs: Cell<u32>,
}

impl Installation {
    pub fn new() -> Self {
        let folder = Folder::new();
        let state = folder.path().join("state");
        Self {
            args: vec!["--state".into(), state.to_str().expect("UTF-8").into()],
            folder,
            variables: generous(),
            user: None,
            logs: Cell::new(0),
        }
    }

    /// In the home folder of an ordinary user: `nobody` if the tests run as root.
    pub fn of_an_ordinary_user() -> Self {
        let mut new = Self::new();
        new.args.clear();
        let home = new.folder.path().join("home");
        fs::create_dir(&home).expect("a home");
        if nix::unistd::geteuid().is_root() {
            let user = User::from_name("nobody").expect("users").expect("the user nobody");
            // The checkout may be where that user has no access.
            fs::copy(env!("CARGO_BIN_EXE_omniops"), new.folder.path().join("omniops")).expect("a copy");
            chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
            new.user = Some(user);
        }
        new.env("HOME", home.to_str().expect("UTF-8"))
    }

    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Crawls this local site instead of the sample.
    #[must_use]
    pub fn site(self, site: &testkit::Site) -> Self {
        self.arg("--site")
            .arg(&site.url("/"))
            .arg("--allow-host")
            .arg(&site.host())
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        match self.args.first().map(String::as_str) {
            Some("--state") => self.folder.path().join("state"),
            _ => self.folder.path().join("home/.local/state/omniops"),
        }
    }

    /// Where the next process's output goes.
    fn log(&self, name: &str) -> PathBuf {
        self.logs.set(self.logs.get() + 1);
        self.folder.path().join(format!("{}-{name}.log", self.logs.get()))
    }

    /// Starts `up` on a free port and returns when it serves.
    pub async fn up(&self) -> Up<'_> {
        let mut command = match &self.user {
            None => omniops(),
            Some(user) => {
                let mut command = program(&self.folder.path().join("omniops"));
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/");
                command
            }
        };
        command.args(["up", "--port", "0"]).args(&self.args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(command, self.log("up"));
        let path = self.state().join("dev.json");
        let dev = within(STARTING, "dev.json", || {
            let ended = process.ended();
            assert!(ended.is_none(), "up ended: {ended:?}");
            // An earlier start's file is there until this one has written its own.
            let dev = read(&path).filter(|dev| dev["pid"] == process.pid());
            async move { dev }
        })
        .await;
        egress::install_crypto();
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Up {
            of: self,
            process,
            dev,
            client,
        }
    }
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A running `up`.
pub struct Up<'a> {
    of: &'a Installation,
    pub process: Process,
    /// `dev.json`.
    pub dev: Value,
    client: reqwest::Client,
}

impl Up<'_> {
    /// A text of `dev.json`.
    pub fn dev(&self, name: &str) -> &str {
        self.dev[name].as_str().unwrap_or_else(|| panic!("{name} in dev.json"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.dev("base_url"))
    }

    /// For requests of a test's own.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Status and JSON of a GET with the credential of that name in `dev.json`.
    pub async fn get_as(&self, credential: &str, path: &str) -> (u16, Value) {
        self.get_with(self.dev(credential), path).await
    }

    /// Status and JSON of a GET with this credential.
    pub async fn get_with(&self, credential: &str, path: &str) -> (u16, Value) {
        let request = self.client.get(self.url(path)).bearer_auth(credential);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.expect("JSON"))
    }

    /// What a GET with the API key gives.
    pub async fn get(&self, path: &str) -> Value {
        let (status, value) = self.get_as("api_key", path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    /// The answer to a question.
    pub async fn ask(&self, question: &str) -> Value {
        let request = self.client.post(self.url("/api/chat"));
        let request = request
            .bearer_auth(self.dev("api_key"))
            .json(&json!({ "message": question }));
        let response = request.send().await.expect("an answer");
        let (status, value) = (response.status(), response.json().await.expect("JSON"));
        assert_eq!(status, 200, "{question}: {value}");
        value
    }

    /// The newest crawl.
    pub async fn crawl(&self) -> Value {
        self.get("/api/jobs?kind=scrape&limit=1").await["items"][0].clone()
    }

    /// Waits until the newest crawl satisfies `condition`.
    pub async fn crawl_until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        within(CRAWLING, what, || async {
            Some(self.crawl().await).filter(|job| condition(job))
        })
        .await
    }

    /// Waits until the newest crawl has ended well, and returns its job.
    pub async fn crawled(&self) -> Value {
        let job = self
            .crawl_until("the crawl's end", |job| !job["finished_at"].is_null())
            .await;
        assert_eq!(job["state"], "done", "{job}");
        job
    }

    /// Asserts that the process answers.
    pub async fn assert_healthy(&self) {
        let answer = self
            .client
            .get(self.url("/api/health"))
            .send()
            .await
            .expect("an answer");
        let health: Value = answer.json().await.expect("JSON");
        assert_eq!(health["status"], "ok", "{health}");
    }

    /// The variables with which another process joins.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let env = self.dev["env"].as_object().expect("env in dev.json");
        env.iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
    }

    /// Starts an `omniops worker` that joins, with further variables.
    pub fn worker(&self, extra: &[(&str, &str)]) -> Process {
        let mut command = omniops();
        command.arg("worker").envs(self.variables()).envs(extra.iter().copied());
        Process::spawn(command, self.of.log("worker"))
    }

    /// Asks it to end, and asserts that it does so in order and leaves no process behind.
    pub async fn stop(mut self, signal: Signal) {
        let status = self.process.end_by(signal).await;
        assert_eq!(status.code(), Some(0), "{status}");
        let left = processes_in(&self.of.state());
        assert_eq!(left, [0; 0], "left behind");
    }
}

/// Tests look and try far oftener than anybody may.
fn generous() -> Vec<(String, String)> {
    let limits = [
        "LIMIT_READ",
        "LIMIT_READ_KEY",
        "LIMIT_CHANGE",
        "LIMIT_CHANGE_KEY",
        "LIMIT_CHAT_KEY",
        "LIMIT_SCRAPE",
    ];
    limits.map(|name| (name.to_owned(), "1000000/60s".to_owned())).into()
}
