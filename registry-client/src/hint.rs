//! The remedy for each failure, in one place. No I/O.

use std::io;

use crate::error::{ConnectFailure, Error, StatusError};

/// The remedy for `error`, if there is one to name.
pub(crate) fn of(error: &Error) -> Option<String> {
    match error {
        Error::Connect { request, failure, .. } => of_connect(request.host(), *failure),
        Error::Broken { .. } | Error::Stalled { .. } => {
            Some("the network or the registry failed in the middle; run it again, what arrived is kept".to_owned())
        }
        Error::Status(status) => of_status(status),
        Error::Web(error) => of_web(error),
        Error::Token { registry, source } => of_token(registry, source),
        Error::UnknownChallenge { .. } => Some("dhow knows Basic and Bearer; is a proxy in between?".to_owned()),
        Error::Certificate { .. } => Some(
            "a certs.d directory holds `*.crt` (authorities) and pairs of `*.cert` and `*.key`, all PEM".to_owned(),
        ),
        Error::Credentials { .. } => Some("mend or remove the file, or log in again with `dhow login`".to_owned()),
        Error::CredentialHelper { program, .. } => {
            Some(format!("install `{program}`, or remove it from `credsStore` and `credHelpers` in config.json"))
        }
        Error::Corrupt { .. } => Some(
            "the registry, or a proxy before it, sends other bytes than it promised; push the image again".to_owned(),
        ),
        Error::Schema1(_) => Some("pull and push it once with a tool that converts it to schema 2 or OCI".to_owned()),
        Error::NotAnImage { .. } => Some("it may be an artifact, such as a chart or a signature".to_owned()),
        Error::NoPlatform { available, .. } => {
            let first = available.iter().find(|platform| !platform.starts_with("unknown"))?;
            Some(format!("name one of them, such as `--platform {first}`"))
        }
        Error::BlobMissing { .. } => Some("the registry lost it; push the image again".to_owned()),
        Error::LoginRefused { .. } => {
            Some("check both; with two-factor authentication an access token takes the password's place".to_owned())
        }
        Error::Store(error) => error.hint(),
        Error::InvalidRegistry(_) | Error::Settings { .. } | Error::Protocol { .. } | Error::Document { .. } => None,
        Error::Io { subject, source, .. } => of_io(subject, source.kind()),
    }
}

fn of_io(subject: &str, kind: io::ErrorKind) -> Option<String> {
    match kind {
        io::ErrorKind::AddrInUse => Some(format!("another program listens on `{subject}`: choose another address")),
        io::ErrorKind::AddrNotAvailable => Some(format!("`{subject}` is no address of this machine")),
        io::ErrorKind::PermissionDenied => Some(format!("check the rights to use `{subject}`, or choose another")),
        io::ErrorKind::StorageFull => Some("the disk is full: make room, or choose another directory".to_owned()),
        _ => None,
    }
}

fn of_connect(host: &str, failure: ConnectFailure) -> Option<String> {
    let text = match failure {
        ConnectFailure::Refused => {
            format!("is the registry `{host}` running? `dhow registry serve --addr {host}` starts one on this machine")
        }
        ConnectFailure::UnknownHost => {
            format!("check the spelling of `{host}`, and this machine's DNS (`/etc/resolv.conf`)")
        }
        ConnectFailure::TimedOut => format!("check the network, firewall and proxy between this machine and `{host}`"),
        ConnectFailure::NotTls => {
            format!("if `{host}` speaks plain HTTP, allow that with `--insecure-registry {host}`")
        }
        ConnectFailure::UnknownIssuer => {
            format!("put the certificate of its authority into `/etc/docker/certs.d/{host}/ca.crt`")
        }
        ConnectFailure::OutsideValidity => {
            "compare this machine's clock with the time; if it is right, the registry needs a new certificate"
                .to_owned()
        }
        ConnectFailure::WrongName => format!("use one of the names in the certificate instead of `{host}`"),
        ConnectFailure::Other => return None,
    };
    Some(text)
}

