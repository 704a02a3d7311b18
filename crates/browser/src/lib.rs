//! Pages as a browser shows them: a few Chromium sessions behind chromedriver, started when the first page needs one, closed
//! when none has for a while.
//!
//! ```text
//! Browsers (who may have one) ─ Session (one page after another) ─ Driver (processes and folder) ─ watch.sh
//!                                  │ fantoccini                        chromedriver ─ Chromium
//!                                  └ egress::proxy, the browser's only way out
//! ```
//!
//! The crate knows nothing of its callers and reads no environment.
//!
//! What must stay true: nothing a page does reaches an address that the guard refuses; a browser that has seen one tenant's
//! site sees no other; whatever ends (a page's patience, a job, this process, by whatever means) leaves no process and
//! no folder behind, since a session that is dropped anywhere ends as a whole.
mod flags;
mod own;
mod process;
mod session;
mod wire;

use egress::{HostPort, Lookup, SystemLookup, proxy::Refusal};
use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::session::{Owner, Session};

/// How a browser is started.
#[derive(Clone)]
pub struct Settings {
    /// The driver's program.
    pub chromedriver: PathBuf,
    /// Browsers at once.
    pub sessions: usize,
    /// Chromium runs without its sandbox.
    pub no_sandbox: bool,
    /// Its `User-Agent`.
    pub user_agent: String,
    /// The operator's exceptions from the address rules.
    pub allow: Vec<HostPort>,
    /// What resolves names for the proxy.
    pub lookup: Arc<dyn Lookup>,
    /// Where profiles are made.
    pub folder: PathBuf,
    /// Bounds of one page.
    pub bounds: Bounds,
    /// Pages after which a browser is replaced.
    pub pages: u32,
    /// A browser without work is closed after this time.
    pub idle: Duration,
    /// Told what happens.
    pub observe: fn(Event),
}

impl Settings {
    /// Two browsers with the usual bounds, profiles in the temporary folder, the sandbox unless the process is root's.
    pub fn new(chromedriver: impl Into<PathBuf>, user_agent: impl Into<String>) -> Self {
        Self {
            chromedriver: chromedriver.into(),
            sessions: 2,
            no_sandbox: nix::unistd::geteuid().is_root(),
            user_agent: user_agent.into(),
            allow: Vec::new(),
            lookup: Arc::new(SystemLookup),
            folder: std::env::temp_dir(),
            bounds: Bounds::default(),
            pages: 100,
            idle: Duration::from_mins(1),
            observe: |_| {},
        }
    }
}

/// What somebody may want to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A browser has started.
    Started,
    /// One was ended, for this reason.
    Ended(&'static str),
    /// One begins to work on a page.
    Busy,
    /// One does so no more.
    Free,
}

/// Bounds of one page.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A document without changes and requests for this long has settled.
    pub quiet: Duration,
    /// The same for one that has nothing put off which could change it within `quiet`.
    pub calm: Duration,
    /// One that never does is taken as it is after this long.
    pub settle: Duration,
    /// All of it: settling, the consent banner, scrolling.
    pub total: Duration,
    /// How often its end is scrolled to, for pages that go on there.
    pub screens: u32,
    /// Bytes of the rendered HTML.
    pub max_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(300),
            calm: Duration::from_millis(100),
            settle: Duration::from_secs(5),
            total: Duration::from_secs(10),
            screens: 4,
            max_bytes: egress::Limits::default().max_body_bytes,
        }
    }
}

/// A rendered page.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Where it was in the end: redirects and scripts may lead elsewhere, on this site or off it.
    pub url: Url,
    /// HTTP status of that document.
    pub status: u16,
    /// Its media type.
    pub content_type: String,
    /// The document when it had settled.
    pub html: String,
    /// Whether it had, or was taken as it was.
    pub settled: bool,
    /// From the navigation to the HTML.
    pub ms: i32,
    /// What the proxy refused, or failed to reach, meanwhile.
    pub refused: Vec<Refusal>,
    /// If there is little to read, or the status tells of a failure.
    pub screenshot: Option<Picture>,
}

/// A JPEG of what a page showed.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(pub Vec<u8>);

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a picture of {} bytes", self.0.len())
    }
}

/// Why there is no rendered page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no chromedriver.
    Missing,
    /// chromedriver or Chromium can't be started.
    Unusable(String),
    /// The URL, or what it redirects to, is refused or can't be reached.
    Egress(egress::Error),
    /// Chromium could not load it.
    Navigation(String),
    /// It has no document: a download, or nothing.
    NoDocument,
    /// A clock ran out; the page's scripts may never end.
    Timeout,
    /// The browser ended while it worked on the page.
    Lost(String),
    /// The document has more bytes than the limit.
    TooLarge,
}

impl Failure {
    /// A stable word for decision rows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "browser_missing",
            Self::Unusable(_) => "browser_unusable",
            Self::Egress(error) => error.code(),
            Self::Navigation(_) => "browser_navigation",
            Self::NoDocument => "browser_no_document",
            Self::Timeout => "browser_timeout",
            Self::Lost(_) => "browser_lost",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether a second try may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Egress(error) => error.is_retryable(),
            Self::Navigation(_) | Self::Lost(_) => true,
            // A script that never ends would only take the same time again.
            Self::Timeout | Self::Missing | Self::Unusable(_) | Self::NoDocument | Self::TooLarge => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no chromedriver"),
            Self::Unusable(why) => write!(f, "the browser can't be started: {why}"),
            Self::Egress(error) => error.fmt(f),
            Self::Navigation(why) => write!(f, "the browser could not load the page: {why}"),
            Self::NoDocument => f.write_str("the browser was given no document"),
            Self::Timeout => f.write_str("the browser did not finish the page in time"),
            Self::Lost(why) => write!(f, "the browser ended while it worked on the page: {why}"),
            Self::TooLarge => f.write_str("the rendered page is larger than the limit"),
        }
    }
}

