//! One chromedriver with the one Chromium that it drives, in a folder of their own, ended as a whole.
//!
//! A shell (`watch.sh`) starts the driver and waits on a pipe. When the pipe's write end closes (this value is dropped, or the
//! owner is killed), it kills everything that has the folder as its `TMPDIR`, and removes the folder. So there is one way to
//! end a browser, whatever happened to it or to us; Chromium's profile, crash handlers and process groups need no care elsewhere.
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, SystemTime},
};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, timeout},
};

const SCRIPT: &str = include_str!("watch.sh");
/// Until chromedriver listens.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until nothing is left of it; the script's own bound is lower.
const ENDING: Duration = Duration::from_secs(10);
/// Chromium dies at its start, without a word, if its socket `FOLDER/org.chromium.Chromium.XXXXXX/SingletonSocket` has a name
/// longer than Unix allows (108 bytes with the end, unix(7)).
const MAX_FOLDER: usize = 62;
/// chromedriver takes a free port of IPv6 and ends if the same one of IPv4 is somebody else's; another start gets another.
const STARTS: usize = 4;
/// Where programs are looked for that chromedriver starts; the owner's environment holds secrets and is kept from it.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A running chromedriver.
#[derive(Debug)]
pub(super) struct Driver {
    shell: Child,
    /// Closing it ends everything.
    owner: Option<ChildStdin>,
    folder: PathBuf,
    port: u16,
}

impl Driver {
    /// Starts it below `parent` and waits until it listens.
    pub async fn start(program: &Path, parent: &Path) -> io::Result<Self> {
        for _ in 1..STARTS {
            match Self::start_once(program, parent).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                started => return started,
            }
        }
        Self::start_once(program, parent).await
    }

    async fn start_once(program: &Path, parent: &Path) -> io::Result<Self> {
        let folder = parent.join(name());
        if folder.as_os_str().len() > MAX_FOLDER {
            let told = format!(
                "{} is too long a name for Chromium's sockets: set TMPDIR to a shorter one",
                folder.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, told));
        }
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&folder)
            .arg(program)
            .arg("--port=0")
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let owner = shell.stdin.take();
        let mut driver = Self {
            shell,
            owner,
            folder,
            port: 0,
        };
        driver.port = driver.listening().await?;
        Ok(driver)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it and returns when nothing of it is left.
    pub async fn end(mut self) {
        drop(self.owner.take());
        match timeout(ENDING, self.shell.wait()).await {
            Ok(Ok(_)) => {}
            other => tracing::warn!(folder = %self.folder.display(), ?other, "a browser does not end"),
        }
    }

    async fn listening(&self) -> io::Result<u16> {
        let (log, deadline) = (self.folder.join("log"), Instant::now() + PATIENCE);
        loop {
            let said = tokio::fs::read_to_string(&log).await.unwrap_or_default();
            if let Some(port) = port_of(&said) {
                return Ok(port);
            }
            let last = said.lines().last().unwrap_or_default();
            if last.contains("port not available") {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, last.to_owned()));
            }
            if last.contains("not found") || last.contains("Permission denied") || Instant::now() > deadline {
                return Err(io::Error::other(format!("chromedriver does not listen: {last}")));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A name that no other folder has: of this process, of this moment, of this start.
fn name() -> String {
    static STARTS: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (now, start) = (since.unwrap_or_default().subsec_nanos(), STARTS.fetch_add(1, Relaxed));
    format!("browser-{}-{start}-{now:x}", std::process::id())
}

fn port_of(log: &str) -> Option<u16> {
    let (_, after) = log.split_once("started successfully on port ")?;
    after.split_once(|c: char| !c.is_ascii_digit())?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_line_that_tells_of_success() {
        let log = "Starting ChromeDriver 156.0 (x) on port 0\nOnly local connections are allowed.\n";
        assert_eq!(port_of(log), None);
        let log = format!("{log}ChromeDriver was started successfully on port 40961.");
        assert_eq!(port_of(&log), Some(40961));
        assert_eq!(
            port_of("ChromeDriver was started successfully on port 409"),
            None,
            "half a line"
        );
    }
}
