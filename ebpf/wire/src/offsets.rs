//! What user space finds out about the running kernel and sets before the programs are loaded.

use bytemuck::{Pod, Zeroable};

/// A field that this kernel does not have.
pub const MISSING: u32 = u32::MAX;

/// Byte offsets of kernel struct fields, found in the running kernel's BTF.
///
/// A `_bit` member is a mask within the byte at the offset of the same name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Offsets {
    /// `sk_buff.head`
    pub skb_head: u32,
    /// `sk_buff.end`, an offset from `head` on 64-bit kernels
    pub skb_end: u32,
    /// `sk_buff.dev`
    pub skb_dev: u32,
    /// `sk_buff.data_len`
    pub skb_data_len: u32,
    /// `sk_buff.skb_iif`: the device that a packet came in through, 0 if it is from this machine
    pub skb_iif: u32,
    /// `sk_buff.cb`
    pub skb_cb: u32,
    /// `sk_buff.sk`
    pub skb_sk: u32,
    /// `skb_shared_info.flags` (5.12 and later) or `.tx_flags`
    pub shinfo_flags: u32,
    /// the flag that says "has a uarg": `SKBFL_ZEROCOPY_ENABLE` or `SKBTX_DEV_ZEROCOPY`
    pub shinfo_zerocopy_bit: u32,
    /// `skb_shared_info.destructor_arg`
    pub shinfo_uarg: u32,
    /// `ubuf_info.refcnt`
    pub uarg_refcnt: u32,
    /// `ubuf_info_msgzc.len` (6.0 and later) or `ubuf_info.len`: notification ids of this uarg
    pub uarg_len: u32,
    /// `.bytelen`
    pub uarg_bytelen: u32,
    /// `.zerocopy`, a bit field
    pub uarg_zerocopy: u32,
    /// mask of `.zerocopy`
    pub uarg_zerocopy_bit: u32,
    /// `net_device.ifindex`
    pub dev_ifindex: u32,
    /// `net_device.name`
    pub dev_name: u32,
    /// `net_device.nd_net.net`
    pub dev_net: u32,
    /// `net.ns.inum`
    pub net_inum: u32,
    /// `sock.__sk_common.skc_family`
    pub sock_family: u32,
    /// `sock.__sk_common.skc_net.net`
    pub sock_net: u32,
    /// `sock.sk_protocol`
    pub sock_protocol: u32,
    /// `task_struct.group_leader`
    pub task_leader: u32,
    /// `task_struct.start_boottime` (5.5 and later) or `.real_start_time`
    pub task_start: u32,
    /// `sk_buff.len`
    pub skb_len: u32,
    /// `sk_buff.protocol`
    pub skb_protocol: u32,
    /// `sk_buff.network_header`, an offset from `head`
    pub skb_network_header: u32,
    /// `sk_buff.pkt_type`, a bit field
    pub skb_pkt_type: u32,
    /// bits to the right of it in its byte
    pub skb_pkt_type_shift: u32,
    /// `.id`: the first notification id
    pub uarg_id: u32,
    /// `net_device.features`
    pub dev_features: u32,
    /// `dst_entry.dev`
    pub dst_dev: u32,
    /// `sock.sk_dst_cache`
    pub sock_dst: u32,
    /// `sock.sk_flags`
    pub sock_flags: u32,
    /// number of the bit `SOCK_ZEROCOPY` in it
    pub sock_zerocopy_flag: u32,
    /// `sock.sk_omem_alloc`
    pub sock_omem: u32,
    /// `sock.sk_error_queue`
    pub sock_error_queue: u32,
    /// `sk_buff_head.prev`
    pub queue_prev: u32,
    /// `sk_buff_head.qlen`
    pub queue_len: u32,
    /// `sock_exterr_skb.ee`, within the control block of a notification
    pub exterr_ee: u32,
    /// `udp_sock.pending`
    pub udp_pending: u32,
    /// `udp_sock.gso_size`
    pub udp_gso_size: u32,
    /// `inet_sock.cork.base.gso_size`
    pub cork_gso_size: u32,
    /// `msghdr.msg_flags`
    pub msg_flags: u32,
    /// `msghdr.msg_ubuf` (6.0 and later)
    pub msg_ubuf: u32,
    /// `socket.sk`
    pub socket_sk: u32,
    /// `file.private_data`
    pub file_private: u32,
    /// Size of `tc_action`, behind which `tcf_mirred` says where packets go
    pub tc_action_size: u32,
    /// `io_kiocb.file`
    pub kiocb_file: u32,
    /// `io_kiocb.cmd`
    pub kiocb_cmd: u32,
    /// `io_sr_msg.notif`
    pub sr_notif: u32,
    /// `io_notif_data.uarg`
    pub notif_uarg: u32,
    /// `io_notif_data.zc_report`
    pub notif_report: u32,
    /// `io_notif_data.head` (6.10 and later)
    pub notif_head: u32,
    /// Where `pt_regs` keeps the registers that a called function must preserve, one after the other
    pub regs_preserved: u32,
    /// `net_device.mtu`
    pub dev_mtu: u32,
    /// `dst_entry.xfrm`
    pub dst_xfrm: u32,
    /// `packet_type.type`
    pub ptype_type: u32,
    /// `packet_type.dev`
    pub ptype_dev: u32,
    /// `packet_type.af_packet_priv`: for the hook of a packet socket, the socket
    pub ptype_sock: u32,
    /// `sock.sk_type`
    pub sock_type: u32,
    /// `sock.sk_socket`
    pub sock_socket: u32,
    /// `socket_alloc.vfs_inode.i_ino`; a socket is the beginning of it
    pub socket_inode: u32,
}

