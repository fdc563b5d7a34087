//! zcdiag's BPF programs: they follow each zerocopy send from the birth of its uarg to its last
//! reference, and count in maps what became of it.
#![no_std]
#![no_main]
// Atomic additions: the target has no compare-and-swap, and without it core offers none in its stable part.
#![feature(core_intrinsics)]
#![feature(asm_experimental_arch)]
#![expect(internal_features, reason = "see above")]
#![expect(
    clippy::inline_always,
    reason = "handlers must be part of their doors: calls cost stack, which is 512 bytes"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value, a key would stand on the stack twice"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers return packed halves and ids"
)]
#![expect(clippy::needless_pass_by_value, reason = "the program macros hand the context over by value")]

mod apart;
mod connections;
mod cpu;
mod drops;
mod exchange;
mod facts;
mod failure;
mod held;
mod hooks;
mod latency;
mod log;
mod loss;
mod outcome;
mod rare;
mod read;
mod records;
mod sender;
mod sending;
mod shared;
mod site;
mod skb;
mod sock;
mod spread;
mod switches;
mod tally;
mod taps;
mod uarg;
mod upfront;

// The helpers used here are open to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the loader looks for this symbol in this section")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
