//! What answers mean.
use super::*;
use bytes::Bytes;

fn response(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> egress::Response {
    let headers = headers
        .iter()
        .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
    egress::Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.collect(),
        url: Url::parse("http://shop.test/a").unwrap(),
        redirects: vec![],
        body: Bytes::from_static(body.as_bytes()),
        wire_bytes: 0,
        elapsed: Duration::from_millis(7),
    }
}

fn read(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Answer {
    let url = Url::parse("http://shop.test/a").unwrap();
    Answer::read(&url, &response(status, headers, body), "OmniopsBot", &|url| {
        url.path() != "/closed"
    })
}

#[test]
fn statuses_have_their_meanings() {
    assert!(matches!(read(304, &[], "").meaning, Meaning::NotModified));
    assert!(matches!(read(410, &[], "").meaning, Meaning::Gone));
    assert!(matches!(
        read(403, &[], "").meaning,
        Meaning::Failed { again: false, .. }
    ));
    assert!(matches!(
        read(503, &[], "").meaning,
        Meaning::Failed { again: true, .. }
    ));
    let moved = read(301, &[("location", "/b?utm_source=x#y")], "").meaning;
    assert!(matches!(moved, Meaning::Moved { to } if to.as_str() == "http://shop.test/b"));
    assert!(matches!(
        read(302, &[], "").meaning,
        Meaning::Failed {
            code: "bad_redirect",
            ..
        }
    ));
}

#[test]
fn a_wait_that_the_server_asks_for_is_read_in_seconds_or_from_its_own_clock() {
    let wait = |headers: &[(&'static str, &'static str)]| match read(429, headers, "").meaning {
        Meaning::Failed { wait, again: true, .. } => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&[]), None);
    assert_eq!(wait(&[("retry-after", " 120")]), Some(Duration::from_mins(2)));
    assert_eq!(wait(&[("retry-after", "864000")]), Some(Duration::from_hours(1)));
    assert_eq!(wait(&[("retry-after", "-3")]), None);
    let until = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
    assert_eq!(
        wait(&[until, ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        Some(Duration::from_mins(1))
    );
    assert_eq!(wait(&[until]), None, "without the server's clock a date says nothing");
}

#[test]
fn a_page_is_what_html_with_content_is() {
    let html = "<title>A page</title><main><p>Some words of content. <a href=/b>b</a> <a href=/c rel=nofollow>c</a></p></main>";
    let answer = read(200, &[("content-type", "text/html"), ("etag", "\"1\"")], html);
    let links: Vec<_> = answer.links.iter().map(Url::as_str).collect();
    assert_eq!(links, ["http://shop.test/b"]);
    let passed_by: Vec<_> = answer.passed_by.iter().map(Url::path).collect();
    assert_eq!(passed_by, ["/c"]);
    assert!(
        matches!(answer.meaning, Meaning::Page(page) if page.title == "A page" && page.etag.as_deref() == Some("\"1\""))
    );
    assert!(matches!(
        read(200, &[("content-type", "application/pdf")], "%PDF").meaning,
        Meaning::Skipped("not_html")
    ));
    assert!(matches!(
        read(200, &[("content-type", "text/html")], "<body></body>").meaning,
        Meaning::Skipped("empty")
    ));
}

#[test]
fn a_page_has_a_byline() {
    let html = "<meta name=author content='Ada Lovelace'><meta property=article:published_time content=2026-01-02>\
        <meta property=article:modified_time content='2026-02-03T04:05:06+01:00'><p>Some words of content.</p>";
    let Meaning::Page(page) = read(200, &[("content-type", "text/html")], html).meaning else {
        panic!("no page")
    };
    let byline = page.byline();
    let moment = |moment: Option<OffsetDateTime>| moment.unwrap().unix_timestamp();
    assert_eq!(byline.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(
        (moment(byline.published), moment(byline.modified)),
        (1_767_312_000, 1_770_087_906)
    );
}

#[test]
fn a_refresh_and_a_header_lead_on() {
    let html = ("content-type", "text/html");
    let at_once = "<meta http-equiv=refresh content='0; url=/new'><p>Some words of content.</p>";
    assert!(matches!(read(200, &[html], at_once).meaning, Meaning::Moved { to } if to.path() == "/new"));
    let later = "<meta http-equiv=refresh content='60; url=/next'><p>Some words of content.</p>";
    let answer = read(200, &[html], later);
    assert!(matches!(answer.meaning, Meaning::Page(_)) && answer.links[0].path() == "/next");
    let header = ("link", "</de>; rel=alternate; hreflang=de, </style.css>; rel=preload");
    let answer = read(200, &[html, header], "<p>Some words of content.</p>");
    let links: Vec<_> = answer.links.iter().map(Url::path).collect();
    assert_eq!(links, ["/de"]);
}

#[test]
fn the_author_decides_about_index_and_links() {
    let html = "<p>Some words of content. <a href=/b>b</a></p>";
    let of = |tag: &'static str| read(200, &[("content-type", "text/html"), ("x-robots-tag", tag)], html);
    assert!(matches!(of("noindex").meaning, Meaning::NoIndex) && of("noindex").links.len() == 1);
    assert!(matches!(of("nofollow").meaning, Meaning::Page(_)) && of("nofollow").links.is_empty());
    assert_eq!(of("nofollow").passed_by.len(), 1);
    assert!(matches!(of("omniopsbot: none").meaning, Meaning::NoIndex));
    assert!(matches!(of("otherbot: none").meaning, Meaning::Page(_)));
    assert!(matches!(of("max-snippet: 5, noindex").meaning, Meaning::NoIndex));
    assert!(matches!(of("*: noindex").meaning, Meaning::NoIndex));
    let named = of("otherbot: noindex, OmniopsBot: nofollow");
    assert!(matches!(named.meaning, Meaning::Page(_)) && named.links.is_empty());
    let lines = [
        ("content-type", "text/html"),
        ("x-robots-tag", "nofollow"),
        ("x-robots-tag", "noindex"),
    ];
    let both = read(200, &lines, html);
    assert!(matches!(both.meaning, Meaning::NoIndex) && both.links.is_empty());
    let twin = read(
        200,
        &[("content-type", "text/html")],
        "<link rel=canonical href=/main><p>Some words.</p>",
    );
    assert!(matches!(twin.meaning, Meaning::Duplicate(to) if to.path() == "/main"));
    let closed = read(
        200,
        &[("content-type", "text/html")],
        "<link rel=canonical href=/closed><p>Some words.</p>",
    );
    assert!(matches!(closed.meaning, Meaning::Page(_)));
}
