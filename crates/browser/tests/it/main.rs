//! Real Chromium against real local sites.
mod ends;
mod pages;
mod places;
mod site;
