//! Whether devices that copies are selected by are there.

use super::outcome::{Failure, with_sources};
use crate::{process::ProcRoot, taps::inventory};

/// Finds each device by its name, in any network namespace that can be seen: under the name of a device that is not
/// there, no send would ever be copied.
///
/// # Errors
/// If one is not there.
pub(super) fn find(names: &[String]) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let inventory = inventory::collect(&ProcRoot::system())
        .map_err(|error| Failure::new(format!("cannot look for devices: {}", with_sources(&error)), ""))?;
    match names.iter().find(|name| inventory.devices_named(name).next().is_none()) {
        None => Ok(()),
        Some(missing) => Err(Failure::new(
            format!("there is no device {missing} in any network namespace that zcdiag can see"),
            "`ip -br link` lists the devices of this namespace, `ip -br -n NAME link` those of another; a device must \
             be there when zcdiag starts (other namespaces than your own take sudo)",
        )),
    }
}
