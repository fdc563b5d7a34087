//! What user space finds out about the running kernel and sets before the programs are loaded.

use bytemuck::{Pod, Zeroable};

/// A field that this kernel does not have.
pub const MISSING: u32 = u32::MAX;

/// Where a number comes from, in the kernel's type information. A path goes through members of members (`nd_net.net`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Byte offset of a member: struct and path.
    Byte(&'static str, &'static str),
    /// Mask of a one-bit member within its byte.
    Mask(&'static str, &'static str),
    /// Bits to the right of a bit field within its byte.
    Shift(&'static str, &'static str),
    /// Value of an enumerator: enum and name.
    Enumerator(&'static str, &'static str),
    /// Bytes of a struct.
    Size(&'static str),
    /// This number where there is such a member.
    Given(&'static str, &'static str, u32),
    /// This number, whatever the kernel.
    Always(u32),
}

/// What is lost without a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// Why a send call copied by itself.
    Upfront,
    /// Which offload a device lacks, and for which packets.
    Offloads,
    /// Taps on the way out are told apart by the stack only.
    TappedClone,
    /// Which notifications tell the application wrong.
    Misreported,
    /// Sends with `MSG_ZEROCOPY` on a socket that does not allow it.
    NotRequested,
    /// Failed sends, and those that were not zero-copy at all.
    Results,
    /// Why a send failed, in numbers.
    FailureNumbers,
    /// Sends of io_uring.
    IoUring,
    /// Which sends of io_uring failed, and the bytes of the others.
    IoUringResults,
    /// Which sockets were given copied packets.
    Taps,
    /// Between whom connections are.
    Ends,
}

/// What a number is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing can be told without it.
    Essential,
    /// This is lost without it.
    For(Lost),
    /// This is lost without it on a kernel that has the struct; one without does not do what it is for.
    With(&'static str, Lost),
    /// A kernel without it does not do what it is for, so nothing is lost.
    WhereThere,
}

/// One number that programs need to know of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in [`Offsets`].
    pub name: &'static str,
    /// The first of these that the kernel has.
    pub sources: &'static [Source],
    /// What it is worth.
    pub need: Need,
}

/// One row a number: from here come the struct, its unknown value, and what user space looks up.
macro_rules! offsets {
    ($( $field:ident: $need:expr, [$($source:expr),+]; )+) => {
        /// Numbers that programs take from the running kernel's type information (BTF): byte offsets of struct
        /// fields, and what goes with them.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
        pub struct Offsets {
            $(
                #[doc = concat!("From: ", $("`", stringify!($source), "` "),+)]
                pub $field: u32,
            )+
        }

        impl Offsets {
            /// No field known: what the programs carry until user space has looked.
            pub const UNKNOWN: Self = Self { $($field: MISSING),+ };

            /// What each number is, in the order of the struct.
            pub const FIELDS: &'static [Field] =
                &[$(Field { name: stringify!($field), sources: &[$($source),+], need: $need }),+];
        }
    };
}

use self::{
    Lost::{
        Ends, FailureNumbers, IoUring, IoUringResults, Misreported, NotRequested, Offloads, Results,
        TappedClone, Taps, Upfront,
    },
    Need::{Essential, For, WhereThere, With},
    Source::{Always, Byte, Enumerator, Given, Mask, Shift, Size},
};

/// The struct that came with zero copy for io_uring, 6.0.
const IO_NOTIF: &str = "io_notif_data";

/// Where `pt_regs` has six of the registers that a called function must preserve, in bytes: rbx, rbp and r12 to
/// r15, or x19 to x24.
const PRESERVED_REGISTERS: u32 = if cfg!(target_arch = "aarch64") { 19 * 8 } else { 0 };

