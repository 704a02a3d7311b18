//! Crawls of generated sites: endless ones must stop, honest ones must be had whole.

use std::collections::{HashSet, VecDeque};

use extract::url::{TrapWatch, normalize};
use url::Url;

const THIS_YEAR: u16 = 2026;
/// No trap may cost a crawl more pages than this.
const BOUND: usize = 500;

/// What a generated site answers: links and a number that stands for the content; none for a page that does not exist.
type Site<'a> = &'a dyn Fn(&Url) -> Option<(Vec<String>, u64)>;

/// Crawls breadth first as a frontier would, and returns what it fetched; gives up after `limit` pages.
fn crawl(start: &str, limit: usize, site: Site<'_>) -> Vec<Url> {
    let mut watch = TrapWatch::new(THIS_YEAR);
    let start = Url::parse("https://e.com").unwrap().join(start).unwrap();
    let (mut queue, mut seen) = (VecDeque::from([start.clone()]), HashSet::from([start]));
    let mut fetched = Vec::new();
    while let Some(url) = queue.pop_front() {
        // Once more before the request: its form may have been found to be endless since.
        if watch.judge(&url).is_some() || fetched.len() == limit {
            continue;
        }
        if let Some((links, content)) = site(&url) {
            watch.saw(&url, content);
            for link in links {
                let link = watch.settle(&normalize(&url.join(&link).unwrap()));
                if !seen.contains(&link) && watch.judge(&link).is_none() {
                    seen.insert(link.clone());
                    queue.push_back(link);
                }
            }
        }
        fetched.push(url);
    }
    fetched
}

fn parameter(url: &Url, name: &str) -> Option<u64> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .and_then(|(_, value)| value.parse().ok())
}

/// A number that looks random and is always the same for the same input.
fn noise(n: u64) -> u64 {
    (n ^ 0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(31)
}

fn noise_of(url: &Url) -> u64 {
    url.as_str().bytes().fold(7, |sum, byte| noise(sum ^ u64::from(byte)))
}

#[track_caller]
fn stops(start: &str, site: Site<'_>) -> usize {
    let count = crawl(start, 20_000, site).len();
    assert!(count <= BOUND, "{count} pages");
    count
}

#[track_caller]
fn is_whole(start: &str, pages: usize, site: Site<'_>) {
    assert_eq!(crawl(start, usize::MAX, site).len(), pages);
}

#[test]
fn mixes_of_filters_stop() {
    let names = ["brand", "colour", "size", "price", "sort", "view"];
    // Every page links each value of each filter, added to the filters that are set.
    stops("/shoes", &|url| {
        let set: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let links = names.iter().flat_map(|name| {
            let others = set.iter().filter(|(key, _)| key != name);
            let others: Vec<String> = others.map(|(key, value)| format!("{key}={value}&")).collect();
            let others = others.concat();
            (0..6).map(move |value| format!("/shoes?{others}{name}={value}"))
        });
        Some((links.collect(), noise_of(url)))
    });
}

#[test]
fn a_repeated_parameter_stops() {
    stops("/s", &|url| {
        let query = url.query().unwrap_or("x=0");
        Some(((1..4).map(|n| format!("/s?{query}&a={n}")).collect(), noise_of(url)))
    });
}

#[test]
fn a_calendar_without_end_stops() {
    let month = |url: &Url| {
        let (year, month) = url.path().strip_prefix("/calendar/")?.split_once('-')?;
        Some(year.parse::<u64>().ok()? * 12 + month.parse::<u64>().ok()? - 1)
    };
    let path = |months: u64| format!("/calendar/{}-{:02}", months / 12, months % 12 + 1);
    let pages = stops("/calendar/2026-11", &|url| {
        let now = month(url)?;
        Some((vec![path(now + 1), path(now - 1)], noise_of(url)))
    });
    assert!(pages > 48, "the years around today are had: {pages}");
    stops("/list?year=2026&month=1", &|url| {
        let now = parameter(url, "year")? * 12 + parameter(url, "month")? - 1;
        let link = |months: u64| format!("/list?month={}&year={}", months % 12 + 1, months / 12);
        Some((vec![link(now + 1), link(now - 1)], noise_of(url)))
    });
}

#[test]
fn articles_and_events_with_dates_are_had_whole() {
    let paths: Vec<String> = (0..1_500)
        .map(|n| match n % 4 {
            0 => format!("/2024/{:02}/12/a-day-in-town-{n}", n % 12 + 1),
            1 => format!("/events/2026/{:02}/12/the-play-{n}", n % 12 + 1),
            2 => format!("/tours/{n}-day-tour-2025"),
            _ => format!("/on-this-day/1945/{:02}/what-was-{n}", n % 12 + 1),
        })
        .collect();
    is_whole("/", paths.len() + 1, &|url| {
        let links = if url.path() == "/" { paths.clone() } else { Vec::new() };
        Some((links, noise_of(url)))
    });
}

#[test]
fn endless_paths_stop() {
    stops("/a/", &|url| Some((vec!["b/".into(), "../c/".into()], noise_of(url))));
    stops("/x/", &|url| {
        Some((vec![format!("{}/", noise_of(url) % 1000 + 7)], noise_of(url)))
    });
    let count = stops("/item/1", &|url| {
        let n: u64 = url.path().rsplit('/').next()?.parse().ok()?;
        Some((vec![format!("/item/{}", n + 1), format!("/item/{}", n + 2)], 1))
    });
    assert!(count < 40);
}

#[test]
fn a_session_under_an_unknown_name_is_settled() {
    // Every answer gives every link a session of its own.
    let site: Site<'_> = &|url| {
        let n: u64 = url.path().strip_prefix("/p")?.parse().ok()?;
        let link = |to: u64| format!("/p{}?zsid={}", to % 60, noise(noise_of(url) ^ to));
        Some((vec![link(n + 1), link(n + 7), link(0), link(n * 2)], n % 60))
    };
    let fetched = crawl("/p0?zsid=1", 20_000, site);
    let paths: HashSet<&str> = fetched.iter().map(Url::path).collect();
    assert_eq!(paths.len(), 60, "no page is lost");
    assert!(fetched.len() <= BOUND, "{} pages", fetched.len());
}

