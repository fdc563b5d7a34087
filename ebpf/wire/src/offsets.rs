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
    };
}

/// Switches set before the programs are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Config {
    /// zcdiag's own thread group, so that it never reports itself.
    pub own_tgid: u32,
    /// Explicit padding, zero.
    pub pad: u32,
}
