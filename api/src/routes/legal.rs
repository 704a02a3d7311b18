//! `/privacy`, `/terms` and `/accessibility`: what holds for visitors, with the data of the customer whose site they come from, in
//! their language. The customer is that of `?domain=`, else that of the page's own host; without one the texts are general.
use domain::{
    Error,
    error::Kind,
    language::Locale,
    privacy::{PrivacySettings, retention},
    tenancy::{AssistantSettings, Customer, HostName, find_by_host},
};
use poem::{Request, Response, Route, error::NotFoundError, get, handler, http::header, web::Data};
use serde::Deserialize;
use std::{fmt::Write, time::Duration};
use time::format_description::well_known::Rfc3339;

use super::pages_html::{escape, template};
use crate::{
    Context,
    assets::legal::{Line, Shape, Texts, texts},
    error::Failure,
    policy::Policy,
};

/// For how long what is told of the contact may be believed; asked again, it holds anew.
const CONTACT_HOLDS: Duration = Duration::from_hours(30 * 24);
const PAGES: [&str; 3] = ["privacy", "terms", "accessibility"];

/// Adds the pages.
pub fn add(routes: Route) -> Route {
    let routes = routes
        .at("/.well-known/gpc.json", get(gpc))
        .at("/.well-known/security.txt", get(security));
    PAGES
        .into_iter()
        .fold(routes, |routes, name| routes.at(format!("/{name}"), get(page)))
}

/// That we heed Global Privacy Control (its specification, "GPC support resource").
#[handler]
fn gpc() -> Response {
    const SUPPORT: &str = r#"{"gpc":true,"lastUpdate":"2026-11-22"}"#;
    Response::builder().content_type("application/json").body(SUPPORT)
}

/// Where weaknesses are reported (RFC 9116), if the operator says so.
#[handler]
fn security(Data(context): Data<&Context>) -> poem::Result<Response> {
    let contact = context.edge.security_contact.as_ref().ok_or(NotFoundError)?;
    let expires = (context.clock.now() + CONTACT_HOLDS)
        .format(&Rfc3339)
        .map_err(|error| Failure::from(Error::internal("a date", error)))?;
    let text = format!(
        "Contact: {contact}\nExpires: {expires}\nCanonical: {}/.well-known/security.txt\n",
        context.base_url
    );
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(text))
}

#[derive(Deserialize)]
struct Query {
    domain: Option<String>,
    lang: Option<String>,
}

#[handler]
async fn page(req: &Request, context: Data<&Context>) -> poem::Result<Response> {
    let name = req.uri().path().trim_matches('/');
    let query: Query = req
        .params()
        .map_err(|_| Failure::from(Error::invalid("domain", "can't be read")))?;
    let customer = customer(req, &context, query.domain.as_deref())
        .await
        .map_err(Failure::from)?;
    let asked = query.lang.as_deref().and_then(Locale::of_tag);
    let accepted = req
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let wanted = asked.into_iter().chain(languages(accepted.unwrap_or_default()));
    let missing = || Failure::from(Error::internal("a page's texts", "there are none"));
    let (lang, texts) = texts(wanted).ok_or_else(missing)?;
    let facts = Facts {
        customer: customer.as_ref(),
        provider: context.provider.as_deref(),
        base_url: &context.base_url,
    };
    let html = facts.page(&template("legal")?, name, lang, texts);
    let mut response = Policy::new("style-src 'self'").page(html, &context.edge);
    let vary = header::HeaderValue::from_static("accept-language, host");
    response.headers_mut().insert(header::VARY, vary);
    Ok(response)
}

/// The customer that the query names, who must be there; else the one whose host it is, if any.
async fn customer(req: &Request, context: &Context, named: Option<&str>) -> domain::Result<Option<Customer>> {
    if let Some(domain) = named {
        let host: HostName = domain.parse()?;
        let unknown = || Error::new(Kind::NotFound, "unknown_domain", format!("{host} does not answer here"));
        return find_by_host(&context.db, &host, true)
            .await?
            .map(Some)
            .ok_or_else(unknown);
    }
    let host = req.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    match host.and_then(|host| host.parse::<HostName>().ok()) {
        Some(host) => find_by_host(&context.db, &host, true).await,
        None => Ok(None),
    }
}

/// The languages of `Accept-Language` (RFC 9110, section 12.5.4) that are ours, the most wanted first.
fn languages(accepted: &str) -> Vec<Locale> {
    let mut wanted: Vec<(f32, Locale)> = accepted
        .split(',')
        .take(20)
        .filter_map(|item| {
            let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(Some(1.0), |q| q.parse().ok())?;
            Locale::of_tag(tag).map(|locale| (quality, locale))
        })
        .filter(|(quality, _)| *quality > 0.0)
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.into_iter().map(|(_, locale)| locale).collect()
}

/// What the texts are filled with.
struct Facts<'a> {
    customer: Option<&'a Customer>,
    provider: Option<&'a str>,
    base_url: &'a str,
}

