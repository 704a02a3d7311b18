//! A local site of fixed answers, and browsers that may see it.
use browser::{Browsers, Failed, Rendered, Settings};
use poem::{
    Endpoint, IntoResponse as _, Request, Response, Server,
    http::StatusCode,
    listener::{Acceptor as _, Listener as _, TcpListener},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use url::Url;

#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub delay: Duration,
}

pub fn html(body: &str) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", "text/html; charset=utf-8".to_owned())],
        body: format!("<!doctype html><html><head><title>T</title></head><body>{body}</body></html>"),
        delay: Duration::ZERO,
    }
}

pub fn raw(content_type: &str, body: &str) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", content_type.to_owned())],
        body: body.to_owned(),
        delay: Duration::ZERO,
    }
}

impl Answer {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

#[derive(Clone)]
struct Pages {
    answers: Arc<BTreeMap<String, Answer>>,
    hits: Arc<Mutex<Vec<String>>>,
}

impl Endpoint for Pages {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        self.hits.lock().unwrap().push(path.clone());
        let found = self
            .answers
            .get(&path)
            .or_else(|| self.answers.get(path.split('?').next().unwrap()));
        let Some(answer) = found else {
            return Ok(StatusCode::NOT_FOUND.into_response());
        };
        tokio::time::sleep(answer.delay).await;
        let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        Ok(response.body(answer.body.clone()))
    }
}

/// A site and a pool of browsers with a folder of its own.
pub struct World {
    pub base: Url,
    pub browsers: Browsers,
    pub folder: TempDir,
    hits: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

pub fn chromedriver() -> PathBuf {
    let places = ["/usr/bin/chromedriver", "/usr/local/bin/chromedriver"].map(PathBuf::from);
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("chromium and chromedriver are needed: apt-get install chromium chromium-driver"))
}

impl World {
    pub async fn new<const N: usize>(answers: [(&str, Answer); N]) -> Self {
        Self::with(answers, |_| {}).await
    }

    pub async fn with<const N: usize>(answers: [(&str, Answer); N], change: impl FnOnce(&mut Settings)) -> Self {
        let answers = answers.map(|(path, answer)| (path.to_owned(), answer));
        Self::at("127.0.0.1:0", BTreeMap::from(answers), change).await
    }

    #[expect(clippy::disallowed_methods, reason = "the task ends with the test's runtime")]
    pub async fn at(place: &str, answers: BTreeMap<String, Answer>, change: impl FnOnce(&mut Settings)) -> Self {
        let acceptor = TcpListener::bind(place).into_acceptor().await.unwrap();
        let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        let pages = Pages {
            answers: Arc::new(answers),
            hits: Arc::default(),
        };
        let hits = pages.hits.clone();
        let server = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(pages).await;
        });
        let folder = TempDir::with_prefix("browser-it-").unwrap();
        let mut settings = Settings::new(chromedriver(), "TestBot/1 (+http://bot.test/)");
        settings.allow = vec![address.to_string().parse().unwrap()];
        folder.path().clone_into(&mut settings.folder);
        change(&mut settings);
        Self {
            base: Url::parse(&format!("http://{address}/")).unwrap(),
            browsers: Browsers::new(Some(settings)),
            folder,
            hits,
            server,
        }
    }

    pub fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    pub async fn render(&self, path: &str) -> Result<Rendered, Failed> {
        self.browsers.render("tenant", &self.url(path)).await
    }

    pub async fn html(&self, path: &str) -> String {
        let rendered = self.render(path).await.unwrap();
        assert_eq!(rendered.status, 200);
        rendered.html
    }

    pub fn hits(&self, path: &str) -> usize {
        self.hits.lock().unwrap().iter().filter(|hit| *hit == path).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The processes that have `folder`, or one below it, as their temporary folder or on their command line.
pub fn processes_in(folder: &Path) -> Vec<(u32, String)> {
    let named = folder.to_str().unwrap();
    let read = |pid: u32, file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    pids.filter(|pid| *pid != own)
        .map(|pid| (pid, read(pid, "cmdline"), read(pid, "environ")))
        .filter(|(_, line, environ)| line.contains(named) || environ.contains(named))
        .map(|(pid, line, _)| (pid, line))
        .collect()
}

/// Waits until neither a process nor a folder is left.
pub async fn nothing_left(folder: &Path) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let left = (processes_in(folder), std::fs::read_dir(folder).unwrap().count());
        if left.0.is_empty() && left.1 == 0 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "left: {left:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// All files below `folder`, as text.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_in(&entry.path()),
            _ => vec![entry.path().display().to_string()],
        })
        .collect()
}
