//! The page store: what a crawl has to do ([`request`], [`frontier`]), what it found ([`store`]), how ([`renders`], [`screenshots`]),
//! what it takes out ([`losses`]), what customers take out ([`removal`]), and what of it can be searched ([`index`]) once text that
//! whole sites repeat ([`repeats`]) and pages that say the same as others ([`twins`]) are left aside. What a crawl
//! brings to a site with golden questions waits beside the index until these have been asked ([`staging`]).
//!
//! Whoever locks or writes several pages in one transaction does so at once and in the order of their `url_hash`, after [`index::change`];
//! who cannot, because one step finds the next one's pages, keeps everybody else away with [`index::rearrange`].
pub mod blocks;
pub mod earlier;
pub mod explain;
pub mod frontier;
pub mod index;
pub mod languages;
pub mod lastmod;
pub mod losses;
pub mod model_change;
pub mod off_peak;
pub mod record;
pub mod removal;
pub mod renders;
pub mod repeats;
pub mod request;
pub mod screenshots;
pub mod sitemaps;
pub mod staging;
pub mod statements;
pub mod store;
pub mod twins;
pub mod vector_index;
mod words;