#[test]
fn long_lists_are_whole() {
    is_whole("/blog?page=1", 500, &|url| {
        let page = parameter(url, "page")?;
        Some((
            (page + 1..=500.min(page + 5))
                .map(|n| format!("/blog?page={n}"))
                .collect(),
            page,
        ))
    });
    is_whole("/c/shoes?sort=price&page=1", 300, &|url| {
        let page = parameter(url, "page")?;
        Some((
            (page + 1..=300.min(page + 1))
                .map(|n| format!("/c/shoes?page={n}&sort=price"))
                .collect(),
            page,
        ))
    });
}

#[test]
fn catalogues_are_whole() {
    let below = |n: u64, most: u64| [2 * n, 2 * n + 1].into_iter().filter(move |n| *n <= most);
    is_whole("/product/1", 5000, &|url| {
        let n = url.path().rsplit('/').next()?.parse().ok()?;
        Some((below(n, 5000).map(|n| format!("/product/{n}")).collect(), n))
    });
    is_whole("/index.php?product_id=1&route=product/product", 3000, &|url| {
        let n = parameter(url, "product_id")?;
        Some((
            below(n, 3000)
                .map(|n| format!("/index.php?route=product/product&product_id={n}"))
                .collect(),
            n,
        ))
    });
    is_whole("/viewtopic.php?f=1&t=1", 3000, &|url| {
        let n = parameter(url, "t")?;
        Some((
            below(n, 3000)
                .map(|n| format!("/viewtopic.php?f={}&t={n}", n % 40))
                .collect(),
            n,
        ))
    });
    // Years that are numbers of things.
    is_whole("/part/2000/1", 200, &|url| {
        let n: u64 = url.path().rsplit('/').nth(1)?.parse().ok()?;
        Some(((n + 1..2200).take(1).map(|n| format!("/part/{n}/1")).collect(), n))
    });
}

#[test]
fn archives_by_date_are_whole() {
    let days = 365 * 20;
    is_whole("/2005/01/01/", days as usize, &|url| {
        let parts: Vec<u64> = url.path().split('/').filter_map(|part| part.parse().ok()).collect();
        let [year, month, day] = parts[..] else { return None };
        // Months of 31 days and a year of 365 make it simple.
        let n = (year - 2005) * 365 + (month - 1) * 31 + day - 1;
        let link = |n: u64| format!("/{}/{:02}/{:02}/", 2005 + n / 365, n % 365 / 31 + 1, n % 365 % 31 + 1);
        Some(((n + 1..days).take(2).map(link).collect(), n))
    });
    is_whole("/archive?year=2005&month=1", 20 * 12, &|url| {
        let n = (parameter(url, "year")? - 2005) * 12 + parameter(url, "month")? - 1;
        let link = |n: u64| format!("/archive?year={}&month={}", 2005 + n / 12, n % 12 + 1);
        Some(((n + 1..240).take(2).map(link).collect(), n))
    });
}

#[test]
fn memory_is_bounded() {
    let mut watch = TrapWatch::new(THIS_YEAR);
    for n in 0..60_000u64 {
        let url = Url::parse(&format!("https://e.com/p{}?a={n}&b={}", noise(n), n % 7)).unwrap();
        watch.judge(&url);
        watch.saw(&url, n);
    }
    let full = watch.entries();
    for n in 60_000..70_000u64 {
        let url = Url::parse(&format!("https://e.com/p{}?a={n}&b={}", noise(n), n % 7)).unwrap();
        watch.judge(&url);
        watch.saw(&url, n);
    }
    assert_eq!(watch.entries(), full);
}