/// Nothing here speaks of registries.
fn of_web(error: &Error) -> Option<String> {
    let text = match error {
        Error::Connect { request, failure, .. } => return of_web_connect(request.host(), *failure),
        Error::Broken { .. } | Error::Stalled { .. } => "the network or the server failed in the middle; run it again",
        Error::Status(status) => match status.status {
            401 | 403 => "the server wants to know who asks: give `--secret id=HTTP_AUTH_TOKEN_<host>`",
            404 | 410 => "check the URL; the server has no such file",
            429 => "the server's rate limit is reached; try again later",
            500..600 => "the server itself fails; try again later",
            _ => return None,
        },
        Error::Protocol { reason, .. } if reason.contains("plain HTTP") => "name the URL that it leads to",
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_web_connect(host: &str, failure: ConnectFailure) -> Option<String> {
    match failure {
        ConnectFailure::Refused => Some(format!("is there a server at `{host}`? Check the URL's host and port")),
        ConnectFailure::NotTls => Some("the URL may have to begin with `http://`".to_owned()),
        ConnectFailure::OutsideValidity => Some(
            "compare this machine's clock with the time; if it is right, the server needs a new certificate".to_owned(),
        ),
        _ => of_connect(host, failure),
    }
}

fn of_token(registry: &str, source: &Error) -> Option<String> {
    match source.status() {
        Some(401 | 403) => Some(format!("the user name or password is wrong: `dhow login {registry}`")),
        _ => of(source),
    }
}

fn of_status(error: &StatusError) -> Option<String> {
    let host = error.request.host();
    let said = |words: &[&str]| {
        let text = error.errors.iter().map(|e| format!("{} {}", e.message, e.detail)).collect::<String>();
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let text = match error.status {
        400..500 if said(&["project"]) && said(&["not found", "not exist"]) => {
            "create the project on the registry first: the name is `registry/project/repository`".to_owned()
        }
        404 if host.contains(".dkr.ecr.") && error.has_code("NAME_UNKNOWN") => {
            "this registry does not create repositories on push: `aws ecr create-repository` first".to_owned()
        }
        401 => format!("log in first: `{}`; names of private images are hidden behind the same answer", login(host)),
        403 | 405 if error.has_code("UNSUPPORTED") => "the registry does not allow this operation".to_owned(),
        403 => format!("the account has no right to do this here: check it, or `{}` with another one", login(host)),
        404 if error.has_code("MANIFEST_UNKNOWN") => "check the tag; the registry has no such image".to_owned(),
        404 => "check the spelling of the repository's name".to_owned(),
        412 => "a policy of the registry blocks this image, for example because it is not signed".to_owned(),
        413 => "the registry, or a proxy before it, limits the size of a request".to_owned(),
        429 => rate_limit(error),
        500..600 => "the registry itself fails; see its log, or try again later".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn rate_limit(error: &StatusError) -> String {
    let wait = error.retry_after.map(|wait| format!(", or wait {} seconds", wait.as_secs())).unwrap_or_default();
    let login = login(error.request.host());
    format!("the registry's rate limit is reached: log in with `{login}` for a higher one{wait}")
}

/// Docker Hub is meant where none is named.
fn login(host: &str) -> String {
    if host == crate::endpoint::DOCKER_HUB_API { "dhow login".to_owned() } else { format!("dhow login {host}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::Method;

    use crate::api_error::ApiError;
    use crate::error::{Error, RequestLine, StatusError};

    /// Each line is an answer of a real registry, and a word of the remedy.
    #[test]
    fn answers_of_real_registries_lead_to_remedies() {
        let check = |url: &str, status: u16, (code, message): (&str, &str), expected: &str| {
            let request = RequestLine::new(&Method::POST, &url.parse().expect("a URL"));
            let error = ApiError { code: code.to_owned(), message: message.to_owned(), ..ApiError::default() };
            let retry_after = (status == 429).then(|| Duration::from_secs(77));
            let error = Error::Status(Box::new(StatusError { request, status, errors: vec![error], retry_after }));
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains(expected), "{url} {status} {code}: {hint}");
        };
        let harbor = "https://harbor.example/v2/nobody/app/blobs/uploads/";
        check(harbor, 404, ("NOT_FOUND", "project nobody not found"), "create the project");
        check(harbor, 401, ("UNAUTHORIZED", "unauthorized to access repository"), "`dhow login harbor.example`");
        check(harbor, 412, ("PROJECTPOLICYVIOLATION", "current image is not signed"), "policy");
        let ecr = "https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/app/blobs/uploads/";
        check(ecr, 404, ("NAME_UNKNOWN", "The repository does not exist"), "create-repository");
        let hub = "https://registry-1.docker.io/v2/library/x/manifests/y?token=secret";
        check(hub, 429, ("TOOMANYREQUESTS", "You have reached your pull rate limit"), "wait 77 seconds");
        check(hub, 401, ("UNAUTHORIZED", ""), "`dhow login`");
        check(hub, 404, ("MANIFEST_UNKNOWN", ""), "check the tag");
        check(hub, 403, ("DENIED", "requested access to the resource is denied"), "no right");
        check("http://127.0.0.1:5000/v2/a/b", 405, ("UNSUPPORTED", ""), "does not allow");
        check("http://127.0.0.1:5000/v2/a/b", 413, ("", ""), "size of a request");
        check("http://127.0.0.1:5000/v2/a/b", 500, ("UNKNOWN", ""), "log");
    }

    #[test]
    fn secrets_in_urls_are_not_shown() {
        let url = "https://me:password@storage.example/blob?X-Amz-Signature=secret#x".parse().expect("a URL");
        assert_eq!(RequestLine::new(&Method::GET, &url).to_string(), "GET https://storage.example/blob");
    }
}
