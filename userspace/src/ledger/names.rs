//! How rows are told apart.

use crate::model::{
    fleet::Identity,
    report::{CauseReport, Sender},
};

pub(super) fn identity(sender: &Sender) -> Identity {
    Identity::of(&sender.process)
}

pub(super) fn device(cause: &CauseReport) -> Option<String> {
    cause.device.as_ref().map(|device| device.name.clone()).filter(|name| !name.is_empty())
}
