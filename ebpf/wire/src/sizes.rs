//! Sizes that both sides go by.

/// Frames kept of a kernel stack: enough for every cause, few enough that the interrupted code below
/// a softirq does not make every stack a new one.
pub const STACK_DEPTH: usize = 12;

/// Ids from here on are those of [`MORE_STACKS`](crate::maps::MORE_STACKS), which begin at zero there: as many places as
/// [`STACKS`](crate::maps::STACKS) has.
pub const MORE_STACKS_FROM: u32 = 4096;

/// Bytes of a task's or device's name in the kernel (`TASK_COMM_LEN`, `IFNAMSIZ`).
pub const NAME_LEN: usize = 16;
