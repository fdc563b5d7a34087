//! How text looks.

/// What the user wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With stacks and attach plan.
    pub verbose: bool,
}
