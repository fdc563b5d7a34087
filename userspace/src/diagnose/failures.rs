//! Why zerocopy sends failed, in words.

use zcdiag_wire::Failure;

use crate::model::{check::NEXT_SEND, dropped::Dropped, errno, report::FailedSends};

/// What failed, why, and what helps; `optmem_max` as it is now, `dropped` what was dropped of the sender's packets.
pub(super) fn explain(
    errno: u32,
    failure: &Failure,
    optmem_max: Option<u32>,
    dropped: &[Dropped],
) -> FailedSends {
    let errno = i32::try_from(errno).unwrap_or(0);
    let reason = match errno {
        libc::ENOBUFS => no_buffers(failure, optmem_max, dropped),
        libc::ENOMEM => "the kernel may not pin more memory for this user, or has no room for another notification: raise \
                         `ulimit -l` (RLIMIT_MEMLOCK), and read notifications"
            .to_owned(),
        libc::EMSGSIZE => "the datagram is larger than one can be, or than the MTU of its path if it may not be cut up \
                           (IP_MTU_DISCOVER; `ip route get ADDRESS` shows the MTU): send less at a time; or its buffers touch \
                           more pages than a packet can hold (17): send from fewer or larger, aligned buffers"
            .to_owned(),
        libc::EOPNOTSUPP => "this socket cannot: kernel TLS, a vsock transport without zero copy, or a protocol that \
                             io_uring does not know: send without MSG_ZEROCOPY"
            .to_owned(),
        libc::EIO => "UDP GSO needs checksum offload of the route's device, and takes no IPsec: `ethtool -K DEV tx on`"
            .to_owned(),
        libc::EPERM if failure.later > 0 && accounts_for(dropped, failure.later) => format!("{}: `nft list ruleset`, `bpftool cgroup tree`", was_dropped(dropped)),
        libc::EPERM if failure.later > 0 => "a netfilter rule, or a BPF program of its cgroup, dropped what was sent on its \
                                             way out: `nft list ruleset`, `bpftool cgroup tree`"
            .to_owned(),
        libc::EFAULT => "the buffer cannot be read: its address or length is wrong".to_owned(),
        _ => String::new(),
    };
    FailedSends { errno: name(errno), sends: failure.sends, reason }
}

/// The kernel gives this error for want of a uarg, or later. Those that were refused later were not so for want of option
/// memory or pinned pages.
fn no_buffers(failure: &Failure, optmem_max: Option<u32>, dropped: &[Dropped]) -> String {
    let later = if accounts_for(dropped, failure.later) {
        format!("{} (a program that sets IP_RECVERR is told)", was_dropped(dropped))
    } else {
        NO_QUEUE.to_owned()
    };
    match (failure.sends - failure.later.min(failure.sends), failure.later) {
        (_, 0) => no_uarg(failure, optmem_max),
        (0, _) => later,
        (early, count) => {
            format!("{early} times: {}; {count} times: {later}", no_uarg(failure, optmem_max))
        }
    }
}

/// What may refuse a packet that was made, where nothing was seen of it.
const NO_QUEUE: &str = "the packet was made, and then refused: the queue that it leaves by was full (`tc -s qdisc show` counts \
                 what it dropped; a program that sets IP_RECVERR is told), or the socket's send buffer was";

/// Whether so many sends failed because their packets were dropped.
fn accounts_for(dropped: &[Dropped], sends: u64) -> bool {
    dropped.iter().map(|dropped| dropped.packets).sum::<u64>() >= sends
}

/// `the packet was made, and then dropped on d0: QDISC_DROP, in __dev_queue_xmit`
fn was_dropped(dropped: &[Dropped]) -> String {
    let one = |Dropped { facts, device, .. }: &Dropped| {
        let on = device.as_ref().map_or_else(String::new, |device| format!(" on {}", device.name));
        format!("dropped{on}: {facts}")
    };
    format!("the packet was made, and then {}", dropped.iter().map(one).collect::<Vec<_>>().join(", or "))
}

/// Two limits refuse a uarg; which, the socket showed.
fn no_uarg(failure: &Failure, optmem_max: Option<u32>) -> String {
    let Failure { omem, unread, .. } = *failure;
    let Some(max) = optmem_max else {
        return format!(
            "one of two limits, of which net.core.optmem_max cannot be read from here (before 6.8 it stands only in the \
             initial network namespace): notifications hold {omem} bytes, {unread} of them lie unread; or the user may pin \
             no more memory (RLIMIT_MEMLOCK)"
        );
    };
    let limit = format!("net.core.optmem_max = {max}");
    match unread {
        _ if u64::from(omem) + NEXT_SEND <= u64::from(max) => {
            format!(
                "the user's limit of pinned memory (RLIMIT_MEMLOCK): notifications held {omem} bytes, within {limit}; raise \
                 `ulimit -l`, send less at a time, or give the program CAP_IPC_LOCK"
            )
        }
        1.. => format!(
            "{unread} notifications lie unread in the error queue and hold {omem} bytes ({limit}): read it after every few \
             sends, not only when sending blocks"
        ),
        0 => format!(
            "too many sends in flight: their notifications hold {omem} bytes ({limit}); wait for notifications, or raise \
             the limit with `sysctl -w`"
        ),
    }
}

fn name(errno: i32) -> String {
    errno::name(errno).map_or_else(|| format!("errno {errno}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_was_met_is_named() {
        let reason = |omem, unread, max| {
            explain(libc::ENOBUFS.unsigned_abs(), &Failure { sends: 1, omem, unread, later: 0 }, max, &[])
                .reason
        };
        assert!(reason(2_000, 0, Some(20_480)).contains("RLIMIT_MEMLOCK"));
        // `sock_omalloc()` refuses what would take the sum over the limit, and reckons with 576 bytes.
        assert!(reason(20_480 - 576, 0, Some(20_480)).contains("RLIMIT_MEMLOCK"));
        assert!(reason(20_480 - 575, 0, Some(20_480)).starts_with("too many sends in flight"));
        assert!(reason(20_200, 0, Some(20_480)).starts_with("too many sends in flight"));
        assert!(reason(20_200, 9, Some(20_480)).starts_with("9 notifications lie unread"));
        let either = reason(20_200, 9, None);
        assert!(either.starts_with("one of two limits") && either.contains("RLIMIT_MEMLOCK"), "{either}");
        assert!(either.contains("20200 bytes, 9 of them lie unread"), "{either}");
    }

    #[test]
    fn a_full_queue_is_no_limit_of_memory() {
        let reason = |sends, later| {
            explain(
                libc::ENOBUFS.unsigned_abs(),
                &Failure { sends, later, omem: 2_000, unread: 0 },
                Some(20_480),
                &[],
            )
            .reason
        };
        assert!(
            reason(5, 5).contains("queue that it leaves by was full")
                && !reason(5, 5).contains("RLIMIT_MEMLOCK")
        );
        let both = reason(5, 2);
        assert!(
            both.starts_with("3 times: the user's limit of pinned memory")
                && both.contains("2 times: the packet")
        );
    }

    #[test]
    fn errors_have_their_names() {
        let name = |errno: i32| explain(errno.unsigned_abs(), &Failure::default(), None, &[]).errno;
        assert_eq!((name(libc::EMSGSIZE), name(libc::EXDEV)), ("EMSGSIZE".to_owned(), "errno 18".to_owned()));
    }
}
