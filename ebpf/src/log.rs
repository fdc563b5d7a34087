//! Debug messages, compiled in with the feature `log` only.

#[cfg(feature = "log")]
macro_rules! debug {
    ($ctx:expr, $($message:tt)+) => { aya_log_ebpf::debug!($ctx, $($message)+) };
}

#[cfg(not(feature = "log"))]
macro_rules! debug {
    ($ctx:expr, $format:literal $(, $value:expr)*) => {{
        let _ = ($ctx $(, $value)*);
    }};
}

pub(crate) use debug;
