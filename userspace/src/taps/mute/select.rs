//! Which taps a target means.

use std::{io, ops::ControlFlow};

use crate::{
    model::{
        mute::{MuteAction, MuteTarget, Refusal},
        tap::Tap,
    },
    process::ProcRoot,
    taps::{budget::Budget, fds::Descriptors, inventory::Inventory, mute::refusals},
};

/// Finds them; never none.
pub(super) fn select<'a>(
    target: MuteTarget,
    action: MuteAction,
    inventory: &'a Inventory,
    proc: &ProcRoot,
) -> Result<Vec<&'a Tap>, Refusal> {
    let is_meant = |tap: &&Tap| match target {
        MuteTarget::Inode(inode) => tap.inode == inode,
        MuteTarget::Pid(pid) => tap.holders.iter().any(|holder| holder.process.pid == pid),
    };
    let taps: Vec<_> = inventory.taps.iter().filter(is_meant).collect();
    if !taps.is_empty() {
        return Ok(taps);
    }
    Err(match target {
        MuteTarget::Inode(inode) => no_such_tap(inode, inventory, proc),
        MuteTarget::Pid(pid) => no_tap_of(pid, action, proc),
    })
}

fn no_such_tap(inode: u64, inventory: &Inventory, proc: &ProcRoot) -> Refusal {
    let is_socket =
        Descriptors::read(proc, &mut Budget::usual()).is_ok_and(|open| !open.holders(inode).is_empty());
    if is_socket {
        return Refusal::new(
            "it is a socket, but no packet socket (AF_PACKET)",
            "give the inode of a tap: `zcdiag taps` lists them",
        );
    }
    let list = "give the inode of a tap: `zcdiag taps` lists them";
    if inventory.complete {
        return Refusal::new("there is no socket with this inode; its program may have closed it", list);
    }
    Refusal::new(
        "there is no socket with this inode, as far as could be seen",
        format!("{list}, and says what it could not see"),
    )
}

fn no_tap_of(pid: u32, action: MuteAction, proc: &ProcRoot) -> Refusal {
    let list = "`zcdiag taps --all` lists the taps there are and who holds them";
    let process = match proc.process(pid) {
        Ok(process) => process,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Refusal::new("there is no such process", list);
        }
        Err(error) => return refusals::not_permitted(&format!("the process cannot be looked at: {error}")),
    };
    if let Some(leader) = leader(pid, proc).filter(|leader| *leader != pid) {
        return Refusal::new(
            format!("it is a thread of process {leader}"),
            format!("zcdiag {} {leader}", action.name()),
        );
    }
    match process.for_each_fd(|_, _| ControlFlow::Break(())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            refusals::not_permitted("its open files may not be read")
        }
        Err(_) => Refusal::new("it has just ended", list),
        Ok(()) => Refusal::new("it has no packet socket open", list),
    }
}

/// The process (thread group) that a thread belongs to.
fn leader(pid: u32, proc: &ProcRoot) -> Option<u32> {
    let status = std::fs::read_to_string(proc.path().join(format!("{pid}/status"))).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}
