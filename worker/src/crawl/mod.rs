//! The crawl of one site. `pass` goes over the frontier until nothing is open; a [`port::Crawler`] decides who is visited
//! when; `fetcher` decides everything else, so that the crawlers differ in speed only.
mod answer;
mod ask;
mod browser;
mod budget;
mod clerk;
mod dates;
mod fetcher;
mod fingerprint;
mod leads;
mod need;
mod pass;
mod plain;
mod politeness;
mod port;
mod readers;
mod record;
mod render;
mod rendering;
mod scope;
mod seeds;
mod sitemaps;
mod spider;
mod wall;

pub(crate) use browser::browsers;
pub(crate) use fetcher::Fetcher;
pub(crate) use pass::passes;
pub(crate) use politeness::{Pace, Politeness, Visitor, delay};
pub(crate) use render::Renderer;
pub(crate) use scope::start_of;
pub(crate) use seeds::{Begun, Site, seed};
