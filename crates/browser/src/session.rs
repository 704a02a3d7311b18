//! One browser: a driver, its Chromium, and the filtering proxy that is its only way out. Renders one page at a time.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use egress::{
    Guard, HostPort,
    proxy::{self, Proxy, Refusal},
};
use fantoccini::{
    Client, ClientBuilder,
    error::{CmdError, ErrorStatus},
    wd::WebDriverCompatibleCommand,
};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

use crate::{
    Bounds, Event, Failure, Picture, Rendered, Settings, flags,
    own::{self, Without},
    process::Driver,
    wire::{Allowance, Wire},
};

const ARM: &str = include_str!("arm.js");
const SETTLE: &str = include_str!("settle.js");
/// Leaves a page from within, so that the empty document has its process; led there by the browser, each page would start another.
const LEAVE: &str = "location.replace('about:blank')";
const BLANK: &str = "about:blank";

/// The driver's own bound on a navigation up to its `DOMContentLoaded`.
const NAVIGATION: Duration = Duration::from_secs(10);
/// The driver's own bound on a script; `settle.js` ends before it.
const SCRIPT: Duration = Duration::from_secs(14);
/// Everything that is done for one page.
const PAGE: Duration = Duration::from_secs(30);
/// An answer of a page that may have wedged itself.
const PICTURE: Duration = Duration::from_secs(3);
/// Documents that may follow each other by script before the last one counts.
const MAX_DOCUMENTS: usize = 5;
/// What a driver may send for a page: its document, escaped and maybe asked for again, and what else is said of it.
const SAID: usize = 4;
const SAID_BESIDE: usize = 8 * 1024 * 1024;
/// A page with fewer characters of text is worth a picture.
const LITTLE_TEXT: usize = 200;
/// What is never fetched, besides images: fonts, media, and the icon.
const BLOCKED: [&str; 16] = [
    "*.woff", "*.woff2", "*.ttf", "*.otf", "*.eot", "*.ico", "*.mp4", "*.webm", "*.mov", "*.m3u8", "*.mp3", "*.ogg",
    "*.wav", "*.m4a", "*.zip", "*.pdf",
];

/// Whose pages a browser has seen: cookies, caches and storage of one never meet another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The tenant.
    pub tenant: String,
    /// Its site.
    pub site: HostPort,
}

/// A running browser.
pub(super) struct Session {
    client: Client,
    allowance: Allowance,
    driver: Driver,
    proxy: Proxy,
    pub owner: Owner,
    pub pages: u32,
    pub used: Instant,
    /// Nothing of an earlier page is left in the window.
    blank: bool,
    life: Life,
}

/// Tells that a browser began and ended, even if it is dropped.
struct Life {
    observe: fn(Event),
    ends: &'static str,
}

impl Life {
    fn new(observe: fn(Event)) -> Self {
        observe(Event::Started);
        let ends = "dropped";
        Self { observe, ends }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        (self.observe)(Event::Ended(self.ends));
    }
}

/// What `settle.js` hands over.
#[derive(Deserialize)]
struct Settled {
    error: Option<String>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    text: usize,
    #[serde(default, rename = "settled")]
    quiet: bool,
    html: Option<String>,
}

