//! Every failure as one `application/problem+json` (RFC 9457). `domain::Error` is mapped here and nowhere else, and so are
//! the errors that poem raises before a handler runs.
use domain::{Error, FieldError, error::Kind};
use poem::{
    IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError, ResponseError},
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::ToJSON,
};
use std::{fmt, time::Duration};

const CONTENT_TYPE: &str = "application/problem+json";

/// What a handler returns.
pub type Answer<T> = Result<T, Failure>;

/// A problem as the caller reads it.
#[derive(Clone, Debug, Object)]
pub struct Problem {
    /// `urn:omniops:problem:` and the code.
    #[oai(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// Leads us to the log; the same as the header `x-request-id`.
    pub request_id: String,
    /// The fields that break a rule; empty unless the code is `invalid_request`.
    pub errors: Vec<ProblemField>,
}

/// One field that breaks a rule.
#[derive(Clone, Debug, Object)]
pub struct ProblemField {
    /// The field, as the contract spells it.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A failure on its way out.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    error: Error,
}

impl Failure {
    /// A failure with a status of its own.
    pub fn with_status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error: Error::new(Kind::Conflict, code, message),
        }
    }

    /// What failed, without a status of its own.
    pub fn into_error(self) -> Error {
        self.error
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The whole story, for the log.
    pub fn story(&self) -> String {
        self.error.story()
    }

    /// What the caller reads.
    pub fn problem(&self, request_id: &str) -> Problem {
        let errors = match self.error.kind() {
            Kind::Invalid(fields) => fields.iter().map(ProblemField::from).collect(),
            _ => Vec::new(),
        };
        Problem {
            kind: format!("urn:omniops:problem:{}", self.error.code()),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.error.code().to_owned(),
            detail: self.error.public_message().to_owned(),
            request_id: request_id.to_owned(),
            errors,
        }
    }

    /// The answer, with the headers that belong to its status.
    pub fn response(&self, request_id: &str) -> Response {
        let body = self.problem(request_id).to_json_string();
        let mut response = Response::builder()
            .status(self.status)
            .content_type(CONTENT_TYPE)
            .body(body);
        if let Kind::TooMany { retry_after } | Kind::Unavailable { retry_after } = self.error.kind() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds(*retry_after));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs().max(1))
}

impl From<&FieldError> for ProblemField {
    fn from(field: &FieldError) -> Self {
        Self {
            field: field.field.clone(),
            reason: field.reason.clone(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Invalid(_) => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Kind::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, error }
    }
}

/// What poem says before a handler runs. Its own texts are kept only where they name the caller's mistake.
impl From<poem::Error> for Failure {
    fn from(error: poem::Error) -> Self {
        use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError};
        let error = match error.downcast::<Self>() {
            Ok(failure) => return failure,
            Err(other) => other,
        };
        if let Some(wrong) = error.downcast_ref::<ParseParamError>() {
            return Error::invalid(named(wrong.name), plain(&wrong.reason)).into();
        }
        if let Some(wrong) = error.downcast_ref::<ParsePathError>() {
            return Error::invalid(named(wrong.name), plain(&wrong.reason)).into();
        }
        let status = error.status();
        if error.is::<NotFoundError>() {
            return Self::with_status(status, "no_such_route", "there is nothing at this address");
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::with_status(status, "method_not_allowed", "this address does not take this method");
        }
        if error.is::<ContentTypeError>() {
            let message = "send the body as `Content-Type: application/json`";
            return Self::with_status(status, "unsupported_media_type", message);
        }
        if status.is_client_error() {
            return Self::with_status(status, "bad_request", "the request can't be read");
        }
        Error::internal("handling a request", std::io::Error::other(error.to_string())).into()
    }
}

/// poem-openapi knows path parameters by their position; the first of a path is an id, a second one a host.
fn named(name: &str) -> &str {
    match name {
        "param0" => "id",
        "param1" => "host",
        name => name,
    }
}

/// poem-openapi's reasons name its own types and rules; callers read which rule it is.
fn plain(reason: &str) -> String {
    let rule = reason.split_once("verification failed. ").map(|(_, rule)| rule);
    let bound = |rule: &str| {
        let (name, rest) = rule.split_once('(')?;
        let value = rest.split([',', ')']).next()?;
        Some(match name {
            "minimum" => format!("must be at least {value}"),
            "maximum" => format!("must be at most {value}"),
            "minLength" => format!("must have at least {value} characters"),
            "maxLength" => format!("must have at most {value} characters"),
            _ => return None,
        })
    };
    if let Some(told) = rule.and_then(bound) {
        return told;
    }
    if reason.contains("string_uuid") {
        return "must be a UUID".to_owned();
    }
    if reason.contains("expects an input value") {
        return "is required".to_owned();
    }
    reason.strip_prefix("failed to parse ").unwrap_or(reason).to_owned()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error.public_message())
    }
}

impl std::error::Error for Failure {}

/// Failures pass through poem as its errors; `middleware::problems` turns them into answers, where the request's id is known.
impl ResponseError for Failure {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.response("").into_response()
    }
}

/// Every operation may end in a problem: the contract's `default` answer.
impl ApiResponse for Failure {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "A problem (RFC 9457); `code` says which",
                status: None,
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: CONTENT_TYPE,
                    schema: <Json<Problem> as Payload>::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        <Json<Problem> as Payload>::register(registry);
    }
}
