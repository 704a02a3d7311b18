//! One HTML page: decoded, parsed once, and read for its main content, metadata, links and structured data.
//!
//! The order of the steps is the safety argument: [`encoding`] bounds nothing, so [`extract`] refuses large bodies first;
//! [`guard`] bounds nesting and attributes before the parser sees the text; [`dom`] copies the parsed tree into a flat
//! arena on which every later step is a loop or a recursion of bounded depth, and [`steps`] bounds all of them together.

mod content;
mod dates;
mod directives;
mod dom;
mod encoding;
mod guard;
mod head;
mod links;
mod markdown;
mod meta;
mod patterns;
mod sniff;
mod space;
mod steps;
mod structured;
mod tree;

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use ::url::Url;
use serde::Serialize;

pub(crate) use encoding::decode;
pub use {
    directives::Directives,
    links::{Link, Refresh, Relation},
    structured::{Kind, Source, Structured},
};

/// Largest body that is parsed, in bytes.
pub const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;
/// Most bytes of JSON that a page's structured data has.
pub const MAX_STRUCTURED_BYTES: usize = 256 * 1024;
/// Stack that [`extract_guarded`] works on, in bytes: four times what the deepest accepted page needs
/// in a build without optimisation.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Why a page has no extraction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is larger than [`MAX_BODY_BYTES`].
    #[error("the page has {0} bytes, more than {MAX_BODY_BYTES}")]
    TooLarge(usize),
    /// The content type says that this is not HTML, or the bytes do.
    #[error("not an HTML page: {0}")]
    NotHtml(String),
    /// Looking through the page would take too long: it is made, or has grown, so that each part leads to all others.
    #[error("the page takes too much work to read")]
    TooMuchWork,
    /// The extraction panicked; a fault of this crate, kept from taking the worker with it.
    #[error("the extraction failed: {0}")]
    Panicked(String),
}

/// One answer to a GET.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The final URL, after redirects; relative links resolve against it.
    pub url: &'a Url,
    /// The body as received, content encoding removed.
    pub body: &'a [u8],
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
}

/// What a page is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// It says something.
    #[default]
    Content,
    /// It only leads to other pages: an index, a table of contents, a site map. Its text answers nobody, its links are
    /// worth following.
    Navigation,
}

/// What a page says.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// What it is for; [`PageKind::Navigation`] is better left out of an index.
    pub kind: PageKind,
    /// The page's own title without the site's name where that can be told apart; may be empty.
    pub title: String,
    /// ISO 639-1 code (639-3 where there is none): the `lang` attribute, else detected when the detection is reliable.
    pub language: Option<String>,
    /// `<link rel=canonical>`, absolute and normalised.
    pub canonical: Option<Url>,
    /// The main content. Links are their text only, so that addresses do not dilute the embedding.
    pub markdown: String,
    /// Words of the main content (runs of letters, digits and underscores).
    pub text_words: usize,
    /// Every distinct link in document order, normalised.
    pub links: Vec<Link>,
    /// The feeds that the page names; [`crate::sitemap::parse`] reads them.
    pub feeds: Vec<Url>,
    /// Where a `<meta http-equiv=refresh>` sends the reader on.
    pub refresh: Option<Refresh>,
    /// What the robots meta elements ask of every robot; [`Page::directives`] adds what they ask of one.
    pub robots: Directives,
    /// What other meta elements ask of the robot that they name, names in lower case.
    pub named_robots: Vec<(String, Directives)>,
    /// Products, questions, contact data and the like.
    pub structured: Vec<Structured>,
    /// Date of publication as the page gives it (ISO 8601).
    pub published: Option<String>,
    /// Date of the last change as the page gives it (ISO 8601).
    pub modified: Option<String>,
    /// Who wrote it, as its head says.
    pub author: Option<String>,
}

impl Page {
    /// What the page asks of the robot whose product token is `agent`.
    #[must_use]
    pub fn directives(&self, agent: &str) -> Directives {
        let own = self
            .named_robots
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(agent));
        own.fold(self.robots, |sum, (_, told)| sum.and(*told))
    }
}