// 6.0 split the notification's fields off `ubuf_info` into `ubuf_info_msgzc`. 5.12 moved the zerocopy flag from
// `tx_flags` (`SKBTX_DEV_ZEROCOPY`) to `flags` (`SKBFL_ZEROCOPY_ENABLE`) of `skb_shared_info`.
offsets! {
    skb_head: Essential, [Byte("sk_buff", "head")];
    skb_end: Essential, [Byte("sk_buff", "end")];
    skb_dev: Essential, [Byte("sk_buff", "dev")];
    skb_data_len: Essential, [Byte("sk_buff", "data_len")];
    skb_iif: Essential, [Byte("sk_buff", "skb_iif")];
    skb_cb: Essential, [Byte("sk_buff", "cb")];
    skb_sk: Essential, [Byte("sk_buff", "sk")];
    shinfo_flags: Essential, [Byte("skb_shared_info", "flags"), Byte("skb_shared_info", "tx_flags")];
    shinfo_zerocopy_bit: Essential, [Given("skb_shared_info", "flags", 1), Given("skb_shared_info", "tx_flags", 1 << 3)];
    shinfo_uarg: Essential, [Byte("skb_shared_info", "destructor_arg")];
    uarg_refcnt: Essential, [Byte("ubuf_info_msgzc", "ubuf.refcnt"), Byte("ubuf_info", "refcnt")];
    uarg_len: Essential, [Byte("ubuf_info_msgzc", "len"), Byte("ubuf_info", "len")];
    uarg_bytelen: Essential, [Byte("ubuf_info_msgzc", "bytelen"), Byte("ubuf_info", "bytelen")];
    uarg_bytelen_is_ctx: WhereThere, [Given("ubuf_info_msgzc", "ctx", 1), Given("ubuf_info", "ctx", 1)];
    uarg_zerocopy: Essential, [Byte("ubuf_info_msgzc", "zerocopy"), Byte("ubuf_info", "zerocopy")];
    uarg_zerocopy_bit: Essential, [Mask("ubuf_info_msgzc", "zerocopy"), Mask("ubuf_info", "zerocopy")];
    dev_ifindex: Essential, [Byte("net_device", "ifindex")];
    dev_name: Essential, [Byte("net_device", "name")];
    dev_net: Essential, [Byte("net_device", "nd_net.net")];
    net_inum: Essential, [Byte("net", "ns.inum")];
    sock_family: Essential, [Byte("sock", "__sk_common.skc_family")];
    sock_net: Essential, [Byte("sock", "__sk_common.skc_net.net")];
    sock_protocol: Essential, [Byte("sock", "sk_protocol")];
    task_leader: Essential, [Byte("task_struct", "group_leader")];
    task_start: Essential, [Byte("task_struct", "start_boottime"), Byte("task_struct", "real_start_time")];
    skb_len: For(Upfront), [Byte("sk_buff", "len")];
    skb_protocol: For(Upfront), [Byte("sk_buff", "protocol")];
    skb_network_header: For(Upfront), [Byte("sk_buff", "network_header")];
    skb_pkt_type: For(TappedClone), [Byte("sk_buff", "pkt_type")];
    skb_pkt_type_shift: For(TappedClone), [Shift("sk_buff", "pkt_type")];
    uarg_id: For(Misreported), [Byte("ubuf_info_msgzc", "id"), Byte("ubuf_info", "id")];
    dev_features: For(Upfront), [Byte("net_device", "features")];
    dev_hw_features: For(Offloads), [Byte("net_device", "hw_features")];
    dev_enc_features: For(Offloads), [Byte("net_device", "hw_enc_features")];
    dev_vlan_features: For(Offloads), [Byte("net_device", "vlan_features")];
    dev_mpls_features: For(Offloads), [Byte("net_device", "mpls_features")];
    skb_encapsulation: For(Offloads), [Byte("sk_buff", "encapsulation")];
    skb_encapsulation_bit: For(Offloads), [Mask("sk_buff", "encapsulation")];
    skb_vlan: For(Offloads), [Byte("sk_buff", "vlan_all"), Byte("sk_buff", "vlan_present")];
    skb_vlan_bits: For(Offloads), [Given("sk_buff", "vlan_all", u32::MAX), Mask("sk_buff", "vlan_present")];
    dev_mtu: For(Upfront), [Byte("net_device", "mtu")];
    dst_dev: For(Upfront), [Byte("dst_entry", "dev")];
    dst_xfrm: WhereThere, [Byte("dst_entry", "xfrm")];
    sock_dst: For(Upfront), [Byte("sock", "sk_dst_cache")];
    sock_route_caps: For(Upfront), [Byte("sock", "sk_route_caps")];
    sock_no_gso: For(Upfront), [Byte("sock", "sk_gso_disabled"), Byte("sock", "sk_route_nocaps")];
    sock_no_gso_bits: For(Upfront), [Mask("sock", "sk_gso_disabled"), Given("sock", "sk_route_nocaps", 1 << 16)];
    sock_flags: For(NotRequested), [Byte("sock", "__sk_common.skc_flags")];
    sock_zerocopy_flag: For(NotRequested), [Enumerator("sock_flags", "SOCK_ZEROCOPY")];
    sock_remote: For(Ends), [Byte("sock", "__sk_common.skc_daddr")];
    sock_local: For(Ends), [Byte("sock", "__sk_common.skc_rcv_saddr")];
    sock_remote_v6: For(Ends), [Byte("sock", "__sk_common.skc_v6_daddr")];
    sock_local_v6: For(Ends), [Byte("sock", "__sk_common.skc_v6_rcv_saddr")];
    sock_remote_port: For(Ends), [Byte("sock", "__sk_common.skc_dport")];
    sock_local_port: For(Ends), [Byte("sock", "__sk_common.skc_num")];
    sock_zckey: WhereThere, [Byte("sock", "sk_zckey")];
    sock_omem: For(FailureNumbers), [Byte("sock", "sk_omem_alloc")];
    sock_error_queue: For(Misreported), [Byte("sock", "sk_error_queue")];
    queue_prev: For(Misreported), [Byte("sk_buff_head", "prev")];
    queue_len: For(FailureNumbers), [Byte("sk_buff_head", "qlen")];
    exterr_ee: For(Misreported), [Byte("sock_exterr_skb", "ee")];
    udp_pending: For(Upfront), [Byte("udp_sock", "pending")];
    udp_gso_size: For(Upfront), [Byte("udp_sock", "gso_size")];
    cork_gso_size: For(Upfront), [Byte("inet_sock", "cork.base.gso_size")];
    msg_flags: For(Results), [Byte("msghdr", "msg_flags")];
    msg_left: For(Results), [Byte("msghdr", "msg_iter.count")];
    msg_ubuf: WhereThere, [Byte("msghdr", "msg_ubuf")];
    socket_sk: For(Results), [Byte("socket", "sk")];
    file_private: With(IO_NOTIF, IoUring), [Byte("file", "private_data")];
    file_inode: With(IO_NOTIF, IoUring), [Byte("file", "f_inode")];
    inode_mode: With(IO_NOTIF, IoUring), [Byte("inode", "i_mode")];
    tc_action_size: WhereThere, [Size("tc_action")];
    kiocb_file: With(IO_NOTIF, IoUring), [Byte("io_kiocb", "file")];
    kiocb_cmd: With(IO_NOTIF, IoUring), [Byte("io_kiocb", "cmd")];
    kiocb_flags: With(IO_NOTIF, IoUringResults), [Byte("io_kiocb", "flags")];
    kiocb_result: With(IO_NOTIF, IoUringResults), [Byte("io_kiocb", "cqe.res")];
    kiocb_fd: With(IO_NOTIF, IoUringResults), [Byte("io_kiocb", "cqe.fd")];
    task_files: With(IO_NOTIF, IoUringResults), [Byte("task_struct", "files")];
    files_table: With(IO_NOTIF, IoUringResults), [Byte("files_struct", "fdt")];
    table_fds: With(IO_NOTIF, IoUringResults), [Byte("fdtable", "fd")];
    table_max: With(IO_NOTIF, IoUringResults), [Byte("fdtable", "max_fds")];
    sr_notif: With(IO_NOTIF, IoUring), [Byte("io_sr_msg", "notif")];
    sr_done: With(IO_NOTIF, IoUringResults), [Byte("io_sr_msg", "done_io")];
    notif_uarg: With(IO_NOTIF, IoUring), [Byte("io_notif_data", "uarg")];
    notif_report: WhereThere, [Byte("io_notif_data", "zc_report")];
    notif_used: WhereThere, [Byte("io_notif_data", "zc_used")];
    notif_copied: WhereThere, [Byte("io_notif_data", "zc_copied")];
    notif_head: WhereThere, [Byte("io_notif_data", "head")];
    regs_preserved: WhereThere, [Always(PRESERVED_REGISTERS)];
    ptype_type: For(Taps), [Byte("packet_type", "type")];
    ptype_dev: For(Taps), [Byte("packet_type", "dev")];
    ptype_sock: For(Taps), [Byte("packet_type", "af_packet_priv")];
    sock_type: For(Taps), [Byte("sock", "sk_type")];
    sock_socket: For(Taps), [Byte("sock", "sk_socket")];
    socket_inode: For(Taps), [Byte("socket_alloc", "vfs_inode.i_ino")];
}

/// Set before the programs are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Config {
    /// Thread group whose sends are not counted: zcdiag itself. 0: none.
    pub own_tgid: u32,
    /// 1 if programs see what requests of io_uring return, so that their ends may wait for that.
    pub io_results: u32,
    /// 1 if a program sees the end of each uarg, so that those which see references go need not look for it.
    pub ends: u32,
    /// Explicit padding, zero.
    pub pad: u32,
}
