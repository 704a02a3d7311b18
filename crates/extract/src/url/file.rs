//! What the file name in a URL promises.

use ::url::Url;

/// Extensions of what pages are made of.
const PARTS: &[&str] = &[
    "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "heic", "css", "js", "mjs", "map",
    "wasm", "woff", "woff2", "ttf", "otf", "eot",
];
/// Extensions of documents, data, recordings, archives and programs.
const OTHERS: &[&str] = &[
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "epub", "mobi", "rtf", "eps", "psd",
    "txt", "csv", "tsv", "json", "xml", "rss", "atom", "ics", "vcf", "mp3", "mp4", "m4a", "m4v", "avi", "mov", "mkv",
    "webm", "ogg", "ogv", "oga", "wav", "flac", "wmv", "flv", "m3u8", "zip", "gz", "tgz", "bz2", "xz", "7z", "rar",
    "tar", "zst", "iso", "dmg", "exe", "msi", "apk", "deb", "rpm", "pkg", "jar", "war", "bin", "swf", "torrent",
];
/// Folders of scripts.
const SCRIPTS: &[&str] = &[
    "js",
    "javascript",
    "javascripts",
    "script",
    "scripts",
    "static",
    "assets",
    "dist",
    "build",
    "lib",
    "vendor",
    "cdn",
    "_next",
    "_nuxt",
    "_static",
    "wp-content",
    "wp-includes",
];

/// Something that is no page by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// What pages are made of: a picture, a style sheet, a script, a font.
    Part,
    /// Something by itself, such as a document or an archive; its extension in lower case.
    Other(&'static str),
}

/// What a GET of the URL is likely to answer with instead of an HTML page, by its file name's extension. `/docs/node.js` may be a
/// page about a library, which `/static/app.js` and `/app.min.js?v=2` are not.
#[must_use]
pub fn file(url: &Url) -> Option<File> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    if let Some(known) = OTHERS.iter().find(|known| **known == extension) {
        return Some(File::Other(known));
    }
    let is_part = PARTS.contains(&extension.as_str()) && !(extension == "js" && may_be_a_library(url, stem));
    is_part.then_some(File::Part)
}

/// Whether a script's name may be that of a library that a page tells about: `vue`, not `vue.min` or `main-8f3a1c2b`, and not among
/// scripts.
fn may_be_a_library(url: &Url, stem: &str) -> bool {
    let among_scripts = url
        .path()
        .split('/')
        .any(|folder| SCRIPTS.iter().any(|name| folder.eq_ignore_ascii_case(name)));
    let is_word = !stem.is_empty() && stem.len() <= 24 && stem.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word && !among_scripts && url.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Option<File> {
        file(&Url::parse(url).unwrap())
    }

    #[test]
    fn files_are_told_by_their_extension() {
        for page in [
            "/",
            "/a",
            "/a.html",
            "/v1.2/",
            "/x.php?f=a.png",
            "/wiki/ASP.net",
            "/.pdf/",
        ] {
            assert_eq!(of(&format!("https://e.com{page}")), None, "{page}");
        }
        for part in ["/a.PNG", "/main.css", "/logo.svg?v=2", "/f.woff2"] {
            assert_eq!(of(&format!("https://e.com{part}")), Some(File::Part), "{part}");
        }
        assert_eq!(of("https://e.com/manual.PDF?x=1"), Some(File::Other("pdf")));
        assert_eq!(of("https://e.com/a.tar.gz"), Some(File::Other("gz")));
        assert_eq!(of("https://e.com/letter.docx"), Some(File::Other("docx")));
    }

    #[test]
    fn a_page_about_a_script_is_none() {
        for page in ["/docs/node.js", "/wiki/Vue.js", "/node.js"] {
            assert_eq!(of(&format!("https://e.com{page}")), None, "{page}");
        }
        for script in [
            "/static/app.js",
            "/js/cart.js",
            "/app.min.js",
            "/app.js?v=2",
            "/main-8f3a1c2b.js",
            "/jquery-3.7.1.js",
            "/module.mjs",
        ] {
            assert_eq!(of(&format!("https://e.com{script}")), Some(File::Part), "{script}");
        }
    }
}
