//! What a crawler knows without asking the network: URL rules, robots.txt, sitemaps, and the way from an HTML
//! page to its main content, Markdown and heading-aware chunks.
//!
//! Everything here is a pure function of its arguments: no IO, no clock, no settings of its own. The crawler's
//! fetcher and frontier stand above it; the embedder consumes its chunks. What must stay true: no input, however
//! hostile, overflows the stack or takes more than linear time in the parser (see [`page::extract_guarded`]).

pub mod chunk;
pub mod link_header;
pub mod page;
#[doc(hidden)]
pub mod probe;
pub mod robots;
pub mod sitemap;
pub mod url;
