//! Texts that stay slices of the Markdown for as long as they can: what was next to each other there is joined by taking
//! the longer slice.

use std::borrow::Cow;

/// Appends `second` to `first` with `joiner` between them; a longer slice of `source` where they stand so in it.
pub(super) fn join<'t>(source: &'t str, first: &mut Cow<'t, str>, joiner: &str, second: &str) {
    if let Cow::Borrowed(slice) = first
        && let (Some(start), Some(next)) = (place(source, slice), place(source, second))
        && source.get(start + slice.len()..next) == Some(joiner)
    {
        *first = Cow::Borrowed(&source[start..next + second.len()]);
        return;
    }
    let first = first.to_mut();
    first.reserve(joiner.len() + second.len());
    first.push_str(joiner);
    first.push_str(second);
}

/// Where a slice of the source begins in it; nothing for any other text.
fn place(source: &str, slice: &str) -> Option<usize> {
    let at = slice.as_ptr().addr().checked_sub(source.as_ptr().addr())?;
    (at + slice.len() <= source.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stay_slices_and_others_are_copied() {
        let source = String::from("one\n\ntwo three");
        let (one, two, three) = (&source[..3], &source[5..8], &source[9..]);
        let mut text = Cow::Borrowed(one);
        join(&source, &mut text, "\n\n", two);
        assert!(matches!(text, Cow::Borrowed("one\n\ntwo")));
        join(&source, &mut text, "\n\n", three);
        assert_eq!(text, "one\n\ntwo\n\nthree");
        for (first, second) in [(two, one), (one, three), (one, one), (one, "two")] {
            let mut text = Cow::Borrowed(first);
            join(&source, &mut text, "\n\n", second);
            assert_eq!(text, format!("{first}\n\n{second}"));
        }
    }
}
