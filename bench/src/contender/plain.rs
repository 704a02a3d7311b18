//! A plain loop over the product's modules (guarded client, extraction, URL rules) that keeps nothing: what a crawl costs
//! at least.
use anyhow::{Context as _, Result};
use egress::{Client, Policy, Request};
use extract::{
    page::{Input, extract_guarded},
    url::{normalize, same_site},
};
use std::collections::{HashSet, VecDeque};
use tokio::task::JoinSet;
use url::Url;

use crate::protocol::{Crawled, Order, now, say};

/// Words and links of a page.
type Page = (u64, Vec<Url>);

/// Crawls and tells.
pub async fn work(order: &Order) -> Result<()> {
    let start = normalize(&Url::parse(&order.site)?);
    let mut policy = Policy::new("bench");
    policy.allow = vec![start.authority().parse()?];
    let client = Client::new(policy)?;
    let mut seen = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([start.clone()]);
    let mut visits = JoinSet::new();
    let mut sum = Crawled {
        pages: 0,
        words: 0,
        at: 0.0,
    };
    loop {
        while visits.len() < order.concurrency
            && let Some(url) = open.pop_front()
        {
            visits.spawn(visit(client.clone(), url));
        }
        let Some(visit) = visits.join_next().await else { break };
        let (words, links) = visit??;
        sum.pages += 1;
        sum.words += words;
        let fresh = links
            .into_iter()
            .filter(|url| same_site(url, &start) && seen.insert(url.clone()));
        open.extend(fresh);
    }
    sum.at = now();
    say(&sum);
    std::future::pending().await
}

async fn visit(client: Client, url: Url) -> Result<Page> {
    let response = client.fetch(Request::get(url.clone())).await?;
    let reading = tokio::task::spawn_blocking(move || {
        let content_type = response
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let input = Input {
            url: &url,
            body: &response.body,
            content_type,
        };
        let page = extract_guarded(&input)?;
        let links = page.links.into_iter().map(|link| link.url).collect();
        Ok::<Page, extract::page::Error>((page.text_words as u64, links))
    });
    reading.await.context("reading a page")?.map_err(Into::into)
}
