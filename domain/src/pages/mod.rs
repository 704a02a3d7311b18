//! The page store: what a crawl has to do ([`request`], [`frontier`]), what it found ([`store`]), and what of it can be searched
//! ([`index`]).
pub mod frontier;
pub mod index;
pub mod request;
pub mod store;
