//! Facts of the running kernel that decide what a tap does.

/// Which devices a packet socket that is bound to no device listens on.
///
/// Up to 6.14 `dev_queue_xmit_nit()` walks one machine-wide list (`ptype_all`, later
/// `net_hotdata.ptype_all`) and the namespace test in `packet_rcv()` comes after the copy; from 6.15
/// (commit c353e8983e0d) it walks `dev_net(dev)->ptype_all`. The member `ptype_all` of `struct net` in the
/// kernel's BTF tells the two apart; [`TapListScope::from_release`] is for kernels without BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapListScope {
    /// An unbound tap of any namespace makes the sends of every namespace copy.
    Global,
    /// An unbound tap makes only the sends of its own namespace copy.
    PerNetns,
    /// Neither BTF nor the release said.
    Unknown,
}

impl TapListScope {
    /// Guesses from a release string such as `6.1.0-56-amd64`; a vendor may have moved the change.
    pub fn from_release(release: &str) -> Self {
        match parse_release(release) {
            Some(version) if version >= (6, 15) => Self::PerNetns,
            Some(_) => Self::Global,
            None => Self::Unknown,
        }
    }
}

/// Whether `PACKET_FANOUT_FLAG_IGNORE_OUTGOING` does anything on this kernel; `None` when it cannot be told.
///
/// `fanout_add()` obeys the flag from 6.2 (commit 58ba426388d9); older kernels accept and forget it.
/// Enterprise kernels carry later changes under an old version, so for those nothing is claimed.
pub fn fanout_flag_obeyed(release: &str) -> Option<bool> {
    let version = parse_release(release)?;
    if version >= (6, 2) {
        return Some(true);
    }
    if release.contains(".el") { None } else { Some(false) }
}

/// Whether packets that come in from a veth and are routed on stay zero-copy; `None` when it cannot be told.
///
/// 6.17 moved the copy from `__netif_receive_skb_core()` to local delivery (commit d2527ad3a9e1). Functions and
/// types stayed the same, so BTF cannot tell, and enterprise kernels may have the change under an old version.
pub fn routes_zerocopy(release: &str) -> Option<bool> {
    let version = parse_release(release)?;
    if version >= (6, 17) {
        return Some(true);
    }
    if release.contains(".el") { None } else { Some(false) }
}

/// The first two numbers of a kernel release.
pub fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{TapListScope, fanout_flag_obeyed, parse_release, routes_zerocopy};

    #[test]
    fn releases() {
        let cases = [
            ("5.10.0-46-amd64", Some((5, 10)), TapListScope::Global, Some(false)),
            ("5.14.0-503.11.1.el9_5.x86_64", Some((5, 14)), TapListScope::Global, None),
            ("6.1.0-56-amd64", Some((6, 1)), TapListScope::Global, Some(false)),
            ("6.2-rc1", Some((6, 2)), TapListScope::Global, Some(true)),
            ("6.14.11\n", Some((6, 14)), TapListScope::Global, Some(true)),
            ("6.15.0", Some((6, 15)), TapListScope::PerNetns, Some(true)),
            ("7.3.4", Some((7, 3)), TapListScope::PerNetns, Some(true)),
            ("", None, TapListScope::Unknown, None),
            ("linux", None, TapListScope::Unknown, None),
        ];
        for (release, version, scope, fanout) in cases {
            assert_eq!(parse_release(release), version, "{release:?}");
            assert_eq!(TapListScope::from_release(release), scope, "{release:?}");
            assert_eq!(fanout_flag_obeyed(release), fanout, "{release:?}");
        }
    }

    #[test]
    fn forwarding() {
        let cases = [
            ("6.16.12", Some(false)),
            ("6.17.8+deb14-amd64", Some(true)),
            ("5.14.0-503.11.1.el9_5.x86_64", None),
            ("", None),
        ];
        for (release, expected) in cases {
            assert_eq!(routes_zerocopy(release), expected, "{release:?}");
        }
    }
}
