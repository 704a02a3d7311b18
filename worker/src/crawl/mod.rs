//! The crawl of one site. `pass` goes over the frontier until nothing is open; a [`port::Crawler`] decides who is visited
//! when; `fetcher` decides everything else, so that the crawlers differ in speed only.
mod answer;
mod ask;
mod fetcher;
mod pass;
mod plain;
mod politeness;
mod port;
mod record;
mod scope;
mod seeds;
mod spider;

pub(crate) use fetcher::Fetcher;
pub(crate) use pass::passes;
pub(crate) use politeness::Politeness;
pub(crate) use seeds::{Site, seed};
