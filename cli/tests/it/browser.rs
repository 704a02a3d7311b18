//! Chromium behind chromedriver, driven by keys as a visitor without a mouse would.
use fantoccini::{
    Client, ClientBuilder,
    actions::{InputSource, KeyAction, KeyActions},
    key::Key,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf, process::Command};
use testkit::eventually;

use crate::process::{Folder, Process};

const NEEDED: &str = "chromium and chromedriver are needed: apt-get install chromium chromium-driver";

/// A browser with a profile of its own.
pub struct Browser {
    pub client: Client,
    _driver: Process,
    _folder: Folder,
}

impl Browser {
    pub async fn start() -> Self {
        let found = Command::new("chromedriver").arg("--version").output();
        assert!(found.is_ok_and(|output| output.status.success()), "{NEEDED}");
        let folder = Folder::new();
        let (driver, port) = driver(&folder).await;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&folder))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("{NEEDED}\n{error}"));
        Self {
            client,
            _driver: driver,
            _folder: folder,
        }
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page");
    }

    /// What a script returns.
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script")
    }

    /// Presses keys one after another.
    pub async fn press(&self, keys: impl IntoIterator<Item = char>) {
        let mut actions = KeyActions::new("keyboard".into());
        for value in keys {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.expect("the keys");
    }

    /// Presses a key while the Shift key is down.
    pub async fn press_with_shift(&self, value: char) {
        let shift: char = Key::Shift.into();
        let actions = KeyActions::new("keyboard".into())
            .then(KeyAction::Down { value: shift })
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value })
            .then(KeyAction::Up { value: shift });
        self.client.perform_actions(actions).await.expect("the keys");
    }

    /// Keeps a picture of the page for whoever looks into a failure.
    pub async fn screenshot(&self) -> Option<PathBuf> {
        let image = self.client.screenshot().await.ok()?;
        let file = std::env::temp_dir().join(format!("omniops-widget-{}.png", std::process::id()));
        fs::write(&file, image).ok()?;
        Some(file)
    }

    pub async fn close(self) {
        self.client.clone().close().await.expect("closing the session");
    }
}

/// A chromedriver and its port. It takes a free port of IPv6, and ends if the same one of IPv4 is somebody else's.
async fn driver(folder: &Folder) -> (Process, u16) {
    for start in 0..5 {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", folder.path());
        let mut driver = Process::spawn(command, folder.path().join(format!("chromedriver-{start}.log")));
        let port = eventually("chromedriver's port", || {
            let (over, said) = (driver.ended().is_some(), driver.output());
            let taken = over && said.contains("port not available");
            assert!(!over || taken, "chromedriver ended: {said}");
            let port = port_of(&said).map(Some).or(taken.then_some(None));
            async move { port }
        })
        .await;
        if let Some(port) = port {
            return (driver, port);
        }
    }
    panic!("chromedriver finds no port that is free of IPv4 and of IPv6");
}

fn port_of(log: &str) -> Option<u16> {
    let (_, after) = log.split_once("successfully on port ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn capabilities(folder: &Folder) -> Map<String, Value> {
    let mut args = vec![
        "--headless=new".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-gpu".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        // Chromium ends with chromedriver, also when that is killed.
        "--remote-debugging-pipe".to_owned(),
        format!("--user-data-dir={}", folder.path().join("profile").display()),
    ];
    if nix::unistd::geteuid().is_root() {
        args.push("--no-sandbox".to_owned());
    }
    let capabilities = json!({
        "goog:chromeOptions": { "args": args },
        "timeouts": { "pageLoad": 60_000, "script": 60_000 },
    });
    capabilities.as_object().cloned().unwrap_or_default()
}
