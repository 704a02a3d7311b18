//! The edge: what strangers may send, from where, how slowly, and what browsers are told.
mod addresses;
mod domains;
mod headers;
mod http2;
mod origins;
mod slow;
