//! What a daemon keeps on disk of what happened, and what it tells of that when it is asked. Bounded in age and size;
//! whatever is wrong with the disk, the daemon goes on.

mod gaps;
mod keeper;
mod minute;
mod offenders;
mod store;
mod windows;

pub use self::{
    keeper::{Asker, Keeper, Origin, Settings, Tick},
    minute::minute,
    offenders::Offenders,
    store::{FILE, StoreError, read},
};
