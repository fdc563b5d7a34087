//! Functions that the verifier goes through by themselves, once for each program that calls them. All others it follows
//! from every call, in every state that it comes there with, and goes on with every state that it leaves them with: a few
//! of those in a row take it longer than all the rest. These take and return numbers alone, and look up again what they
//! work on. (Global functions; Linux 5.6, `do_check_subprogs()` in `kernel/bpf/verifier.c`.)

macro_rules! apart {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty $body:block)+) => {
        $(
            $(#[$meta])*
            #[inline(never)]
            #[unsafe(no_mangle)]
            #[expect(unsafe_code, reason = "only what has a name of its own stays a function of its own")]
            extern "C" fn $name($($arg: $type),*) -> $result $body
        )+
    };
}

pub(crate) use apart;
