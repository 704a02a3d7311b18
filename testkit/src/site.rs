//! Real local web sites: pages by path, with statuses, headers, delays and conditional answers, and a log of who asked.
use poem::{
    Endpoint, IntoResponse, Request, Response, Server,
    http::{HeaderName, HeaderValue, StatusCode},
    listener::{Acceptor, Listener, TcpListener},
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

/// What a path answers.
#[derive(Clone, Debug)]
pub struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    then: Option<Box<Page>>,
}

impl Page {
    /// An HTML page with this title and body.
    pub fn html(title: &str, body: &str) -> Self {
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>"
        );
        Self::raw("text/html; charset=utf-8", html)
    }

    /// Any body.
    pub fn raw(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        Self {
            status: 200,
            headers,
            body: body.into(),
            delay: Duration::ZERO,
            then: None,
        }
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        Self::raw("text/plain", "").status(302).header("location", to)
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With a header. An `etag` makes the page answer 304 to whoever has it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Answering after a while.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answering once, and then as `next` does.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.then = Some(Box::new(next));
        self
    }
}

/// One request that the site saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Path and query.
    pub path: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// What it was answered.
    pub status: u16,
}

#[derive(Default)]
struct State {
    pages: Mutex<BTreeMap<String, Page>>,
    folder: Option<PathBuf>,
    hits: Mutex<Vec<Hit>>,
}

/// A web site on a loopback port; it ends when it is dropped.
pub struct Site {
    address: std::net::SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Site {
    /// Serves `pages` by their paths; everything else is 404.
    pub async fn start(pages: impl IntoIterator<Item = (impl Into<String>, Page)>) -> Self {
        let pages = pages.into_iter().map(|(path, page)| (path.into(), page)).collect();
        Self::serve(State {
            pages: Mutex::new(pages),
            ..State::default()
        })
        .await
    }

    /// Serves the files of a folder, `index.html` for folders.
    pub async fn folder(folder: impl Into<PathBuf>) -> Self {
        Self::serve(State {
            folder: Some(folder.into()),
            ..State::default()
        })
        .await
    }

    #[expect(clippy::disallowed_methods, reason = "the task ends with the site")]
    async fn serve(state: State) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a loopback port");
        let address = acceptor
            .local_addr()
            .into_iter()
            .find_map(|a| a.as_socket_addr().copied())
            .expect("an address");
        let state = Arc::new(state);
        let endpoint = SiteEndpoint(state.clone());
        let server = tokio::spawn(async move {
            // The site is dropped with the test; an error would show as refused connections there.
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self { address, state, server }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `127.0.0.1:port`: what an operator's exception and a customer's domain are called.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Sets what a path answers from now on.
    pub fn set(&self, path: &str, page: Page) {
        self.state
            .pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.into(), page);
    }

    /// Makes a path answer 404 from now on.
    pub fn remove(&self, path: &str) {
        self.state
            .pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path);
    }

    /// The requests so far.
    pub fn hits(&self) -> Vec<Hit> {
        self.state.hits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct SiteEndpoint(Arc<State>);

impl Endpoint for SiteEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request
            .uri()
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string);
        let page = self.page(&path).await;
        tokio::time::sleep(page.delay).await;
        let etag = page
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("etag"))
            .map(|(_, v)| v.as_str());
        let known = request.header("if-none-match");
        let unchanged = etag.is_some() && etag == known;
        let status = if unchanged { 304 } else { page.status };
        let user_agent = request.header("user-agent").unwrap_or_default().to_owned();
        self.0.hits.lock().unwrap_or_else(PoisonError::into_inner).push(Hit {
            path,
            user_agent,
            status,
        });
        let body = if unchanged { Vec::new() } else { page.body };
        let mut response = body.into_response();
        response.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        response.headers_mut().clear();
        for (name, value) in &page.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    }
}

impl SiteEndpoint {
    fn set_page(&self, path: &str) -> Option<Page> {
        let mut pages = self.0.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.get(path)?.clone();
        if let Some(next) = &page.then {
            pages.insert(path.to_owned(), Page::clone(next));
        }
        Some(page)
    }

    async fn page(&self, path: &str) -> Page {
        if let Some(page) = self.set_page(path) {
            return page;
        }
        let missing = Page::raw("text/plain", "not here").status(404);
        let Some(folder) = &self.0.folder else { return missing };
        let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        if path.split('/').any(|part| part == "..") {
            return missing;
        }
        let mut file = folder.join(path);
        if file.is_dir() {
            file = file.join("index.html");
        }
        let content_type = match file.extension().and_then(|e| e.to_str()) {
            Some("html" | "htm") => "text/html",
            Some("css") => "text/css",
            Some("js") => "text/javascript",
            Some("txt") => "text/plain",
            _ => "application/octet-stream",
        };
        tokio::fs::read(&file)
            .await
            .map_or(missing, |body| Page::raw(content_type, body))
    }
}
