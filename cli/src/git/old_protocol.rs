//! Fetching in versions 0 and 1 of the protocol (gitprotocol-pack(5)), for servers that do not speak version 2.

use std::io::Read;

use super::error::GitError;
use super::greeting::Advertisement;
use super::pkt_line::{self, Packet, flush, line};
use super::protocol::{AGENT, Depth, Objects, Wanted, refusal};
use super::sideband::Sideband;

/// Capabilities that are asked for where they are offered, the first of each group.
const GROUPS: [&[&str]; 4] = [
    // There are servers that refuse clients without it.
    &["multi_ack_detailed", "multi_ack"],
    &["side-band-64k", "side-band"],
    &["ofs-delta"],
    &["no-progress"],
];

/// The request for `wanted`. A server is only asked for what it can do.
pub(super) fn request(server: &Advertisement, wanted: &Wanted<'_>) -> Vec<u8> {
    let mut chosen: Vec<&str> =
        GROUPS.iter().filter_map(|group| group.iter().copied().find(|name| server.can(name))).collect();
    let is_shallow = wanted.depth == Depth::One && server.can("shallow");
    let is_filtered = wanted.objects == Objects::Commit && server.can("filter");
    chosen.extend(is_shallow.then_some("shallow"));
    chosen.extend(is_filtered.then_some("filter"));
    chosen.extend(server.value("agent").map(|_| AGENT));
    let mut request = Vec::new();
    for (index, id) in wanted.ids.iter().enumerate() {
        let capabilities = if index == 0 { format!(" {}", chosen.join(" ")) } else { String::new() };
        line(&mut request, &format!("want {id}{capabilities}\n"));
    }
    if is_shallow {
        line(&mut request, "deepen 1\n");
    }
    if is_filtered {
        line(&mut request, "filter tree:0\n");
    }
    flush(&mut request);
    // Nothing is here already, so that the list of that ends at once.
    line(&mut request, "done\n");
    request
}

/// The pack in the answer to a [`request`].
pub(super) fn pack<'a>(server: &Advertisement, answer: Box<dyn Read + 'a>) -> Result<Box<dyn Read + 'a>, GitError> {
    let mut answer = answer;
    loop {
        let broken = |error: std::io::Error| GitError::Protocol(error.to_string());
        match pkt_line::read(&mut answer).map_err(broken)? {
            Packet::Data(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_end();
                match text.strip_prefix("ERR ") {
                    Some(reason) => return Err(refusal(reason)),
                    None if text == "NAK" => break,
                    // Which commits come without their past.
                    None if text.starts_with("shallow ") || text.starts_with("unshallow ") => {}
                    None => return Err(GitError::Protocol(format!("`{text}` where a pack should begin"))),
                }
            }
            Packet::Flush | Packet::Delimiter => {}
        }
    }
    let in_bands = server.can("side-band-64k") || server.can("side-band");
    Ok(if in_bands { Box::new(Sideband::new(answer)) } else { answer })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{pack, request};
    use crate::git::greeting::Advertisement;
    use crate::git::protocol::{Depth, Objects, Wanted};

    fn server(capabilities: &str) -> Advertisement {
        Advertisement { capabilities: capabilities.split(' ').map(str::to_owned).collect(), refs: Vec::new() }
    }

    #[test]
    fn servers_are_asked_for_what_they_can_do() {
        let ids = ["1".repeat(40), "2".repeat(40)];
        let wanted = Wanted { ids: &ids, objects: Objects::Commit, depth: Depth::One };
        let asked = |capabilities| String::from_utf8(request(&server(capabilities), &wanted)).unwrap();
        let all = asked("multi_ack thin-pack side-band side-band-64k ofs-delta shallow filter no-progress agent=git/1");
        assert!(all.contains(&format!(
            "want {} multi_ack side-band-64k ofs-delta no-progress shallow filter agent=dhow",
            ids[0]
        )));
        assert!(
            all.contains(&format!("0032want {}\n000ddeepen 1\n0012filter tree:0\n00000009done\n", ids[1])),
            "{all}"
        );
        let little = asked("multi_ack");
        assert!(
            little.ends_with(&format!("want {} multi_ack\n0032want {}\n00000009done\n", ids[0], ids[1])),
            "{little}"
        );
    }

    #[test]
    fn packs_come_in_bands_or_without() {
        let read = |capabilities, answer: &'static [u8]| {
            let mut bytes = Vec::new();
            pack(&server(capabilities), Box::new(answer))
                .map(|mut pack| pack.read_to_end(&mut bytes))
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(bytes)
        };
        assert_eq!(read("side-band", b"000eshallow 1\n00000008NAK\n0009\x01PACK0000").unwrap(), b"PACK");
        assert_eq!(read("shallow", b"0008NAK\nPACK").unwrap(), b"PACK");
        assert!(read("shallow", b"001cERR upload-pack: not now").unwrap_err().contains("not now"));
        assert!(read("shallow", b"0009what\n").is_err());
    }
}
