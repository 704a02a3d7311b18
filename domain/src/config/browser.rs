//! The browser that renders pages which have no content without JavaScript.
use super::Reader;
use std::path::{Path, PathBuf};

/// Where chromedriver is, and how many browsers it may drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserConfig {
    /// chromedriver; without one, pages that need a browser are told apart and left out.
    pub chromedriver: Option<PathBuf>,
    /// Browsers at once in this process; each takes about 300 MB.
    pub sessions: usize,
    /// Chromium runs without its own sandbox, for containers that let it make none.
    pub no_sandbox: bool,
}

impl BrowserConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        const EXAMPLE: &str = "/usr/bin/chromedriver";
        let chromedriver = match r.optional("CHROMEDRIVER").as_deref() {
            Some("off") => None,
            Some(path) => {
                if !is_program(Path::new(path)) {
                    r.wrong("CHROMEDRIVER", "must be the path of chromedriver, or off", EXAMPLE);
                }
                Some(PathBuf::from(path))
            }
            None => on_path(&r.optional("PATH").unwrap_or_default()),
        };
        Self {
            chromedriver,
            sessions: r.number("BROWSER_SESSIONS", 2, 1..=32, "2"),
            no_sandbox: r.parsed("BROWSER_NO_SANDBOX", false, "true"),
        }
    }
}

fn on_path(path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join("chromedriver"))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_absolute() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(variables: &[(&str, &str)]) -> (BrowserConfig, usize) {
        let map: BTreeMap<String, String> = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let mut reader = Reader::new(&map);
        let config = BrowserConfig::read(&mut reader);
        (config, reader.finish().len())
    }

    #[test]
    fn chromedriver_is_named_or_found_on_the_path_or_switched_off() {
        let folder = std::env::temp_dir().join(format!("omniops-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (folder, file) = (folder.display().to_string(), folder.join("chromedriver"));
        std::fs::write(&file, "").unwrap();
        let path = format!("/nowhere:relative:{folder}");
        let (found, errors) = read(&[("PATH", &path)]);
        assert_eq!((found.chromedriver, found.sessions, errors), (Some(file.clone()), 2, 0));
        assert_eq!(read(&[("PATH", &path), ("CHROMEDRIVER", "off")]).0.chromedriver, None);
        let named = file.display().to_string();
        assert_eq!(read(&[("CHROMEDRIVER", &named)]).0.chromedriver, Some(file));
        assert_eq!(read(&[("CHROMEDRIVER", "/nowhere/chromedriver")]).1, 1);
        assert_eq!(read(&[]).0.chromedriver, None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
