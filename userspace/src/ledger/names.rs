//! How rows are told apart.

use crate::model::{
    fleet::Identity,
    report::{CauseReport, Sender},
};

pub(super) fn identity(sender: &Sender) -> Identity {
    Identity::of(&sender.process)
}

pub(super) fn device(cause: &CauseReport) -> Option<String> {
    cause.device_name().map(str::to_owned)
}
