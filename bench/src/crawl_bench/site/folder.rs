//! The HTML files of a folder, served on loopback: documentation as its makers deliver it.
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::StatusCode;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use super::{Log, Visits, respond};

/// A served folder. Ends when it is dropped.
pub struct Folder {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    /// By the path of the URL, as it is written in one.
    files: HashMap<String, PathBuf>,
    log: Mutex<Log<String>>,
}

impl Folder {
    /// Serves the HTML files of a folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let mut files = HashMap::new();
        list(folder, folder, &mut files).with_context(|| folder.display().to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a folder")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            files,
            log: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _server: server,
        })
    }

    /// The URL of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far, and the paths of the pages among it.
    pub fn visits(&self) -> Visits<String> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Finds the files under a folder by the paths of their URLs; that of an index is its folder's as well.
fn list(root: &Path, folder: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if path.extension().is_some_and(|kind| kind == "html" || kind == "htm") {
            let place = Path::new("/").join(path.strip_prefix(root)?);
            let url = Url::from_file_path(place).ok().context("a name that no URL has")?;
            if let Some(of_folder) = url.path().strip_suffix("index.html").filter(|of| of.ends_with('/')) {
                files.insert(of_folder.to_owned(), path.clone());
            }
            files.insert(url.path().to_owned(), path);
        }
    }
    Ok(())
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        connections.spawn(async move {
            let answer = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let answer = shared.answer(request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            // A crawler may leave as it likes.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

impl Shared {
    fn answer(&self, path: &str) -> http::Response<http_body_util::Full<Bytes>> {
        let body = self.files.get(path).and_then(|file| fs::read(file).ok());
        let page = body.is_some().then(|| path.to_owned());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).note(page);
        match body {
            // Without a character set, as a plain file server has none: the pages name theirs.
            Some(body) => {
                let mut response = respond(StatusCode::OK, body);
                let html = http::HeaderValue::from_static("text/html");
                response.headers_mut().insert(http::header::CONTENT_TYPE, html);
                response
            }
            None => respond(StatusCode::NOT_FOUND, "no such page"),
        }
    }
}
