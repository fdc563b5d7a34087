//! Reads of kernel memory. The only place that follows a kernel pointer.
//!
//! A helper call for each field is most of what a program costs. So where a trampoline hands over a pointer whose type
//! the verifier knows, fields are loaded as they are ([`Typed`]), and of other structs all that is of interest is read
//! at once ([`Block`]).
#![expect(unsafe_code, reason = "kernel memory is read through raw pointers")]

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use zcdiag_wire::MISSING;

/// An address in the kernel; what it points to may be gone by the time it is read.
pub(crate) type Addr = u64;

/// An address as a plain number: the verifier knows of what comes from the context that it is a pointer, and does not let that
/// be handed to functions [apart](crate::apart), but of what a helper has read it knows nothing.
#[inline(always)]
pub(crate) fn number(address: Addr) -> Addr {
    let mut number = 0;
    // SAFETY: both are on the stack, and of one size.
    unsafe {
        let (to, from) = ((&raw mut number).cast(), (&raw const address).cast());
        generated::bpf_probe_read_kernel(to, size_of::<Addr>() as u32, from);
    }
    number
}

/// A kernel struct whose fields can be read.
pub(crate) trait Struct: Copy {
    /// Whether the verifier knows its type, which it does behind trampolines only: there the kernel has BTF.
    const TYPED: bool;

    /// Where it is.
    fn addr(self) -> Addr;

    /// The field of type `T` at `offset`, which every kernel has; zero if it cannot be read.
    fn get<T: Copy + Default>(self, offset: u32) -> T;

    /// The struct that the pointer at `offset` leads to, which every kernel has.
    fn go(self, offset: u32) -> Self;

    /// The field of type `T` at `offset`; zero if this kernel has no such field or it cannot be read.
    #[inline(always)]
    fn value<T: Copy + Default>(self, offset: u32) -> T {
        if offset == MISSING { T::default() } else { self.get(offset) }
    }

    /// The struct that the pointer at `offset` leads to.
    fn follow(self, offset: u32) -> Self;
}

/// What fields can be read of, be it where it is or a copy.
pub(crate) trait Fields {
    /// The field of type `T` at `offset`; zero if this kernel has no such field or it cannot be read.
    fn field<T: Copy + Default>(&self, offset: u32) -> T;
}

impl<S: Struct> Fields for S {
    #[inline(always)]
    fn field<T: Copy + Default>(&self, offset: u32) -> T {
        self.value(offset)
    }
}

impl<const N: usize> Fields for Block<N> {
    #[inline(always)]
    fn field<T: Copy + Default>(&self, offset: u32) -> T {
        self.value(offset)
    }
}

impl Struct for Addr {
    const TYPED: bool = false;

    #[inline(always)]
    fn addr(self) -> Addr {
        self
    }

    #[inline(always)]
    fn get<T: Copy + Default>(self, offset: u32) -> T {
        let mut value = T::default();
        let address = (self + u64::from(offset)) as *const core::ffi::c_void;
        // SAFETY: `value` has room for what is read; the helper checks the address, and fills `value` with zeros,
        // which its default is made of as well, if it cannot be read.
        unsafe {
            generated::bpf_probe_read_kernel((&raw mut value).cast(), size_of::<T>() as u32, address);
        }
        value
    }

    #[inline(always)]
    fn go(self, offset: u32) -> Self {
        self.get(offset)
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        self.value(offset)
    }
}

/// A struct that the verifier knows the type of: an argument of a hooked function, and what its pointers lead to.
///
/// Loads of its fields cost an instruction each; the verifier turns them into such as give zero where a page fault
/// would be. What lies behind the declared type, as the rest of a `struct udp_sock` behind its `struct sock`, it refuses.
#[derive(Clone, Copy)]
pub(crate) struct Typed(pub(crate) *const u8);

impl Struct for Typed {
    const TYPED: bool = true;

    #[inline(always)]
    fn addr(self) -> Addr {
        self.0 as Addr
    }

    #[inline(always)]
    fn get<T: Copy + Default>(self, offset: u32) -> T {
        // SAFETY: the verifier has checked that there is such a field, and that the load cannot fault.
        unsafe { self.0.add(offset as usize).cast::<T>().read_volatile() }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        if offset == MISSING { self } else { self.go(offset) }
    }

    #[inline(always)]
    fn go(self, offset: u32) -> Self {
        #[expect(clippy::cast_ptr_alignment, reason = "the kernel aligns its fields")]
        // SAFETY: as in `get`. Read as the pointer it is, the verifier still knows its type.
        Self(unsafe { self.0.add(offset as usize).cast::<*const u8>().read_volatile() })
    }
}

/// The first `N` bytes of a struct, read at once.
#[repr(C, align(8))]
pub(crate) struct Block<const N: usize>([u8; N]);

impl<const N: usize> Block<N> {
    /// `None` if it cannot be read.
    #[inline(always)]
    pub(crate) fn read(address: Addr) -> Option<Self> {
        let mut bytes = core::mem::MaybeUninit::<Self>::uninit();
        // SAFETY: there is room for what is read, and it is used only if the helper has filled it; the helper checks
        // the address.
        unsafe {
            let from = address as *const core::ffi::c_void;
            let result = generated::bpf_probe_read_kernel(bytes.as_mut_ptr().cast(), N as u32, from);
            (result == 0).then(|| bytes.assume_init())
        }
    }

    /// The field of type `T` at `offset`; zero if this kernel has no such field, or not that near the beginning.
    #[inline(always)]
    pub(crate) fn value<T: Copy + Default>(&self, offset: u32) -> T {
        let offset = offset as usize;
        if offset > N - size_of::<T>() {
            return T::default();
        }
        // SAFETY: it lies within the bytes, and the kernel aligns its fields.
        unsafe { self.0.as_ptr().add(offset).cast::<T>().read_volatile() }
    }
}

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
