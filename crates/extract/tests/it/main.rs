//! Extraction from the outside: whole pages, hostile pages.

mod hostile;
mod pages;
