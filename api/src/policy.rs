//! What browsers may do with our pages: content security policies.
//!
//! A page begins with nothing allowed and names what it needs. None has `unsafe-inline` or `unsafe-eval`; scripts run by nonce or
//! by the hash of their text, and none of ours may write markup from text (Trusted Types). Where the operator wants reports, browsers send
//! them in both forms, of the old and of the new standard.
use domain::{Result, config::EdgeConfig, secrets};
use poem::{
    Body, Response,
    http::{HeaderMap, HeaderValue, header},
};

/// Who may show a page in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Nobody.
    None,
    /// Our own pages.
    Own,
}

/// A page's policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What it needs beyond nothing, as directives.
    pub needs: String,
    /// Who may frame it.
    pub frames: Frames,
    /// Whether scripts may make markup of text; ours never do.
    pub markup: bool,
}

impl Policy {
    /// A page that nobody frames.
    pub fn new(needs: impl Into<String>) -> Self {
        Self {
            needs: needs.into(),
            frames: Frames::None,
            markup: false,
        }
    }

    /// A page of somebody else's library, which makes markup of text. It gets the contract to show and nothing of a customer's.
    #[must_use]
    pub fn with_markup(mut self) -> Self {
        self.markup = true;
        self
    }

    /// A page that our own pages may frame.
    #[must_use]
    pub fn framed_by_us(mut self) -> Self {
        self.frames = Frames::Own;
        self
    }

    /// An HTML page under this policy.
    pub fn page(&self, html: impl Into<Body>, edge: &EdgeConfig) -> Response {
        let mut response = Response::builder().content_type("text/html; charset=utf-8").body(html);
        self.put(response.headers_mut(), edge);
        response
    }

    fn put(&self, headers: &mut HeaderMap, edge: &EdgeConfig) {
        let (ancestors, frame) = match self.frames {
            Frames::None => ("'none'", "DENY"),
            Frames::Own => ("'self'", "SAMEORIGIN"),
        };
        let mut text = format!(
            "default-src 'none'; {}; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}",
            self.needs
        );
        if !self.markup {
            text.push_str("; require-trusted-types-for 'script'; trusted-types 'none'");
        }
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(frame));
        if let Some(reports) = &edge.csp_report_uri {
            text.push_str("; report-uri ");
            text.push_str(reports);
            text.push_str("; report-to csp");
            if let Ok(value) = HeaderValue::try_from(format!("csp=\"{reports}\"")) {
                headers.insert("reporting-endpoints", value);
            }
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(header::CONTENT_SECURITY_POLICY, value);
        }
    }
}

/// A number for one answer: what has it in its `nonce` is ours.
pub fn nonce() -> Result<String> {
    secrets::token()
}
