//! Finds out from the transport's nested errors why a connection did not come about.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use crate::error::{ConnectFailure, Error, RequestLine};

/// The error for a request that got no answer.
pub(crate) fn classify(request: RequestLine, error: reqwest::Error) -> Error {
    let error = error.without_url();
    if !error.is_connect() {
        return Error::Broken { request, source: error };
    }
    let failure = if error.is_timeout() { ConnectFailure::TimedOut } else { failure_of(&error) };
    Error::Connect { request, failure, source: Some(error) }
}

fn failure_of(error: &reqwest::Error) -> ConnectFailure {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(failure) = known(cause) {
            return failure;
        }
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    if error.is_dns() { ConnectFailure::UnknownHost } else { ConnectFailure::Other }
}

fn known(cause: &(dyn StdError + 'static)) -> Option<ConnectFailure> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return of_tls(tls);
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused => Some(ConnectFailure::Refused),
        io::ErrorKind::TimedOut => Some(ConnectFailure::TimedOut),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Option<ConnectFailure> {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return matches!(error, rustls::Error::InvalidMessage(_)).then_some(ConnectFailure::NotTls);
    };
    match reason {
        CertificateError::UnknownIssuer => Some(ConnectFailure::UnknownIssuer),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Some(ConnectFailure::OutsideValidity),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some(ConnectFailure::WrongName)
        }
        _ => None,
    }
}
