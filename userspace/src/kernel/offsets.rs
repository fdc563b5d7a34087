//! Fills [`Offsets`] from the running kernel's BTF: one line for each field, and a word for each miss.

use zcdiag_wire::Offsets;

use super::btf::{Btf, Member};

/// Structs that [`resolve`] and the attach plan ask for.
pub const STRUCTS: &[&str] = &[
    "bpf_ringbuf",
    "net",
    "net_device",
    "sk_buff",
    "skb_shared_info",
    "sock",
    "task_struct",
    "ubuf_info",
    "ubuf_info_msgzc",
];

/// `SKBTX_DEV_ZEROCOPY`, before 5.12 in `skb_shared_info.tx_flags`.
const OLD_ZEROCOPY_BIT: u32 = 1 << 3;
/// `SKBFL_ZEROCOPY_ENABLE`, in `skb_shared_info.flags`.
const ZEROCOPY_BIT: u32 = 1;

/// A field without which nothing can be told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this kernel's BTF has no {0}: it is older than 5.8, or changed in a way zcdiag does not know yet")]
pub struct MissingField(pub String);

/// Looks up every field.
///
/// # Errors
/// Names the first field that the kernel does not have.
pub fn resolve(btf: &Btf) -> Result<Offsets, MissingField> {
    // The maps need a BPF ring buffer, which came with 5.8.
    if !btf.has_struct("bpf_ringbuf") {
        return Err(MissingField("bpf_ringbuf".to_owned()));
    }
    let find = |name: &str, paths: &[&str]| -> Result<Member, MissingField> {
        let found = paths.iter().find_map(|path| btf.member(name, path));
        found.ok_or_else(|| MissingField(format!("{name}.{}", paths[0])))
    };
    let byte = |name: &str, paths: &[&str]| find(name, paths).map(Member::byte);
    // 6.0 split the notification's fields off into a struct of their own.
    let split = btf.has_struct("ubuf_info_msgzc");
    let uarg = if split { "ubuf_info_msgzc" } else { "ubuf_info" };
    let zerocopy = find(uarg, &["zerocopy"])?;
    // 5.12 moved the zerocopy flags from tx_flags to a member of their own.
    let flags = btf.member("skb_shared_info", "flags");
    Ok(Offsets {
        skb_head: byte("sk_buff", &["head"])?,
        skb_end: byte("sk_buff", &["end"])?,
        skb_dev: byte("sk_buff", &["dev"])?,
        skb_data_len: byte("sk_buff", &["data_len"])?,
        skb_iif: byte("sk_buff", &["skb_iif"])?,
        skb_cb: byte("sk_buff", &["cb"])?,
        skb_sk: byte("sk_buff", &["sk"])?,
        shinfo_flags: byte("skb_shared_info", &["flags", "tx_flags"])?,
        shinfo_zerocopy_bit: if flags.is_some() { ZEROCOPY_BIT } else { OLD_ZEROCOPY_BIT },
        shinfo_uarg: byte("skb_shared_info", &["destructor_arg"])?,
        uarg_refcnt: byte(uarg, &["ubuf.refcnt", "refcnt"])?,
        uarg_len: byte(uarg, &["len"])?,
        uarg_bytelen: byte(uarg, &["bytelen"])?,
        uarg_zerocopy: zerocopy.byte(),
        uarg_zerocopy_bit: zerocopy.bit_mask(),
        dev_ifindex: byte("net_device", &["ifindex"])?,
        dev_name: byte("net_device", &["name"])?,
        dev_net: byte("net_device", &["nd_net.net"])?,
        net_inum: byte("net", &["ns.inum"])?,
        sock_family: byte("sock", &["__sk_common.skc_family"])?,
        sock_net: byte("sock", &["__sk_common.skc_net.net"])?,
        sock_protocol: byte("sock", &["sk_protocol"])?,
        task_leader: byte("task_struct", &["group_leader"])?,
        task_start: byte("task_struct", &["start_boottime", "real_start_time"])?,
    })
}

/// Whether taps that are not bound to a device are kept per network namespace (6.15 and later), so that
/// they cannot harm another one. `net/core/dev.c`, `dev_queue_xmit_nit()`.
pub fn taps_per_netns(btf: &Btf) -> bool {
    btf.member("net", "ptype_all").is_some()
}
