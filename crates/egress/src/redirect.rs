//! What becomes of a request that is redirected (RFC 9110 §15.4): where it goes, by which method, and what it leaves behind.

use http::{HeaderMap, HeaderName, StatusCode, header};
use url::Url;

use crate::{
    error::Error,
    message::{Method, Request},
    policy::HostPort,
};

/// Headers that may follow a redirect to another origin. A list of what is harmless, because nobody can list every name
/// under which callers send credentials.
const CROSS_ORIGIN_HEADERS: &[HeaderName] = &[header::ACCEPT, header::ACCEPT_LANGUAGE];

/// Validators and ranges belong to the first resource; on another one they would ask the wrong question.
const RESOURCE_HEADERS: &[HeaderName] = &[
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// Where a redirect leads; `None` for any other response.
pub(crate) fn target(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
    target: &HostPort,
) -> Result<Option<Url>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    // Raw UTF-8 in `Location` is common; the URL parser percent-encodes it.
    let text = String::from_utf8_lossy(location.as_bytes());
    let to = from.join(&text).map_err(|error| Error::Protocol {
        host: target.to_string(),
        reason: format!("it redirects to `{text}`, which is no URL: {error}"),
    })?;
    Ok(Some(to))
}

/// The method for the next hop; `None` where following would do something that the caller did not ask for.
///
/// Safe methods go along. After another, 303 says that the answer is to be fetched elsewhere, and 307 and 308 repeat the request,
/// which only its own origin may ask for. What 301 and 302 mean for them, clients disagree on.
pub(crate) fn method(method: Method, status: StatusCode, same_origin: bool) -> Option<Method> {
    match status.as_u16() {
        _ if method.is_safe() => Some(method),
        303 => Some(Method::Get),
        307 | 308 if same_origin => Some(method),
        _ => None,
    }
}

/// Turns the request to its next hop and returns the URL that it leaves.
pub(crate) fn turn(request: &mut Request, method: Method, to: Url) -> Url {
    let from = std::mem::replace(&mut request.url, to);
    if request.method != method {
        request.body.clear();
        let content: Vec<_> = request
            .headers
            .keys()
            .filter(|name| is_content(name))
            .cloned()
            .collect();
        for name in content {
            request.headers.remove(name);
        }
    }
    request.method = method;
    for name in RESOURCE_HEADERS {
        request.headers.remove(name);
    }
    if from.origin() != request.url.origin() {
        let mut kept = HeaderMap::new();
        for name in CROSS_ORIGIN_HEADERS {
            if let Some(value) = request.headers.remove(name) {
                kept.insert(name, value);
            }
        }
        request.headers = kept;
    }
    from
}

/// Whether a header tells about the body.
fn is_content(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-") || matches!(name.as_str(), "digest" | "last-modified")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_methods_go_along_and_others_only_where_they_were_meant_to() {
        let all = [301, 302, 303, 307, 308].map(|status| StatusCode::from_u16(status).unwrap());
        for status in all {
            for same_origin in [true, false] {
                assert_eq!(method(Method::Get, status, same_origin), Some(Method::Get));
                assert_eq!(method(Method::Head, status, same_origin), Some(Method::Head));
            }
        }
        for unsafe_method in [Method::Post, Method::Put, Method::Delete] {
            let next = |same_origin| all.map(|status| method(unsafe_method, status, same_origin));
            let repeat = Some(unsafe_method);
            assert_eq!(next(true), [None, None, Some(Method::Get), repeat, repeat]);
            assert_eq!(next(false), [None, None, Some(Method::Get), None, None]);
        }
    }
}
