//! How text looks.

use crate::model::connection::By;

/// What the user wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With stacks and attach plan.
    pub verbose: bool,
    /// What the sends of each sender are broken down by.
    pub by: Option<By>,
}