impl Session {
    /// Starts a browser for the pages of one site. The operator's exceptions count for that site only, so that a page of
    /// another can't use them.
    pub async fn start(settings: &Settings, owner: Owner) -> Result<Self, Failure> {
        let unusable = |what: &str, error: &dyn std::fmt::Display| Failure::Unusable(format!("{what}: {error}"));
        let allow: Vec<HostPort> = settings
            .allow
            .iter()
            .filter(|place| **place == owner.site)
            .cloned()
            .collect();
        let guard = Guard::new(&allow, Arc::new(Without(settings.lookup.clone())));
        let proxy = Proxy::start(guard, proxy::Limits::default())
            .await
            .map_err(|e| unusable("the filtering proxy", &e))?;
        let driver = Driver::start(&settings.chromedriver, &settings.folder)
            .await
            .map_err(|e| unusable("chromedriver", &e))?;
        let allowance = Allowance::default();
        allowance.renew(SAID_BESIDE);
        let mut builder = ClientBuilder::new(Wire(allowance.clone()));
        let (builder, driver_url) = (builder.capabilities(capabilities(settings, &proxy)), driver.url());
        let client = match tokio::time::timeout(PAGE, builder.connect(&driver_url)).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(unusable("Chromium", &error)),
            // On a machine out of breath, most likely: another start may do.
            Err(_) => return Err(Failure::Lost("Chromium does not start in time".to_owned())),
        };
        let session = Self {
            client,
            allowance,
            driver,
            proxy,
            owner,
            pages: 0,
            used: Instant::now(),
            blank: false,
            life: Life::new(settings.observe),
        };
        match tokio::time::timeout(PAGE, session.arm()).await {
            Ok(Ok(())) => Ok(session),
            Ok(Err(error)) => Err(unusable("Chromium", &error)),
            Err(_) => Err(Failure::Lost("Chromium does not answer in time".to_owned())),
        }
    }

    async fn arm(&self) -> Result<(), CmdError> {
        self.cdp("Network.enable", json!({})).await?;
        self.cdp("Network.setBlockedURLs", json!({ "urls": BLOCKED })).await?;
        self.cdp("Network.setBypassServiceWorker", json!({ "bypass": true }))
            .await?;
        self.cdp("Browser.setDownloadBehavior", json!({ "behavior": "deny" }))
            .await?;
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": ARM }))
            .await?;
        Ok(())
    }

    /// Renders `url`. After most errors the browser is not to be used again.
    pub async fn render(&mut self, url: &Url, bounds: &Bounds) -> Result<Rendered, Failure> {
        self.pages += 1;
        let began = Instant::now();
        self.proxy.take_refusals();
        self.allowance.renew(bounds.max_bytes * SAID + SAID_BESIDE);
        let outcome = tokio::time::timeout(PAGE, self.look(url, bounds)).await;
        let mut refusals = self.proxy.take_refusals();
        refusals.retain(|refusal| !own::is_own(refusal));
        self.used = Instant::now();
        let settled = match outcome {
            Ok(Ok(settled)) => settled,
            Ok(Err(Failure::Navigation(reason))) => {
                return Err(refused(url, refusals).unwrap_or(Failure::Navigation(reason)));
            }
            Ok(Err(_)) if self.allowance.is_spent() => return Err(Failure::TooLarge),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => return Err(Failure::Timeout),
        };
        if let Some(failure) = refused_document(&settled, &refusals) {
            return Err(failure);
        }
        let html = settled.html.ok_or(Failure::TooLarge)?;
        if html.len() > bounds.max_bytes {
            return Err(Failure::TooLarge);
        }
        let final_url = Url::parse(&settled.url).map_err(|e| Failure::Navigation(e.to_string()))?;
        let poor = settled.text < LITTLE_TEXT || !(200..300).contains(&settled.status);
        Ok(Rendered {
            url: final_url,
            status: settled.status,
            content_type: settled.content_type,
            html,
            settled: settled.quiet,
            ms: began.elapsed().as_millis() as i32,
            refused: refusals,
            screenshot: if poor { self.picture().await } else { None },
        })
    }

    async fn look(&mut self, url: &Url, bounds: &Bounds) -> Result<Settled, Failure> {
        // A download or a 204 leaves the old document in its place; it must not be taken for the new one.
        if !std::mem::take(&mut self.blank) {
            self.client.goto(BLANK).await.map_err(|e| failure(&e))?;
        }
        self.client.goto(url.as_str()).await.map_err(|e| failure(&e))?;
        let mut error = Failure::Timeout;
        for document in 0..MAX_DOCUMENTS {
            let asked = Instant::now();
            match self.settle(bounds, document == 0).await {
                Ok(settled) if settled.url.starts_with("about:") => return Err(Failure::NoDocument),
                Ok(settled) if settled.url.starts_with("chrome-error:") => {
                    return Err(Failure::Navigation("the page could not be loaded".to_owned()));
                }
                Ok(settled) => return Ok(settled),
                // The document went away under the script: its own scripts lead elsewhere.
                Err(CmdError::Standard(known)) if is_passing(&known.error) || is_early(&known.error, asked) => {
                    error = Failure::Navigation(format!("it leads from page to page: {}", first_line(&known.message)));
                }
                Err(other) => return Err(failure(&other)),
            }
        }
        Err(error)
    }

    async fn settle(&self, bounds: &Bounds, may_click: bool) -> Result<Settled, CmdError> {
        let bounds = json!({
            "quiet_ms": bounds.quiet.as_millis() as u64,
            "calm_ms": bounds.calm.as_millis() as u64,
            "settle_ms": bounds.settle.as_millis() as u64,
            "load_ms": bounds.settle.as_millis() as u64 / 2,
            "total_ms": bounds.total.as_millis() as u64,
            "screens": bounds.screens,
            "max_elements": 50_000,
            "max_chars": bounds.max_bytes,
            "may_click": may_click,
        });
        let value = self.client.execute_async(SETTLE, vec![bounds]).await?;
        let settled: Settled = serde_json::from_value(value)?;
        match settled.error {
            Some(error) => Err(CmdError::NotJson(error)),
            None => Ok(settled),
        }
    }

    /// Ends what the page does, and tells whether nothing else of it is left: it may have made other windows, which would live on.
    pub async fn is_tidy(&mut self) -> bool {
        let leave = async {
            self.client.execute(LEAVE, Vec::new()).await?;
            // A page can have its own way about being left by itself, and none about being left by the browser.
            if self.client.current_url().await?.as_str() != BLANK {
                self.client.goto(BLANK).await?;
            }
            self.client.windows().await
        };
        let left = tokio::time::timeout(PICTURE, leave).await;
        self.blank = matches!(left, Ok(Ok(windows)) if windows.len() == 1);
        self.blank
    }

    /// A picture of what there is, if it can be had.
    pub async fn picture(&self) -> Option<Picture> {
        let take = self.cdp("Page.captureScreenshot", json!({ "format": "jpeg", "quality": 50 }));
        let taken = tokio::time::timeout(PICTURE, take).await.ok()?.ok()?;
        STANDARD.decode(taken.get("data")?.as_str()?).ok().map(Picture)
    }

    async fn cdp(&self, command: &'static str, parameters: Value) -> Result<Value, CmdError> {
        self.client.issue_cmd(Cdp { command, parameters }).await
    }

    /// Ends the browser and returns when nothing of it is left.
    pub async fn end(mut self, why: &'static str) {
        self.life.ends = why;
        self.driver.end().await;
        self.proxy.close().await;
    }
}

