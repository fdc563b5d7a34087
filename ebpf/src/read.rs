//! Reads of kernel memory. The only place that follows a kernel pointer.
#![expect(unsafe_code, reason = "kernel memory is read through a helper that takes a raw pointer")]

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use zcdiag_wire::MISSING;

/// An address in the kernel; what it points to may be gone by the time it is read.
pub(crate) type Addr = u64;

/// The field of type `T` at `offset` of the struct at `base`. `None` if this kernel has no such field
/// or the address cannot be read.
#[inline(always)]
pub(crate) fn field<T: Copy>(base: Addr, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// Like [`field`], but zero where that is `None`. Cheaper to verify: there is no branch.
#[inline(always)]
pub(crate) fn value<T: Copy + Default>(base: Addr, offset: u32) -> T {
    let mut value = T::default();
    if offset != MISSING {
        let address = (base + u64::from(offset)) as *const core::ffi::c_void;
        // SAFETY: `value` has room for what is read; the helper checks the address, and fills `value` with zeros,
        // which its default is made of as well, if it cannot be read.
        unsafe {
            generated::bpf_probe_read_kernel((&raw mut value).cast(), size_of::<T>() as u32, address);
        }
    }
    value
}
