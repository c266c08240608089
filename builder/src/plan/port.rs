//! The ports of `EXPOSE`: `[address:][host-port:]port[-port][/protocol]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What one word of `EXPOSE` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The container's ports.
    pub(crate) range: RangeInclusive<u16>,
    /// The protocol as written; empty if it is not.
    pub(crate) protocol: String,
    /// Whether an address or host port is written, which `EXPOSE` takes no notice of.
    pub(crate) published: bool,
}

impl Ports {
    /// Reads one word; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (outer, container) = text.rsplit_once(':').map_or((None, text), |(outer, port)| (Some(outer), port));
        let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
        if range.is_empty() {
            return Err("there is no port".to_owned());
        }
        if !matches!(protocol.to_lowercase().as_str(), "" | "tcp" | "udp" | "sctp") {
            return Err(format!("`{protocol}` is none of the protocols tcp, udp and sctp"));
        }
        let range = self::range(range)?;
        let (address, host) = outer.map_or((None, ""), |outer| {
            outer.rsplit_once(':').map_or((None, outer), |(address, host)| (Some(address), host))
        });
        if let Some(address) = address.filter(|address| !address.is_empty()) {
            let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
            bare.parse::<IpAddr>().map_err(|_| format!("`{address}` is no address"))?;
        }
        if !host.is_empty() {
            let host = self::range(host)?;
            if range.len() != host.len() && range.len() != 1 {
                return Err("the ranges of host and container differ in length".to_owned());
            }
        }
        let published = outer.is_some_and(|outer| outer.contains(|c| c != ':'));
        Ok(Self { range, protocol: protocol.to_owned(), published })
    }

    /// The ports as an image's config names them: `80/tcp`.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let protocol = if self.protocol.is_empty() { "tcp".to_owned() } else { self.protocol.to_lowercase() };
        self.range.clone().map(move |port| format!("{port}/{protocol}"))
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (port(start)?, port(end)?);
    if end < start {
        return Err(format!("the range `{text}` runs backwards"));
    }
    Ok(start..=end)
}

fn port(text: &str) -> Result<u16, String> {
    text.parse::<u16>().map_err(|_| format!("`{text}` is no port: ports are numbers from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::Ports;

    fn check(text: &str, expected: Option<&[&str]>) {
        let found = Ports::parse(text).ok().map(|ports| ports.names().collect::<Vec<_>>());
        assert_eq!(found, expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect()), "{text}");
    }

    #[test]
    fn ports() {
        check("80", Some(&["80/tcp"]));
        check("80/UDP", Some(&["80/udp"]));
        check("8000-8002/sctp", Some(&["8000/sctp", "8001/sctp", "8002/sctp"]));
        check("0", Some(&["0/tcp"]));
        check("8080:80", Some(&["80/tcp"]));
        check("127.0.0.1:8080:80", Some(&["80/tcp"]));
        check("[::1]:8080:80", Some(&["80/tcp"]));
        check("8000-8001:80", Some(&["80/tcp"]));
        for text in ["", "x", "70000", "80/ftp", "9-8", "-1", "1.2.3:1:2", "1-2:1-3", "/tcp", "80-"] {
            check(text, None);
        }
    }
}
