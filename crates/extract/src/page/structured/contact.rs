//! Ways to reach the people behind a page: one list from the markup, from links, and from the text itself.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::{hours, place, text, thing::Thing};
use crate::page::dom::Dom;

/// Most addresses of one kind.
const MAX_EACH: usize = 20;
/// How much of the content is searched for addresses.
const MAX_TEXT: usize = 200_000;

/// Addresses in the text. Letters of every script in the local part, the usual ones in the domain (RFC 5321, shortened).
static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[\p{L}\d._%+-]{1,64}@(?:[A-Za-z\d](?:[A-Za-z\d-]{0,62})\.){1,8}[A-Za-z]{2,24}\b").ok()
});

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Contact {
    emails: Vec<String>,
    telephones: Vec<String>,
    addresses: Vec<String>,
}

impl Contact {
    /// Takes what an item of the markup says of itself and of its contact points.
    pub fn of_item(&mut self, item: Thing<'_>) {
        let points = ["contactPoint", "contactPoints"]
            .into_iter()
            .flat_map(|key| item.list(key));
        for it in [item].into_iter().chain(points.take(MAX_EACH)) {
            it.list("email")
                .filter_map(|it| it.text(text::SHORT))
                .for_each(|email| self.email(&email));
            it.list("telephone")
                .filter_map(|it| it.text(text::SHORT))
                .for_each(|number| self.telephone(&number));
            let own = it.is(&["PostalAddress"]).then_some(it);
            for address in own.into_iter().chain(it.list("address")).filter_map(place::address) {
                add(&mut self.addresses, address);
            }
        }
    }

    /// Takes `mailto:` and `tel:` links, and addresses that Cloudflare scrambles against robots of another kind.
    pub fn of_links(&mut self, dom: &Dom) {
        for id in dom.elements(0, "a") {
            let href = dom.attribute(id, "href").unwrap_or_default().trim();
            let target = href.split('?').next().unwrap_or_default();
            let scheme = target.split(':').next().unwrap_or_default().to_ascii_lowercase();
            match scheme.as_str() {
                "mailto" => target.split(',').for_each(|part| self.email(part)),
                "tel" | "callto" => self.telephone(target),
                _ => {
                    let scrambled = dom
                        .attribute(id, "data-cfemail")
                        .or_else(|| href.strip_prefix("/cdn-cgi/l/email-protection#"));
                    scrambled
                        .and_then(unscrambled)
                        .iter()
                        .for_each(|email| self.email(email));
                }
            }
        }
        for id in dom.elements(0, "span") {
            let scrambled = dom.attribute(id, "data-cfemail");
            scrambled
                .and_then(unscrambled)
                .iter()
                .for_each(|email| self.email(email));
        }
    }

    /// Takes the addresses that a page's foot marks up as such.
    pub fn of_foot(&mut self, dom: &Dom) {
        for foot in hours::foots(dom) {
            for id in dom.elements(foot, "address") {
                let text = text::visible(dom, id, text::SHORT);
                let is_place = text.bytes().any(|byte| byte.is_ascii_digit()) && !text.contains(['@', '©']);
                if is_place
                    && (10..=200).contains(&text.len())
                    && !hours::is_unseen_in(dom, id, foot)
                    && !text::is_unseen(dom, id)
                {
                    add(&mut self.addresses, text);
                }
            }
        }
    }

    /// Takes e-mail addresses out of the content.
    pub fn of_text(&mut self, markdown: &str) {
        // The pattern is made when the first page has such a word.
        words_with_at(&markdown[..markdown.floor_char_boundary(MAX_TEXT)])
            .filter_map(|word| Some(EMAIL.as_ref()?.find_iter(word)))
            .flatten()
            .take(MAX_EACH)
            .for_each(|found| self.email(found.as_str()));
    }

    fn email(&mut self, text: &str) {
        let text = text
            .get(..7)
            .filter(|it| it.eq_ignore_ascii_case("mailto:"))
            .map_or(text, |_| &text[7..]);
        let text = text.replace("%20", " ").replace("%40", "@");
        let text = text.trim().trim_end_matches('.');
        let sane = text.len() <= 254
            && text
                .split_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'));
        let is_picture = [".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"]
            .iter()
            .any(|end| text.to_ascii_lowercase().ends_with(end));
        if sane
            && !is_picture
            && !text.contains(char::is_whitespace)
            && !self.emails.iter().any(|it| it.eq_ignore_ascii_case(text))
        {
            add(&mut self.emails, text.to_owned());
        }
    }