impl std::error::Error for Failure {}

/// A failure with a picture of what the page showed.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub why: Failure,
    /// If it could be had.
    pub screenshot: Option<Picture>,
}

impl From<Failure> for Failed {
    fn from(why: Failure) -> Self {
        let screenshot = None;
        Self { why, screenshot }
    }
}

/// The browsers of a process. Cloning shares.
#[derive(Clone)]
pub struct Browsers(Option<Arc<Pool>>);

struct Pool {
    settings: Settings,
    places: Semaphore,
    /// As many places for each tenant: whoever has a thousand pages waits here with them, and not before another's one page.
    queues: Mutex<HashMap<String, Weak<Semaphore>>>,
    idle: Mutex<Vec<Session>>,
}

impl Browsers {
    /// None is started. Without settings there never is one.
    pub fn new(settings: Option<Settings>) -> Self {
        Self(settings.map(|settings| {
            Arc::new(Pool {
                places: Semaphore::new(settings.sessions),
                settings,
                queues: Mutex::default(),
                idle: Mutex::default(),
            })
        }))
    }

    /// Whether this worker has what a browser needs.
    pub fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Renders a page of `tenant`. Waits for a free browser, behind as many pages of each other tenant as there are browsers; may be dropped at any await, which ends the browser it had.
    pub async fn render(&self, tenant: &str, url: &Url) -> Result<Rendered, Failed> {
        let pool = self.0.as_ref().ok_or(Failure::Missing)?;
        let site = HostPort::of(url).filter(|_| matches!(url.scheme(), "http" | "https"));
        let site = site.ok_or_else(|| Failure::Navigation("only http and https are rendered".to_owned()))?;
        let tenant = tenant.to_owned();
        pool.render(Owner { tenant, site }, url).await
    }

    /// Closes browsers that have been idle for long, and all of them when `over` fires, after which none is started.
    pub async fn tend(self, over: CancellationToken) {
        let Some(pool) = self.0 else { return };
        let limit = pool.settings.idle;
        loop {
            tokio::select! {
                () = over.cancelled() => break,
                () = tokio::time::sleep(limit / 4) => {}
            }
            pool.close(|session| session.used.elapsed() >= limit, "idle").await;
        }
        pool.places.close();
        pool.close(|_| true, "stopped").await;
    }
}

impl Pool {
    async fn render(&self, owner: Owner, url: &Url) -> Result<Rendered, Failed> {
        let stopped = |_| Failure::Unusable("no more are started".to_owned());
        let queue = self.queue(&owner.tenant);
        let _first = queue.acquire().await.map_err(stopped)?;
        let _place = self.places.acquire().await.map_err(stopped)?;
        let mut session = self.session(owner).await?;
        let in_use = Busy::new(self.settings.observe);
        let outcome = session.render(url, &self.settings.bounds).await;
        drop(in_use);
        match outcome {
            Ok(rendered) => {
                self.give_back(session).await;
                Ok(rendered)
            }
            Err(why @ (Failure::NoDocument | Failure::Egress(_) | Failure::TooLarge)) => {
                let screenshot = session.picture().await;
                self.give_back(session).await;
                Err(Failed { why, screenshot })
            }
            Err(why) => {
                let screenshot = match why {
                    Failure::Lost(_) => None,
                    _ => session.picture().await,
                };
                session.end(why.code()).await;
                Err(Failed { why, screenshot })
            }
        }
    }

    /// Where pages of this tenant wait for each other.
    fn queue(&self, tenant: &str) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(tenant).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Semaphore::new(self.settings.sessions));
        queues.insert(tenant.to_owned(), Arc::downgrade(&queue));
        queue
    }

    /// An idle browser of this owner, or a new one in the place of another's.
    async fn session(&self, owner: Owner) -> Result<Session, Failure> {
        let other = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = idle.iter().rposition(|session| session.owner == owner) {
                return Ok(idle.remove(at));
            }
            // Nobody else may take the place that it has until this caller is done.
            let full = idle.len() + (self.settings.sessions - self.places.available_permits()) > self.settings.sessions;
            if full { Some(idle.remove(0)) } else { None }
        };
        if let Some(other) = other {
            other.end("other_site").await;
        }
        Session::start(&self.settings, owner).await
    }

    async fn give_back(&self, mut session: Session) {
        if session.pages >= self.settings.pages {
            session.end("pages").await;
        } else if !session.is_tidy().await {
            session.end("windows").await;
        } else if self.places.is_closed() {
            session.end("stopped").await;
        } else {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }

    async fn close(&self, is_due: impl Fn(&Session) -> bool, why: &'static str) {
        let due: Vec<Session> = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.extract_if(.., |session| is_due(session)).collect()
        };
        for session in due {
            session.end(why).await;
        }
    }
}

/// Tells when work on a page begins and ends, even if it is dropped.
struct Busy(fn(Event));

impl Busy {
    fn new(observe: fn(Event)) -> Self {
        observe(Event::Busy);
        Self(observe)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        (self.0)(Event::Free);
    }
}
