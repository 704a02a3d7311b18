//! What tells whether a static page is still the one that was rendered.
use domain::secrets;
use regex::bytes::Regex;
use std::sync::LazyLock;

/// SHA-256 of a static body without what servers make up anew for every answer.
pub(super) fn fingerprint(body: &[u8]) -> Vec<u8> {
    static FLEETING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // Bounded everywhere, so that a body of endless beginnings costs no square.
        Regex::new(r#"(?i-u)\bnonce\s{0,8}=\s{0,8}(?:"[^"]{0,200}"|'[^']{0,200}'|[^\s>"']{1,200})|<(?:meta|input)\b[^<>]{0,300}(?:csrf|xsrf|authenticity_token|requestverificationtoken)[^<>]{0,300}>"#).ok()
    });
    match FLEETING.as_ref() {
        Some(fleeting) => secrets::sha256(&fleeting.replace_all(body, &b""[..])),
        None => secrets::sha256(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_sees_through_what_is_made_up_for_every_answer() {
        let page = |nonce: &str, token: &str, script: &str| {
            let html = format!(
                "<meta name=\"csrf-token\" content=\"{token}\"><input type=hidden name=authenticity_token value={token}>
                 <script nonce='{nonce}' src=\"{script}\"></script><div id=root></div>"
            );
            fingerprint(html.as_bytes())
        };
        assert_eq!(page("a1", "x", "/app.1.js"), page("b2", "y", "/app.1.js"));
        assert_ne!(page("a1", "x", "/app.1.js"), page("a1", "x", "/app.2.js"));
    }

    /// Were the time quadratic, this would end the test run's patience.
    #[test]
    fn endless_beginnings_are_read_once() {
        for beginning in ["<input csrf", "<meta ", "nonce=\"", "nonce="] {
            assert_eq!(fingerprint(beginning.repeat(500_000).as_bytes()).len(), 32);
        }
    }
}