/// Reads one page on the caller's stack. Use [`extract_guarded`] unless the caller's thread has 16 MiB of stack.
pub fn extract(input: &Input<'_>) -> Result<Page, Error> {
    let tld = input.url.host_str().and_then(|host| host.rsplit('.').next());
    let html = text(input.body, input.content_type, tld)?;
    let dom = dom::Dom::parse(&guard::bounded(&html));
    let base = links::base(&dom, input.url);
    let json_ld = structured::json_ld(&dom);
    let title = meta::title(&dom);
    let content = content::main(&dom, input.url);
    let markdown = markdown::render(&dom, &content);
    let language = meta::language(&dom, &markdown);
    let (robots, named_robots) = directives::find(&dom);
    let (published, modified) = dates::find(&dom, &json_ld);
    let page = Page {
        kind: if content.navigational {
            PageKind::Navigation
        } else {
            PageKind::Content
        },
        language,
        canonical: links::canonical(&dom, &base),
        text_words: words(&markdown),
        links: links::collect(&dom, &base),
        feeds: links::feeds(&dom, &base),
        refresh: links::refresh(&dom, &base),
        robots,
        named_robots,
        structured: structured::collect(&dom, &base, &json_ld, &markdown),
        published,
        modified,
        author: meta::author(&dom),
        title,
        markdown,
    };
    // What was cut short may be wrong in any part.
    if dom.steps.are_spent() {
        Err(Error::TooMuchWork)
    } else {
        Ok(page)
    }
}

/// [`extract`] on a stack for the deepest page that the guard lets through; a panic becomes [`Error::Panicked`]. Blocks the calling
/// thread.
pub fn extract_guarded(input: &Input<'_>) -> Result<Page, Error> {
    on_deep_stack(|| extract(input))?
}

/// The `content` of each `<meta>` of this name that stands in the page's head. Blocks the calling thread as [`extract_guarded`]
/// does, and refuses the same bodies.
pub fn head_metas(body: &[u8], content_type: Option<&str>, name: &str) -> Result<Vec<String>, Error> {
    let html = text(body, content_type, None)?;
    on_deep_stack(|| head::metas(&html, name))
}

/// A new stack costs much less than a new thread, which would also find the caches of the allocator and of patterns cold.
fn on_deep_stack<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    // What a panic leaves behind is dropped with it.
    let work = AssertUnwindSafe(|| stacker::grow(STACK_BYTES, work));
    catch_unwind(work).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Error::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
    })
}

/// The source of a page, if the body is one.
fn text<'a>(body: &'a [u8], content_type: Option<&str>, tld: Option<&str>) -> Result<Cow<'a, str>, Error> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Error::TooLarge(body.len()));
    }
    if let Some(content_type) = content_type.filter(|value| !is_html(value)) {
        return Err(Error::NotHtml(content_type.to_owned()));
    }
    if sniff::is_known_file(body) {
        return Err(Error::NotHtml("it begins like a file of another kind".to_owned()));
    }
    let text = decode(body, content_type, tld);
    if sniff::is_binary(&text) {
        return Err(Error::NotHtml("it begins with binary data".to_owned()));
    }
    Ok(text)
}

fn is_html(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.is_empty() || essence == "text/html" || essence == "application/xhtml+xml"
}

/// Words as the extraction benchmark counts them.
pub(crate) fn words(text: &str) -> usize {
    let (mut words, mut inside) = (0, false);
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let is_part = if byte.is_ascii() {
            at += 1;
            byte.is_ascii_alphanumeric() || *byte == b'_'
        } else {
            let c = text[at..].chars().next().unwrap_or_default();
            at += c.len_utf8();
            c.is_alphanumeric()
        };
        words += usize::from(is_part && !inside);
        inside = is_part;
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::words;

    proptest! {
        #[test]
        fn words_are_runs_of_letters_digits_and_underscores(text in "[a-b1_ .’éß世😀\n]{0,40}|(?s).{0,40}") {
            let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            prop_assert_eq!(words(&text), parts.filter(|part| !part.is_empty()).count());
        }
    }
}