    fn telephone(&mut self, text: &str) {
        let text = text.split_once(':').map_or(text, |(_, number)| number);
        let text = text.replace("%20", " ").replace("%2B", "+").replace("%2b", "+");
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let own = digits(&text);
        // A number of another spelling is the same number.
        let known = self.telephones.iter().any(|it| digits(it) == own);
        if (3..=20).contains(&own.len()) && text.len() <= 60 && !known {
            add(&mut self.telephones, text.trim().to_owned());
        }
    }

    /// Whether nothing was found yet.
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty() && self.telephones.is_empty() && self.addresses.is_empty()
    }

    /// `emails`, `telephones`, `addresses`; none if all are empty.
    pub fn finish(self) -> Option<Value> {
        if self.is_empty() {
            return None;
        }
        let lists = [
            ("emails", self.emails),
            ("telephones", self.telephones),
            ("addresses", self.addresses),
        ];
        let named = lists.into_iter().map(|(name, list)| (name.to_owned(), json!(list)));
        Some(Value::Object(named.collect()))
    }
}

fn add(list: &mut Vec<String>, value: String) {
    if list.len() < MAX_EACH && !list.contains(&value) {
        list.push(value);
    }
}

/// The words of a text, as white space parts them, that have an `@`. Hardly a page has any, and the pattern is slow to see so.
fn words_with_at(text: &str) -> impl Iterator<Item = &str> {
    let mut end = 0;
    let mut signs = memchr::memchr_iter(b'@', text.as_bytes());
    std::iter::from_fn(move || {
        let at = signs.find(|at| *at >= end)?;
        let length = text[at..].find(char::is_whitespace);
        end = length.map_or(text.len(), |length| at + length);
        text[..end].split_whitespace().next_back()
    })
}

/// Hexadecimal; the first byte is the key that the others were combined with by exclusive or.
fn unscrambled(hex: &str) -> Option<String> {
    if hex.len() > 600 || !hex.is_ascii() {
        return None;
    }
    let bytes = (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    let (key, rest) = bytes.split_first()?;
    String::from_utf8(rest.iter().map(|byte| byte ^ key).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str, text: &str) -> Option<Value> {
        let mut contact = Contact::default();
        let dom = Dom::parse(html);
        contact.of_links(&dom);
        contact.of_foot(&dom);
        contact.of_text(text);
        contact.finish()
    }

    #[test]
    fn links_and_text() {
        let html = "<a href='MAILTO:help@e.com?subject=x'>m</a><a href='mailto:a%40e.com,b@e.com'>m</a><a href='mailto:'>m</a>\
            <a href='tel:+49%2030 123'>t</a><a href='tel:+4930123'>t</a><a href='tel:0'>t</a>\
            <span data-cfemail='543c3139243479352036'>x</span>";
        let contact = found(
            html,
            "Write to Help@e.com, sales@shop.example.org. or icon@2x.png or a@b",
        )
        .unwrap();
        assert_eq!(
            contact["emails"],
            json!(["help@e.com", "a@e.com", "b@e.com", "sales@shop.example.org"])
        );
        assert_eq!(contact["telephones"], json!(["+49 30 123"]));
        assert_eq!(found("<a href=/x>x</a>", "nothing here"), None);
        let foot = "<address>Harbour Street 12<br>12345 Springfield</address><address>Our team</address><address hidden>Street 13, Town</address>";
        let contact = found(&format!("<footer>{foot}</footer>"), "").unwrap();
        assert_eq!(contact["addresses"], json!(["Harbour Street 12 12345 Springfield"]));
        assert_eq!(found(&format!("<article>{foot}</article>"), ""), None);
        // help@e.com under the key 0x54.
        let scrambled = "543c31382414317a373b39";
        let contact = found(&format!("<a href='/cdn-cgi/l/email-protection#{scrambled}'>x</a>"), "").unwrap();
        assert_eq!(contact["emails"], json!(["help@e.com"]));
    }
}
