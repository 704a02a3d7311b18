//! Who is asking: the bearer token or the session cookie of a request as a [`Principal`], and how the contract names the credentials.
//!
//! Where both are there, the bearer token speaks alone, also when it is wrong: a credential that somebody put into the request by
//! hand is never filled up by one that the browser adds by itself.
use domain::{
    Error,
    error::Kind,
    tenancy::{HostName, Principal, authenticate_from},
};
use poem::{Request, http::header};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use std::sync::Arc;

use super::{cookie, signed};
use crate::{Context, error::Failure, hosts, middleware::ClientAddress};

/// Where a session's token against cross-site requests stands.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The credentials' names in the contract.
pub struct Schemes;

impl Schemes {
    /// The operator's token.
    pub const ADMIN: &str = "admin_token";
    /// The cookie of a person who has logged in.
    pub const PERSON: &str = "admin_session";
    /// An integrator's key.
    pub const KEY: &str = "api_key";
    /// The secret of a scheduler outside.
    pub const CRON: &str = "cron_secret";
    /// A widget's session.
    pub const SESSION: &str = "widget_session";
    /// A WooCommerce shop's signature.
    pub const WOOCOMMERCE: &str = "woocommerce_signature";
    /// A Shopify app's signature.
    pub const SHOPIFY: &str = "shopify_signature";

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
        registry.create_security_scheme(Self::PERSON, cookie::scheme());
        let signatures = [
            (
                Self::WOOCOMMERCE,
                signed::WOOCOMMERCE,
                "HMAC-SHA256 of the body under the webhook's secret, in base64",
            ),
            (
                Self::SHOPIFY,
                signed::SHOPIFY,
                "HMAC-SHA256 of the body under the app's client secret, in base64",
            ),
        ];
        for (name, header, description) in signatures {
            let scheme = MetaSecurityScheme {
                ty: "apiKey",
                description: Some(description),
                name: Some(header),
                key_in: Some("header"),
                scheme: None,
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

/// Who is asking, found out once: the limits ask before any handler does.
#[derive(Clone)]
pub struct Identity(Arc<Result<Principal, Error>>);

impl Identity {
    /// Looks at the request's credential.
    pub async fn find(req: &Request) -> Self {
        Self(Arc::new(find(req).await.map_err(Failure::into_error)))
    }

    /// Who it is, or why nobody.
    pub fn principal(&self) -> Result<&Principal, &Error> {
        self.0.as_ref().as_ref()
    }
}

/// Who is asking.
pub async fn principal(req: &Request) -> Result<Principal, Failure> {
    match req.data::<Identity>() {
        Some(known) => known.principal().cloned().map_err(|error| error.again().into()),
        None => find(req).await,
    }
}

async fn find(req: &Request) -> Result<Principal, Failure> {
    let context = context(req)?;
    let found = match (bearer(req), cookie::token(req, &context.base_url)) {
        (Some(token), _) => by_token(req, context, token).await,
        (None, Some(token)) => return by_cookie(req, context, token).await,
        (None, None) => {
            let message = "this call needs `Authorization: Bearer …`, or a session";
            return Err(unauthorized("missing_credential", message).into());
        }
    };
    found.map_err(|error| refusal(req, error))
}

async fn by_token(req: &Request, context: &Context, token: &str) -> domain::Result<Principal> {
    if context.admin_token.is(token) {
        if context.admin_token.is_outgoing(token) {
            tracing::warn!("the admin token from before the change was used");
        }
        Ok(Principal::Admin)
    } else if token.starts_with("omni_") {
        let from = ClientAddress::of(req).map(ClientAddress::ip);
        authenticate_from(&context.db.awaited(), token, from, &context.clock).await
    } else if token.contains('.') {
        visitor(req, context, token).await
    } else {
        Err(unauthorized("invalid_credential", "the credential is not valid"))
    }
}

/// A person's session. What changes something also needs the session's token in a header, which no other site can read or send, and
/// must come from a page of our own as far as the browser tells.
async fn by_cookie(req: &Request, context: &Context, token: &str) -> Result<Principal, Failure> {
    let who = context.accounts.session(token).await;
    let who = who.map_err(|error| refusal(req, error))?;
    if !req.method().is_safe() {
        let given = req.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        let fits = given.is_some_and(|given| context.accounts.csrf_fits(who.session, given));
        if !fits {
            return Err(forbidden(
                "csrf",
                "with a session, this call needs the header `x-csrf-token`",
            ));
        }
        cookie::from_own_page(req, &context.base_url)?;
    }
    Ok(Principal::User(Box::new(who)))
}

fn refusal(req: &Request, error: Error) -> Failure {
    if *error.kind() == Kind::Unauthorized {
        tracing::warn!(
            event = "auth_failed",
            error.code = error.code(),
            peer = super::admin::peer(req),
            "a credential was refused"
        );
    }
    error.into()
}

fn unauthorized(code: &'static str, message: &str) -> Error {
    Error::new(Kind::Unauthorized, code, message)
}

/// The valid credential is not enough.
pub fn forbidden(code: &'static str, message: &str) -> Failure {
    Error::new(Kind::Forbidden, code, message).into()
}

/// The host of the page that a browser calls from, if the page is what its host says it is.
pub fn origin(req: &Request) -> Option<HostName> {
    let origin = hosts::origin(req)?;
    let trusted = context(req).is_ok_and(|context| context.trusts(&origin));
    trusted.then(|| origin.host().clone())
}

/// The session of a widget's token, from a page of its customer. A token outlives the proof of its domain by nothing.
async fn visitor(req: &Request, context: &Context, token: &str) -> domain::Result<Principal> {
    let origin = origin(req);
    let session = context.visitors.check(token, origin.as_ref())?;
    let verified = match &origin {
        Some(host) => context.hosts.belongs(host, session.customer).await?,
        None => false,
    };
    if verified {
        Ok(Principal::Visitor(session))
    } else {
        Err(unauthorized(
            "invalid_session",
            "the page's domain is not verified any more",
        ))
    }
}
