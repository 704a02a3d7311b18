//! Who is asking: the bearer token of a request as a [`Principal`], and how the contract names the credentials.
use domain::{
    Error,
    error::Kind,
    secrets,
    tenancy::{HostName, Principal, authenticate},
};
use poem::{
    Request,
    http::{Method, header},
};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use secrecy::ExposeSecret;

use crate::{Context, error::Failure};

/// The credentials' names in the contract.
pub struct Schemes;

impl Schemes {
    /// The operator's token.
    pub const ADMIN: &str = "admin_token";
    /// An integrator's key.
    pub const KEY: &str = "api_key";
    /// The secret of a scheduler outside.
    pub const CRON: &str = "cron_secret";
    /// A widget's session.
    pub const SESSION: &str = "widget_session";

    /// Describes all of them; the contract keeps those that are used.
    pub fn register(registry: &mut Registry) {
        let all = [
            (
                Self::ADMIN,
                "OMNIOPS_ADMIN_TOKEN; where an API key is taken as well, together with `?customer_id=`",
            ),
            (Self::KEY, "An API key, `omni_…`, with the scope that the call needs"),
            (Self::CRON, "CRON_SECRET, of a scheduler outside"),
            (
                Self::SESSION,
                "The token of `POST /api/widget/session`, from the origin that it was given to",
            ),
        ];
        for (name, description) in all {
            let scheme = MetaSecurityScheme {
                ty: "http",
                description: Some(description),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            };
            registry.create_security_scheme(name, scheme);
        }
    }
}

/// The context of the request.
pub fn context(req: &Request) -> Result<&Context, Failure> {
    let missing = || {
        Error::internal(
            "reading the context",
            std::io::Error::other("no context in the request"),
        )
    };
    req.data::<Context>().ok_or_else(|| missing().into())
}

/// The request's bearer token.
pub fn bearer(req: &Request) -> Option<&str> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Who presents the request's bearer token.
pub async fn principal(req: &Request) -> Result<Principal, Failure> {
    let context = context(req)?;
    let Some(token) = bearer(req) else {
        return Err(unauthorized("missing_credential", "this call needs `Authorization: Bearer …`").into());
    };
    let found = if secrets::equal(token, context.admin_token.expose_secret()) {
        Ok(Principal::Admin)
    } else if token.starts_with("omni_") {
        authenticate(&context.db, token, &context.clock).await
    } else if token.contains('.') {
        context
            .visitors
            .check(token, origin(req).as_ref())
            .map(Principal::Visitor)
    } else {
        Err(unauthorized("invalid_credential", "the credential is not valid"))
    };
    found.map_err(|error| {
        if *error.kind() == Kind::Unauthorized {
            tracing::warn!(event = "auth_failed", error.code = error.code(), peer = %req.remote_addr(), "a credential was refused");
        }
        error.into()
    })
}

fn unauthorized(code: &'static str, message: &str) -> Error {
    Error::new(Kind::Unauthorized, code, message)
}

/// The valid credential is not enough.
pub fn forbidden(code: &'static str, message: &str) -> Failure {
    Error::new(Kind::Forbidden, code, message).into()
}

/// The page that a browser calls from. Browsers leave `Origin` out of GET requests to the page's own origin (Fetch standard,
/// section 3.2); those carry a `Referer`.
pub fn origin(req: &Request) -> Option<HostName> {
    let text = |name| req.headers().get(name).and_then(|v| v.to_str().ok());
    let referer = || text(header::REFERER).filter(|_| req.method() == Method::GET);
    text(header::ORIGIN).or_else(referer)?.parse().ok()
}
