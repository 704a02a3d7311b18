//! What a page's head states about itself by `<meta name>`, for whoever asks for one name.

use super::{dom::Dom, guard};

/// The `content` of every `<meta name="…">` that stands directly in the head, as the parser reads the page: not in a script, a
/// comment, a template or a `noscript`, and not in the body, where a site may show what its visitors write.
pub(super) fn metas(html: &str, name: &str) -> Vec<String> {
    let dom = Dom::parse(&guard::bounded(html));
    let in_head = |id: usize| dom.name(dom.nodes[id].parent) == "head";
    let named = |id: usize| {
        dom.attribute(id, "name")
            .is_some_and(|it| it.trim().eq_ignore_ascii_case(name))
    };
    let found = dom.elements(0, "meta").filter(|id| in_head(*id) && named(*id));
    found
        .filter_map(|id| dom.attribute(id, "content"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::metas;

    #[test]
    fn only_the_heads_own_elements_speak_for_the_page() {
        let html = "<!doctype html><html><head><title><meta name=x content=title></title>
            <script>'<meta name=x content=script>'</script><!-- <meta name=x content=comment> -->
            <template><meta name=x content=template></template><noscript><meta name=x content=noscript></noscript>
            <META Content='a&amp;b' NAME=X><meta name=y content=other><meta property=x content=property></head>
            <body><p>Guest book: <meta name=x content=body></p></body></html>";
        assert_eq!(metas(html, "x"), ["a&b"]);
    }

    #[test]
    fn a_head_may_be_left_out() {
        assert_eq!(
            metas("<meta name=x content=1><p>Hello<meta name=x content=2>", "x"),
            ["1"]
        );
    }
}
