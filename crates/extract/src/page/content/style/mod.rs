//! The little of CSS that says whether text can be seen: declarations of `style` attributes, and the rules of `<style>`
//! elements whose selector is one compound of tag, id and classes.
//!
//! Rules of combined selectors never hide anything here, and one that shows what a simple rule hides (a state such as
//! `.tab.active`) lifts it: a wrong "hidden" loses content, which is the worse mistake.

mod colour;
mod look;
mod sheet;

pub(super) use {
    colour::Colour,
    look::{Look, look},
    sheet::Sheet,
};
