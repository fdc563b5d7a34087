//! Memory that a BPF array shares with this process.
#![expect(unsafe_code, reason = "the memory of a BPF array is mapped")]

use std::{
    ffi::c_void,
    io,
    os::fd::BorrowedFd,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The words of a BPF array that was made with `BPF_F_MMAPABLE` (5.5 and later).
#[derive(Debug)]
pub(crate) struct Words {
    base: *mut c_void,
    count: usize,
}

impl Words {
    /// # Errors
    /// If the array has not that many words of eight bytes, or was not made for it.
    pub(crate) fn map(array: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let (len, access) = (count * size_of::<AtomicU64>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the kernel chooses a place that nothing else is at.
        let base = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, array, 0) }?;
        Ok(Self { base, count })
    }

    /// All of them.
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins at a page, is that long, and stays until this is dropped; others write whole words.
        unsafe { std::slice::from_raw_parts(self.base.cast::<AtomicU64>(), self.count) }
    }

    /// Those that are not 0, with their indexes.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (u32, u64)> {
        let words = self.words().iter().map(|word| word.load(Ordering::Acquire));
        (0..).zip(words).filter(|(_, word)| *word != 0)
    }

    /// One of them.
    pub(crate) fn get(&self, index: u32) -> u64 {
        self.words().get(index as usize).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Adds to one of them; a sum that is too large begins anew at 0.
    pub(crate) fn add(&self, index: u32, number: u64) {
        if let Some(word) = self.words().get(index as usize) {
            word.fetch_add(number, Ordering::AcqRel);
        }
    }

    /// Puts `new` where `old` is; false if something else is there.
    pub(crate) fn swap(&self, index: u32, old: u64, new: u64) -> bool {
        let word = self.words().get(index as usize);
        word.is_some_and(|word| word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok())
    }
}

// SAFETY: the memory is the process's, and every word atomic.
unsafe impl Send for Words {}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference to it any more. Should it fail, the memory stays until the process ends.
        let _ = unsafe { munmap(self.base, self.count * size_of::<AtomicU64>()) };
    }
}
