//! What user space found out about this kernel before it loaded the programs.
#![expect(unsafe_code, reason = "globals are set from outside the program and must be read volatile")]

use aya_ebpf::Global;
use zcdiag_wire::{Config, Offsets};

use crate::switches;

#[unsafe(no_mangle)]
static OFFSETS: Global<Offsets> = Global::new(Offsets::UNKNOWN);

#[unsafe(no_mangle)]
static CONFIG: Global<Config> = Global::new(Config { own_tgid: 0, io_results: 0, ends: 0, pad: 0 });

/// One offset. The map behind it is frozen, so the verifier sees a constant.
macro_rules! offset {
    ($field:ident) => {
        $crate::facts::load(core::mem::offset_of!(zcdiag_wire::Offsets, $field))
    };
}
pub(crate) use offset;

/// The member of the offsets at byte `member`; through [`offset!`].
#[inline(always)]
pub(crate) fn load(member: usize) -> u32 {
    let offsets = (&raw const OFFSETS).cast::<u8>();
    #[expect(clippy::cast_ptr_alignment, reason = "`Offsets` is aligned, and so are its members")]
    // SAFETY: `Global<Offsets>` is a transparent wrapper of an initialised `Offsets`, all of whose members
    // are `u32`, and `member` is the place of one of them.
    unsafe {
        offsets.add(member).cast::<u32>().read_volatile()
    }
}

/// Whether this kernel is older than 5.12: `skb_copy_ubufs` clears the zerocopy bit before it puts the uarg,
/// so that on another CPU the copy looks like one of the send call's.
#[inline(always)]
pub(crate) fn is_old() -> bool {
    offset!(shinfo_zerocopy_bit) != 1
}

/// Whether this thread group is zcdiag's own, whose sends do not count unless it tries by them what is seen.
#[inline(always)]
pub(crate) fn is_left_out(tgid: u32) -> bool {
    tgid == CONFIG.load().own_tgid && !switches::own_sends_count()
}

/// Whether programs see what requests of io_uring return.
#[inline(always)]
pub(crate) fn sees_io_results() -> bool {
    CONFIG.load().io_results != 0
}

/// Whether a program sees the end of each uarg.
#[inline(always)]
pub(crate) fn sees_ends() -> bool {
    CONFIG.load().ends != 0
}
