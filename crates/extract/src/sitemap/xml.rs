//! A tolerant scanner of XML. It knows no DTD, so that no entity can expand, and no nesting, so that no depth can hurt.

use std::borrow::Cow;

/// What the scanner finds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A start tag.
    Open {
        name: &'a str,
        attributes: &'a str,
        /// Whether it is an end tag as well (`<x/>`).
        empty: bool,
    },
    /// An end tag.
    Close(&'a str),
    /// Text with entities decoded, or the inside of a CDATA section.
    Text(Cow<'a, str>),
}

/// The tokens of a text; comments, declarations and instructions are left out.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Takes the rest up to `end`, and skips `end` itself.
    fn up_to(&mut self, end: &str) -> &'a str {
        let at = self.rest.find(end).unwrap_or(self.rest.len());
        let taken = &self.rest[..at];
        self.rest = self.rest.get(at + end.len()..).unwrap_or_default();
        taken
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let text = &self.rest[..self.rest.find('<').unwrap_or(self.rest.len())];
            self.rest = &self.rest[text.len()..];
            if !text.is_empty() {
                return Some(Token::Text(decode_entities(text)));
            }
            if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                self.rest = rest;
                return Some(Token::Text(Cow::Borrowed(self.up_to("]]>"))));
            }
            if let Some(rest) = self.rest.strip_prefix("<!--") {
                self.rest = rest;
                self.up_to("-->");
                continue;
            }
            self.rest = self.rest.strip_prefix('<')?;
            let tag = self.up_to(">");
            if let Some(name) = tag.strip_prefix('/') {
                return Some(Token::Close(name.trim()));
            }
            if !tag.starts_with(['!', '?']) {
                let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
                let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
                return Some(Token::Open {
                    name,
                    attributes,
                    empty,
                });
            }
        }
    }
}

/// The prefix (or the empty string) and the local part of a name.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// The value of an attribute in the inside of a tag.
pub(super) fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after[1..].split_once(quote)?;
        if name.trim() == wanted {
            return Some(decode_entities(value));
        }
        rest = next;
    }
    None
}

/// The five XML entities and character references; anything else stays as it stands, so that nothing can expand.
fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.as_bytes().iter().take(12).position(|byte| *byte == b';');
        if let Some((end, decoded)) = end.and_then(|end| Some((end, entity(&rest[1..end])?))) {
            out.push(decoded);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_attributes() {
        let text = "a&amp;b<x:y c = 'd&#62;' e=\"f\"/><![CDATA[<z>&amp;]]><!-- <no> --><?pi?></x:y ><open";
        let tokens: Vec<Token<'_>> = Tokens::new(text).collect();
        let attributes = "c = 'd&#62;' e=\"f\"";
        assert_eq!(
            tokens,
            [
                Token::Text("a&b".into()),
                Token::Open {
                    name: "x:y",
                    attributes,
                    empty: true
                },
                Token::Text("<z>&amp;".into()),
                Token::Close("x:y"),
                Token::Open {
                    name: "open",
                    attributes: "",
                    empty: false
                },
            ]
        );
        assert_eq!(attribute(attributes, "c").as_deref(), Some("d>"));
        assert_eq!(attribute(attributes, "e").as_deref(), Some("f"));
        assert_eq!(attribute(attributes, "d"), None);
        assert_eq!(attribute("a=b c='d'", "c"), None, "unquoted values are not XML");
    }
}
