//! Answers that refuse: the spec's error codes, their statuses and their JSON (distribution-spec, "Error Codes").

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};

use crate::api_error::{ApiError, ErrorDocument};

/// What every handler returns.
pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// The spec's error codes that this server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    RangeInvalid,
    UploadBusy,
    Unsupported,
    Internal,
}

impl Code {
    fn text_and_status(self) -> (&'static str, StatusCode) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::SizeInvalid => ("SIZE_INVALID", StatusCode::PAYLOAD_TOO_LARGE),
            Self::RangeInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::RANGE_NOT_SATISFIABLE),
            Self::UploadBusy => ("BLOB_UPLOAD_INVALID", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED),
            Self::Internal => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: Option<Code>,
    message: String,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: String) -> Self {
        Self { code: Some(code), message, headers: Vec::new() }
    }

    /// A path that is none of the protocol's.
    pub(crate) fn not_found() -> Self {
        Self { code: None, message: "not a path of the distribution protocol".to_owned(), headers: Vec::new() }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer as it is sent.
    pub(crate) fn into_response(self) -> Response<Body> {
        let (code, status) = self.code.map_or(("NOT_FOUND", StatusCode::NOT_FOUND), Code::text_and_status);
        let error = ApiError { code: code.to_owned(), message: self.message, detail: serde_json::Value::Null };
        // A struct of strings always has a JSON form.
        let body = serde_json::to_vec(&ErrorDocument { errors: vec![error] }).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            response.headers_mut().extend(HeaderValue::try_from(value).map(|value| (header_name(name), value)));
        }
        response
    }
}

/// A failure of the disk, told without its paths.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Internal, format!("the registry's storage failed: {}", error.kind()))
    }
}

fn header_name(name: &'static str) -> axum::http::HeaderName {
    axum::http::HeaderName::from_static(name)
}