impl Facts<'_> {
    fn page(&self, template: &str, name: &str, lang: &str, texts: &Texts) -> String {
        let lines: Vec<&Line> = texts
            .pages
            .get(name)
            .into_iter()
            .flatten()
            .filter(|line| self.holds(line))
            .collect();
        let of = |shape: Shape| {
            lines
                .iter()
                .find(|line| line.shape == shape)
                .map_or("", |line| line.text)
        };
        let frame = |key: &str| escape(texts.frame.get(key).copied().unwrap_or_default());
        let owner = self.customer.map_or("Omniops", |customer| customer.name.as_str());
        let query = self.customer.map_or(String::new(), |customer| {
            format!("?domain={}&lang={lang}", customer.domain)
        });
        let mut menu = String::new();
        for other in PAGES {
            let current = if other == name { " aria-current=\"page\"" } else { "" };
            // A String takes everything that is written to it.
            let _ = writeln!(
                menu,
                "        <li><a href=\"/{other}{}\"{current}>{}</a></li>",
                escape(&query),
                frame(other)
            );
        }
        let lead = self.filled(of(Shape::Lead), false);
        // What comes from outside goes in last and together: a name that looks like a placeholder stays one.
        let values = [
            ("lang", lang.to_owned()),
            ("title", escape(of(Shape::Title))),
            ("owner", escape(owner)),
            ("lead", lead),
            ("skip", frame("skip")),
            ("about", frame("about")),
            ("legal", frame("legal")),
            ("links", menu),
            ("content", self.content(&lines)),
        ];
        fill(template, "{{", "}}", |name| {
            values
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.clone())
        })
    }

    fn holds(&self, line: &Line) -> bool {
        line.when.is_none_or(|(with, word)| {
            let there = match word {
                "customer" => self.customer.is_some(),
                "contact" => self.contact(false).is_some(),
                "provider" => self.provider.is_some(),
                "ask" => self
                    .customer
                    .is_some_and(|customer| PrivacySettings::of(customer).ask_consent),
                _ => false,
            };
            there == with
        })
    }

    fn content(&self, lines: &[&Line]) -> String {
        let mut html = String::new();
        let mut in_list = false;
        for line in lines {
            let text = self.filled(line.text, true);
            let point = line.shape == Shape::Point;
            if point != in_list {
                html.push_str(if point { "    <ul>\n" } else { "    </ul>\n" });
                in_list = point;
            }
            // A String takes everything that is written to it.
            let _ = match line.shape {
                Shape::Title => writeln!(html, "    <h1>{text}</h1>"),
                Shape::Lead => writeln!(html, "    <p class=\"lead\">{text}</p>"),
                Shape::Heading => writeln!(html, "    <h2>{text}</h2>"),
                Shape::Point => writeln!(html, "      <li>{text}</li>"),
                Shape::Paragraph => writeln!(html, "    <p>{text}</p>"),
            };
        }
        if in_list {
            html.push_str("    </ul>\n");
        }
        html
    }

    /// A text with its placeholders, for HTML; `linked` as content, else for an attribute.
    fn filled(&self, text: &str, linked: bool) -> String {
        let value = |name: &str| {
            let customer = self.customer;
            match name {
                "domain" => customer.map(|customer| escape(&customer.domain)),
                "controller" => customer.map(|customer| {
                    let settings = PrivacySettings::of(customer);
                    escape(settings.controller.as_deref().unwrap_or(&customer.name))
                }),
                "contact" => self.contact(linked),
                "days" => Some(
                    customer
                        .map_or(retention::CONVERSATIONS, retention::days_of)
                        .to_string(),
                ),
                "provider" => self.provider.map(escape),
                "base_url" if linked => Some(format!("<code>{}</code>", escape(self.base_url))),
                "base_url" => Some(escape(self.base_url)),
                _ => None,
            }
        };
        fill(&escape(text), "{", "}", value)
    }

    /// Where the customer is reached: an address, or a page.
    fn contact(&self, linked: bool) -> Option<String> {
        let settings = AssistantSettings::of(self.customer?);
        let (href, text) = match (settings.contact_email, settings.contact_url) {
            (Some(email), _) => (format!("mailto:{email}"), email),
            (None, Some(url)) => (url.clone(), url),
            (None, None) => return None,
        };
        let text = escape(&text);
        Some(if linked {
            format!("<a href=\"{}\">{text}</a>", escape(&href))
        } else {
            text
        })
    }
}

/// `text` with its placeholders replaced, each once; what is put in is not looked at again.
fn fill(text: &str, open: &str, close: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        filled.push_str(before);
        match after.split_once(close) {
            Some((name, tail)) if value(name).is_some() => {
                filled.push_str(&value(name).unwrap_or_default());
                rest = tail;
            }
            _ => {
                filled.push_str(open);
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_taken_by_their_weight() {
        let codes = |accepted| languages(accepted).into_iter().map(Locale::code).collect::<Vec<_>>();
        assert_eq!(codes("de-AT;q=0.5, fr, en;q=0.8, tlh, es;q=0"), ["fr", "en", "de"]);
        assert_eq!(codes("*;q=1, ;;;, de;q=x"), Vec::<&str>::new());
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let value = |name: &str| (name == "a").then(|| "{a}{b}".to_owned());
        assert_eq!(fill("x {a} {c} {a", "{", "}", value), "x {a}{b} {c} {a");
    }
}
