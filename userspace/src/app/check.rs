//! `zcdiag check`: what will become of zerocopy sends, without sending any.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
};

use super::outcome::{Failure, Outcome, code, is_read, with_sources};
use crate::{
    check::{check, gather::Question},
    engine::session,
    model::check::{Outlook, Way},
    process::ProcRoot,
    render,
};

/// What to check, and how to tell of it.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// As the user wrote it.
    pub destination: Option<String>,
    /// Mark of the packets.
    pub mark: Option<u32>,
    /// Address that they are sent from.
    pub source: Option<IpAddr>,
    /// Port that they are sent from.
    pub local_port: Option<u16>,
    /// User of the socket.
    pub uid: Option<u32>,
    /// Only through this device.
    pub dev: Option<String>,
    /// Bytes of one send.
    pub size: Option<u32>,
    /// Ways of sending; all if empty.
    pub ways: Vec<Way>,
    /// JSON instead of text.
    pub json: bool,
    /// Use colour in text.
    pub color: bool,
}

/// Checks, and writes the answer to `out`; what could not be seen goes to `err` too.
///
/// # Errors
/// If the destination is unknown or cannot be reached, or there is no such device.
pub fn run(options: &CheckOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let address = options.destination.as_deref().map(resolve).transpose()?;
    let question = Question {
        device: options.dev.clone(),
        size: options.size,
        mark: options.mark,
        source: options.source,
        local_port: options.local_port,
        uid: options.uid,
        ..Question::to(address, session::tap_list_scope())
    };
    let ways = if options.ways.is_empty() { &Way::ALL[..] } else { &options.ways };
    let report = check(&question, ways, &ProcRoot::system())
        .map_err(|error| Failure::new(with_sources(&error), error.cure()))?;
    let written = (|| {
        for sentence in &report.missing {
            writeln!(err, "could not see {sentence}")?;
        }
        if options.json {
            return render::check::json::write_json(&report, out);
        }
        let subject = match (&options.destination, &options.dev) {
            (Some(destination), Some(dev)) => format!("to {destination} through {dev}"),
            (Some(destination), None) => format!("to {destination}"),
            (None, dev) => format!("through {}", dev.as_deref().unwrap_or_default()),
        };
        render::check::write_text(&report, &subject, options.color, out)
    })();
    is_read(written)?;
    Ok(exit_code(report.outlook))
}

fn exit_code(outlook: Outlook) -> u8 {
    match outlook {
        Outlook::ZeroCopy => code::OK,
        Outlook::Copied => code::BAD_ANSWER,
        Outlook::Unknown => code::NO_ANSWER,
    }
}

/// The address that `HOST`, `HOST:PORT` or `[IPV6]:PORT` stands for; the first one, if there are several.
fn resolve(text: &str) -> Result<SocketAddr, Failure> {
    let cure = "give a host name or an address, such as 10.0.0.2 or fd00::2; a port may follow";
    let host = host(text).ok_or_else(|| Failure::new(format!("'{text}' is no destination"), cure))?;
    let found = (host, port(text)).to_socket_addrs().map(|mut addresses| addresses.next());
    match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(Failure::new(format!("{host}: the name has no address"), cure)),
        Err(error) => Err(Failure::new(format!("{host}: {error}"), cure)),
    }
}

/// The host in a destination.
fn host(text: &str) -> Option<&str> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, port) = bracketed.split_once(']')?;
        let port_is_well = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
        return (port_is_well && !host.is_empty()).then_some(host);
    }
    match text.split_once(':') {
        // More than one colon: an IPv6 address.
        Some((host, port)) if !port.contains(':') => {
            (port.parse::<u16>().is_ok() && !host.is_empty()).then_some(host)
        }
        _ => (!text.is_empty()).then_some(text),
    }
}

/// The port in a destination that has a host; 0 if there is none.
fn port(text: &str) -> u16 {
    let written = if text.starts_with('[') { text.rsplit_once("]:") } else { text.split_once(':') };
    written.map(|(_, port)| port).and_then(|port| port.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let cases = [
            ("10.9.0.2", 0),
            ("10.9.0.2:9", 9),
            ("host.example:5201", 5201),
            ("fd09::2", 0),
            ("fd09::", 0),
            ("::2", 0),
            ("[fd09::2]", 0),
            ("[fd09::2]:9", 9),
        ];
        for (text, expected) in cases {
            assert_eq!(port(text), expected, "{text}");
        }
    }

    #[test]
    fn destinations() {
        let cases = [
            ("10.9.0.2", Some("10.9.0.2")),
            ("10.9.0.2:9", Some("10.9.0.2")),
            ("host.example", Some("host.example")),
            ("host.example:5201", Some("host.example")),
            ("fd09::2", Some("fd09::2")),
            ("fe80::1%eth0", Some("fe80::1%eth0")),
            ("[fd09::2]", Some("fd09::2")),
            ("[fd09::2]:9", Some("fd09::2")),
            ("[fd09::2]x", None),
            ("[fd09::2", None),
            ("[]:9", None),
            ("10.9.0.2:", None),
            ("10.9.0.2:70000", None),
            (":9", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(host(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_exit_code_is_the_answer() {
        let codes = [Outlook::ZeroCopy, Outlook::Copied, Outlook::Unknown].map(exit_code);
        assert_eq!(codes, [0, 3, 4]);
    }
}
