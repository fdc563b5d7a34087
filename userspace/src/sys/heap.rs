//! Memory that is given back.

/// Gives the system back what was freed and is still with the allocator: reading the kernel's types and symbols takes a
/// multiple of what stays. Other C libraries than glibc give it back by themselves.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate gives the heap back")]
    // SAFETY: may be called at any time; live memory stays where it is.
    unsafe {
        libc::malloc_trim(0);
    }
}
