//! The hooked functions. Each file holds one handler and its doors: thin programs that take the
//! arguments out of a fentry/fexit or a kprobe/kretprobe context. Which doors are loaded, and where
//! they are attached, user space decides; a program is named `<role>_<door>`.

mod birth;
mod copy;
mod dropped;
mod hidden;
mod io_uring;
mod mirred;
mod next;
mod packet;
mod put;
mod sent;
mod tap;
mod vsock;
