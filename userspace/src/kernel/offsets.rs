//! Fills [`Offsets`] from the running kernel's BTF: one line for each field, and a word for each miss.

use zcdiag_wire::{MISSING, Offsets};

use super::btf::{Btf, Member};

/// Structs and enums that [`resolve`] and the attach plan ask for.
pub const TYPES: &[&str] = &[
    "bpf_ringbuf",
    "dst_entry",
    "file",
    "inet_sock",
    "io_kiocb",
    "io_notif_data",
    "io_sr_msg",
    "msghdr",
    "net",
    "net_device",
    "packet_type",
    "sk_buff",
    "sk_buff_head",
    "skb_shared_info",
    "sock",
    "sock_exterr_skb",
    "sock_flags",
    "socket",
    "socket_alloc",
    "task_struct",
    "tc_action",
    "ubuf_info",
    "ubuf_info_msgzc",
    "udp_sock",
];

/// `SKBTX_DEV_ZEROCOPY`, before 5.12 in `skb_shared_info.tx_flags`.
const OLD_ZEROCOPY_BIT: u32 = 1 << 3;
/// `SKBFL_ZEROCOPY_ENABLE`, in `skb_shared_info.flags`.
const ZEROCOPY_BIT: u32 = 1;

/// Where `pt_regs` has six of the registers that a called function must preserve, in bytes: rbx, rbp and r12 to
/// r15, or x19 to x24.
const PRESERVED_REGISTERS: u32 = if cfg!(target_arch = "aarch64") { 19 * 8 } else { 0 };

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
    // Fields without which only some causes cannot be told.
    let or_missing = |name: &str, path: &str| btf.member(name, path).map_or(MISSING, Member::byte);
    let pkt_type = btf.member("sk_buff", "pkt_type");
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
        skb_len: or_missing("sk_buff", "len"),
        skb_protocol: or_missing("sk_buff", "protocol"),
        skb_network_header: or_missing("sk_buff", "network_header"),
        skb_pkt_type: pkt_type.map_or(MISSING, Member::byte),
        skb_pkt_type_shift: pkt_type.map_or(0, |member| member.bit_offset % 8),
        uarg_id: or_missing(uarg, "id"),
        dev_features: or_missing("net_device", "features"),
        dev_mtu: or_missing("net_device", "mtu"),
        dst_dev: or_missing("dst_entry", "dev"),
        dst_xfrm: or_missing("dst_entry", "xfrm"),
        sock_dst: or_missing("sock", "sk_dst_cache"),
        sock_flags: or_missing("sock", "sk_flags"),
        sock_zerocopy_flag: btf.enumerator("sock_flags", "SOCK_ZEROCOPY").unwrap_or(0),
        sock_omem: or_missing("sock", "sk_omem_alloc"),
        sock_error_queue: or_missing("sock", "sk_error_queue"),
        queue_prev: or_missing("sk_buff_head", "prev"),
        queue_len: or_missing("sk_buff_head", "qlen"),
        exterr_ee: or_missing("sock_exterr_skb", "ee"),
        udp_pending: or_missing("udp_sock", "pending"),
        udp_gso_size: or_missing("udp_sock", "gso_size"),
        cork_gso_size: or_missing("inet_sock", "cork.base.gso_size"),
        msg_flags: or_missing("msghdr", "msg_flags"),
        msg_ubuf: or_missing("msghdr", "msg_ubuf"),
        socket_sk: or_missing("socket", "sk"),
        file_private: or_missing("file", "private_data"),
        tc_action_size: btf.size_of("tc_action").unwrap_or(MISSING),
        kiocb_file: or_missing("io_kiocb", "file"),
        kiocb_cmd: or_missing("io_kiocb", "cmd"),
        sr_notif: or_missing("io_sr_msg", "notif"),
        notif_uarg: or_missing("io_notif_data", "uarg"),
        notif_report: or_missing("io_notif_data", "zc_report"),
        notif_head: or_missing("io_notif_data", "head"),
        ptype_type: or_missing("packet_type", "type"),
        ptype_dev: or_missing("packet_type", "dev"),
        ptype_sock: or_missing("packet_type", "af_packet_priv"),
        sock_type: or_missing("sock", "sk_type"),
        sock_socket: or_missing("sock", "sk_socket"),
        socket_inode: or_missing("socket_alloc", "vfs_inode.i_ino"),
        regs_preserved: PRESERVED_REGISTERS,
    })
}

/// Whether taps that are not bound to a device are kept per network namespace (6.15 and later), so that
/// they cannot harm another one. `net/core/dev.c`, `dev_queue_xmit_nit()`.
pub fn taps_per_netns(btf: &Btf) -> bool {
    btf.member("net", "ptype_all").is_some()
}
