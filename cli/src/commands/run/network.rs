//! What a container knows of names and ports: `/etc/hosts`, `/etc/resolv.conf`, `-p`.

use std::fs;
use std::net::IpAddr;

use crate::args::NetworkOptions;
use crate::output;
use crate::problem::Problem;

/// The network that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By name: the host's.
    Host,
    /// Docker's bridge, which is the host's network until there is one.
    Default,
    /// Loopback only.
    None,
}

impl Mode {
    /// The mode of `--network`, whose values the command line has checked.
    pub(crate) fn of(options: &NetworkOptions) -> Self {
        match options.network.as_str() {
            "none" => Self::None,
            "host" => Self::Host,
            _ => Self::Default,
        }
    }

    /// The name that `inspect` shows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host | Self::Default => "host",
            Self::None => "none",
        }
    }
}

/// `/etc/hosts` for a container with this `hostname`.
///
/// # Errors
/// An `--add-host` cannot be read.
pub(crate) fn hosts(options: &NetworkOptions, hostname: &str) -> Result<String, Problem> {
    let mut text = match Mode::of(options) {
        Mode::None => "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned(),
        // Without a file the container still knows itself.
        Mode::Host | Mode::Default => {
            fs::read_to_string("/etc/hosts").unwrap_or_else(|_| "127.0.0.1\tlocalhost\n".to_owned())
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let knows = text.lines().any(|line| line.split_whitespace().skip(1).any(|name| name == hostname));
    if !knows {
        text.push_str(&format!("127.0.1.1\t{hostname}\n"));
    }
    for entry in &options.add_host {
        let (name, address) = add_host(entry)?;
        text.push_str(&format!("{address}\t{name}\n"));
    }
    Ok(text)
}

/// `HOST:IP` or `HOST=IP`; the address may stand in brackets.
fn add_host(entry: &str) -> Result<(&str, IpAddr), Problem> {
    let bad = || Problem::usage(format!("`{entry}` is not a host and its address")).hint("write HOST:IP");
    let (name, address) = entry.split_once('=').or_else(|| entry.split_once(':')).ok_or_else(bad)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(bad());
    }
    if address == "host-gateway" {
        return Ok((name, IpAddr::from([127, 0, 0, 1])));
    }
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Ok((name, address.parse().map_err(|_| bad())?))
}

/// `/etc/resolv.conf`: the host's, or the servers and domains that were typed.
///
/// # Errors
/// A server is no address.
pub(crate) fn resolv_conf(options: &NetworkOptions) -> Result<String, Problem> {
    for server in &options.dns {
        let parsed: Result<IpAddr, _> = server.parse();
        parsed.map_err(|_| Problem::usage(format!("the name server `{server}` is not an address")))?;
    }
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if options.dns.is_empty() && options.dns_search.is_empty() {
        return Ok(host);
    }
    let keyword = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let keeps = |line: &&str| match keyword(line).as_deref() {
        Some("nameserver") => options.dns.is_empty(),
        Some("search" | "domain") => options.dns_search.is_empty(),
        _ => true,
    };
    let mut text: String = host.lines().filter(keeps).map(|line| format!("{line}\n")).collect();
    if !options.dns_search.is_empty() {
        text.push_str(&format!("search {}\n", options.dns_search.join(" ")));
    }
    text.extend(options.dns.iter().map(|server| format!("nameserver {server}\n")));
    Ok(text)
}

/// Checks `-p`: on the host's network a port is published as it is, and only as that.
///
/// # Errors
/// A port would have to be another one outside.
pub(crate) fn check_ports(options: &NetworkOptions) -> Result<(), Problem> {
    for text in &options.publish {
        let (outside, inside) = ports(text)?;
        if Mode::of(options) == Mode::None {
            return Err(Problem::usage(format!("port `{text}` cannot be published from `--network none`")));
        }
        if outside != Some(inside) {
            return Err(Problem::usage(format!("port `{text}` cannot be mapped: containers use the host's network"))
                .hint(format!(
                    "publish it as it is with `-p {inside}:{inside}`, or let the program listen elsewhere"
                )));
        }
        if Mode::of(options) == Mode::Default {
            output::say(&format!("note: `-p {text}` has no effect: the container uses the host's network"));
        }
    }
    Ok(())
}

/// `[[IP:]OUTSIDE:]INSIDE[/PROTOCOL]`, with ranges.
fn ports(text: &str) -> Result<(Option<&str>, &str), Problem> {
    let bad = || Problem::usage(format!("`{text}` is not a port to publish")).hint("write OUTSIDE:INSIDE");
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let (outside, inside) = match numbers.rsplit_once(':') {
        Some((rest, inside)) => (Some(rest.rsplit(':').next().unwrap_or(rest)), inside),
        None => (None, numbers),
    };
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let is_range = |text: &str| text.split_once('-').map_or_else(|| is_port(text), |(a, b)| is_port(a) && is_port(b));
    let good = is_range(inside) && outside.is_none_or(|outside| outside.is_empty() || is_range(outside));
    if good { Ok((outside.filter(|outside| !outside.is_empty()), inside)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::{add_host, check_ports, hosts, ports, resolv_conf};
    use crate::args::NetworkOptions;

    fn options(network: &str) -> NetworkOptions {
        NetworkOptions {
            network: network.to_owned(),
            publish: Vec::new(),
            add_host: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
        }
    }

    #[test]
    fn ports_stay_the_same_or_fail() {
        for (text, expected) in [
            ("80:80", Some((Some("80"), "80"))),
            ("127.0.0.1:8080:80/udp", Some((Some("8080"), "80"))),
            ("8000-8010:8000-8010", Some((Some("8000-8010"), "8000-8010"))),
            ("80", Some((None, "80"))),
            ("[::1]:80:80", Some((Some("80"), "80"))),
            ("x:80", None),
            ("80:0", None),
            ("80:80/icmp", None),
        ] {
            assert_eq!(ports(text).ok(), expected, "{text}");
        }
        let publish = |network: &str, text: &str| {
            check_ports(&NetworkOptions { publish: vec![text.to_owned()], ..options(network) })
        };
        assert!(publish("host", "80:80").is_ok());
        assert!(publish("host", "8080:80").is_err());
        assert!(publish("default", "80").is_err());
        assert!(publish("none", "80:80").is_err());
    }

    #[test]
    fn files_of_names() {
        let typed = NetworkOptions {
            add_host: vec!["db:10.0.0.1".to_owned(), "six=[::2]".to_owned()],
            dns: vec!["9.9.9.9".to_owned()],
            dns_search: vec!["example.org".to_owned()],
            ..options("none")
        };
        let text = hosts(&typed, "box").unwrap();
        assert!(text.ends_with("127.0.1.1\tbox\n10.0.0.1\tdb\n::2\tsix\n"), "{text}");
        let text = resolv_conf(&typed).unwrap();
        assert!(text.ends_with("search example.org\nnameserver 9.9.9.9\n"), "{text}");
        assert_eq!(text.matches("nameserver").count(), 1);
        assert!(add_host("nonsense").is_err());
        assert!(resolv_conf(&NetworkOptions { dns: vec!["x".to_owned()], ..options("host") }).is_err());
    }
}