/// The proxy answered for the document itself, so that its status is not the site's.
fn refused_document(settled: &Settled, refusals: &[Refusal]) -> Option<Failure> {
    let own = refusals.iter().find(|refusal| refusal.target == settled.url)?;
    matches!(settled.status, 403 | 502 | 504).then(|| Failure::Egress(own.error.clone()))
}

/// The proxy refused what the page's URL needs.
fn refused(url: &Url, refusals: Vec<Refusal>) -> Option<Failure> {
    let target = HostPort::of(url)?;
    let is_it = |refusal: &Refusal| match refusal.target.parse::<HostPort>() {
        Ok(place) => place == target,
        Err(_) => refusal.target == url.as_str(),
    };
    let own = refusals.into_iter().find(is_it)?;
    Some(Failure::Egress(own.error))
}

fn is_passing(status: &ErrorStatus) -> bool {
    matches!(
        status,
        ErrorStatus::JavascriptError | ErrorStatus::StaleElementReference | ErrorStatus::UnknownError
    )
}

/// chromedriver says "script timeout", long before it is one, of a document that went away while the script ran.
fn is_early(status: &ErrorStatus, asked: Instant) -> bool {
    *status == ErrorStatus::ScriptTimeout && asked.elapsed() < SCRIPT
}

fn failure(error: &CmdError) -> Failure {
    match error {
        CmdError::Standard(known) => match known.error {
            ErrorStatus::Timeout | ErrorStatus::ScriptTimeout => Failure::Timeout,
            ErrorStatus::UnknownError if known.message.contains("net::ERR_") => {
                let name = known.message.split("net::").nth(1).unwrap_or_default();
                Failure::Navigation(
                    name.split(|c: char| c.is_whitespace())
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                )
            }
            _ => Failure::Lost(first_line(&known.message)),
        },
        other => Failure::Lost(first_line(&other.to_string())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// A command of the `DevTools` protocol by way of the driver
/// (<https://chromedriver.chromium.org/>, endpoint `goog/cdp/execute`).
#[derive(Debug)]
struct Cdp {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}

fn capabilities(settings: &Settings, proxy: &Proxy) -> Map<String, Value> {
    let args = flags::flags(&proxy.addr(), &settings.user_agent, settings.no_sandbox);
    let capabilities = json!({
        "pageLoadStrategy": "eager",
        "timeouts": { "pageLoad": NAVIGATION.as_millis() as u64, "script": SCRIPT.as_millis() as u64 },
        "unhandledPromptBehavior": "dismiss",
        "goog:chromeOptions": { "args": args, "prefs": flags::preferences(), "excludeSwitches": flags::UNWANTED },
    });
    capabilities.as_object().cloned().unwrap_or_default()
}