impl Offsets {
    /// No field known: what the programs carry until user space has looked.
    pub const UNKNOWN: Self = Self {
        skb_head: MISSING,
        skb_end: MISSING,
        skb_dev: MISSING,
        skb_data_len: MISSING,
        skb_iif: MISSING,
        skb_cb: MISSING,
        skb_sk: MISSING,
        shinfo_flags: MISSING,
        shinfo_zerocopy_bit: 0,
        shinfo_uarg: MISSING,
        uarg_refcnt: MISSING,
        uarg_len: MISSING,
        uarg_bytelen: MISSING,
        uarg_zerocopy: MISSING,
        uarg_zerocopy_bit: 0,
        dev_ifindex: MISSING,
        dev_name: MISSING,
        dev_net: MISSING,
        net_inum: MISSING,
        sock_family: MISSING,
        sock_net: MISSING,
        sock_protocol: MISSING,
        task_leader: MISSING,
        task_start: MISSING,
        skb_len: MISSING,
        skb_protocol: MISSING,
        skb_network_header: MISSING,
        skb_pkt_type: MISSING,
        skb_pkt_type_shift: MISSING,
        uarg_id: MISSING,
        dev_features: MISSING,
        dst_dev: MISSING,
        sock_dst: MISSING,
        sock_flags: MISSING,
        sock_zerocopy_flag: MISSING,
        sock_omem: MISSING,
        sock_error_queue: MISSING,
        queue_prev: MISSING,
        queue_len: MISSING,
        exterr_ee: MISSING,
        udp_pending: MISSING,
        udp_gso_size: MISSING,
        cork_gso_size: MISSING,
        msg_flags: MISSING,
        msg_ubuf: MISSING,
        socket_sk: MISSING,
        file_private: MISSING,
        tc_action_size: MISSING,
        kiocb_file: MISSING,
        kiocb_cmd: MISSING,
        sr_notif: MISSING,
        notif_uarg: MISSING,
        notif_report: MISSING,
        notif_head: MISSING,
        regs_preserved: MISSING,
        dev_mtu: MISSING,
        dst_xfrm: MISSING,
        ptype_type: MISSING,
        ptype_dev: MISSING,
        ptype_sock: MISSING,
        sock_type: MISSING,
        sock_socket: MISSING,
        socket_inode: MISSING,
    };
}

/// Switches set before the programs are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Config {
    /// Thread group whose sends are not counted: zcdiag itself. 0: none.
    pub own_tgid: u32,
    /// Explicit padding, zero.
    pub pad: u32,
}
