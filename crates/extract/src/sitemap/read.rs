//! The entries of sitemaps, sitemap indexes, RSS and Atom feeds: each is a list of elements with a few fields.

use super::{
    Entry, MAX_ENTRIES, MAX_TRANSLATIONS, Sitemap, Translation,
    xml::{Token, Tokens, attribute, split},
};

/// Longest address that is kept, in bytes.
const MAX_LOC: usize = 4096;

/// The elements that are entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// `url` of a sitemap.
    Page,
    /// `sitemap` of an index.
    Child,
    /// `item` of RSS, `entry` of Atom.
    Article,
}

fn container_of(local: &str) -> Option<Container> {
    Some(match local {
        "url" => Container::Page,
        "sitemap" => Container::Child,
        "item" | "entry" => Container::Article,
        _ => return None,
    })
}

/// What the reader is inside of.
#[derive(Default)]
struct State<'a> {
    /// The open entry: its prefix and kind.
    container: Option<(&'a str, Container)>,
    /// The open element directly inside the entry.
    field: Option<&'a str>,
    text: String,
    entry: Entry,
    /// RSS: the article's identity, often its address.
    guid: String,
}

/// Reads the entries of any of the forms; `feed` says that `item` and `entry` are entries, and nothing else.
pub(super) fn read(text: &str, feed: bool) -> Sitemap {
    let mut out = Sitemap::default();
    let mut state = State::default();
    for token in Tokens::new(text) {
        let more = match token {
            Token::Text(text) => {
                if state.field.is_some() && state.text.len() <= MAX_LOC {
                    state.text.push_str(&text);
                }
                true
            }
            Token::Close(name) => state.close(name, feed, &mut out),
            Token::Open {
                name,
                attributes,
                empty,
            } => state.open(name, attributes, feed, &mut out) && (!empty || state.close(name, feed, &mut out)),
        };
        if !more {
            out.truncated = true;
            return out;
        }
    }
    // A cut file may end in the middle of an address.
    if state.field.is_none() && !state.finish(&mut out) {
        out.truncated = true;
    }
    out
}

impl<'a> State<'a> {
    /// Takes a start tag; false when the list is full.
    fn open(&mut self, name: &'a str, attributes: &str, feed: bool, out: &mut Sitemap) -> bool {
        let (prefix, local) = split(name);
        if let Some(kind) = container_of(local).filter(|kind| (*kind == Container::Article) == feed) {
            // An entry that is not closed ends where the next one begins.
            let room = self.finish(out);
            self.container = Some((prefix, kind));
            return room;
        }
        let Some((own, kind)) = self.container else { return true };
        self.store();
        if kind == Container::Page && local == "link" && prefix != own {
            self.translation(attributes, out);
        } else if kind == Container::Article && local == "link" && prefix == own {
            self.atom_link(attributes);
            self.field = Some(local);
        } else if (prefix == own && is_field(local)) || (prefix == "dc" && local == "date") {
            // The prefix must be the entry's: `image:loc` names a picture, not the page.
            self.field = Some(local);
        }
        true
    }

    /// Takes an end tag; false when the list is full.
    fn close(&mut self, name: &str, feed: bool, out: &mut Sitemap) -> bool {
        let local = split(name).1;
        if container_of(local).is_some_and(|kind| (kind == Container::Article) == feed) {
            return self.finish(out);
        }
        if self.field == Some(local) {
            self.store();
        }
        true
    }

    /// Keeps the text of the open field.
    fn store(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let Some(field) = self.field.take().filter(|_| !text.is_empty()) else {
            return;
        };
        match field {
            "loc" | "link" if self.entry.loc.is_empty() => text.clone_into(&mut self.entry.loc),
            "guid" => text.clone_into(&mut self.guid),
            // Of an article the last change counts.
            "lastmod" | "updated" => self.entry.lastmod = Some(text.to_owned()),
            "pubDate" | "published" | "date" if self.entry.lastmod.is_none() => {
                self.entry.lastmod = Some(text.to_owned());
            }
            _ => {}
        }
    }

    fn translation(&mut self, attributes: &str, out: &mut Sitemap) {
        let is_alternate = attribute(attributes, "rel").is_some_and(|rel| rel.eq_ignore_ascii_case("alternate"));
        let (Some(language), Some(href)) = (attribute(attributes, "hreflang"), attribute(attributes, "href")) else {
            return;
        };
        let sane = language.len() <= 35 && href.len() <= MAX_LOC && out.translations < MAX_TRANSLATIONS;
        if is_alternate && sane {
            out.translations += 1;
            self.entry.translations.push(Translation {
                language: language.trim().to_ascii_lowercase(),
                loc: href.trim().to_owned(),
            });
        }
    }

    fn atom_link(&mut self, attributes: &str) {
        let rel = attribute(attributes, "rel");
        if let Some(href) = attribute(attributes, "href")
            && rel.is_none_or(|rel| rel == "alternate")
            && self.entry.loc.is_empty()
        {
            href.trim().clone_into(&mut self.entry.loc);
        }
    }

    /// Ends the open entry; false when the list is full.
    fn finish(&mut self, out: &mut Sitemap) -> bool {
        self.store();
        let Self {
            container,
            mut entry,
            guid,
            ..
        } = std::mem::take(self);
        let Some((_, kind)) = container else { return true };
        if entry.loc.is_empty() && (guid.starts_with("http://") || guid.starts_with("https://")) {
            entry.loc = guid;
        }
        if entry.loc.is_empty() || entry.loc.len() > MAX_LOC {
            return true;
        }
        let list = if kind == Container::Child {
            &mut out.sitemaps
        } else {
            &mut out.urls
        };
        let room = list.len() < MAX_ENTRIES;
        if room {
            list.push(entry);
        }
        room
    }
}

fn is_field(local: &str) -> bool {
    matches!(
        local,
        "loc" | "lastmod" | "guid" | "pubDate" | "updated" | "published" | "date"
    )
}
