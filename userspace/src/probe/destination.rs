//! From what the user wrote to addresses.

use std::net::ToSocketAddrs as _;

use super::error::ProbeError;
use crate::model::probe::Endpoint;

/// What the addresses of virtual machines begin with.
pub(super) const VSOCK: &str = "vsock:";

/// The addresses that `HOST:PORT`, `[IPV6]:PORT` or `vsock:CID:PORT` stands for, at least one.
///
/// # Errors
/// If it is not written so, or the name is unknown.
pub fn resolve(text: &str) -> Result<Vec<Endpoint>, ProbeError> {
    let no_destination = || ProbeError::NotADestination(text.to_owned());
    if let Some(text) = text.strip_prefix(VSOCK) {
        return vsock(text).map(|endpoint| vec![endpoint]).ok_or_else(no_destination);
    }
    let (host, port) = split(text).ok_or_else(no_destination)?;
    let unresolvable = |source| ProbeError::Unresolvable { host: host.to_owned(), source };
    let found: Vec<Endpoint> =
        (host, port).to_socket_addrs().map_err(unresolvable)?.map(Endpoint::Inet).collect();
    if found.is_empty() {
        return Err(unresolvable(std::io::Error::other("the name has no address")));
    }
    Ok(found)
}

/// `CID:PORT`
fn vsock(text: &str) -> Option<Endpoint> {
    let (cid, port) = text.split_once(':')?;
    Some(Endpoint::Vsock { cid: cid.parse().ok()?, port: port.parse().ok()? })
}

/// Host and port; 0 is no port to send to.
fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let inner = host.strip_prefix('[').map(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(inner) => inner?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_host_and_port() {
        let cases = [
            ("10.9.0.2:9", Some(("10.9.0.2", 9))),
            ("host.example:5201", Some(("host.example", 5201))),
            ("[::1]:9", Some(("::1", 9))),
            ("[fe80::1%eth0]:9", Some(("fe80::1%eth0", 9))),
            ("::1:9", None),
            ("[::1:9", None),
            ("[]:9", None),
            ("10.9.0.2", None),
            ("10.9.0.2:0", None),
            ("10.9.0.2:65536", None),
            ("10.9.0.2:", None),
            (":9", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_need_no_resolver() {
        for text in ["127.0.0.1:9", "[::1]:9"] {
            let found = resolve(text).expect("an address");
            assert_eq!(found, [Endpoint::Inet(text.parse().expect("an address"))]);
        }
    }

    #[test]
    fn virtual_machines_have_numbers() {
        let found = resolve("vsock:2:5201").expect("an address");
        assert_eq!(found, [Endpoint::Vsock { cid: 2, port: 5201 }]);
        assert_eq!(found[0].to_string(), "vsock:2:5201");
        for bad in ["vsock:", "vsock:2", "vsock:host:1", "vsock:2:", "vsock:2:1:1", "vsock:-1:1"] {
            assert!(matches!(resolve(bad), Err(ProbeError::NotADestination(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_destination_is_said_to_be_none() {
        let error = resolve("nowhere").expect_err("no port");
        assert!(matches!(error, ProbeError::NotADestination(_)), "{error:?}");
        assert!(error.cure().contains("HOST:PORT"));
    }
}
