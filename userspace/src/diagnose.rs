//! From counts to a verdict. Pure: no clock, no file, no kernel; everything comes in as an argument.

mod advice;
mod blame;
pub mod cause;
pub mod causes;
mod copies;
mod cure;
mod difference;
pub mod evidence;
mod explain;
mod failures;
mod further;
mod known;
mod left_out;
mod losses;
mod offload;
pub mod printed;
mod report;

pub use copies::copies;
pub use difference::difference;
pub use explain::explain;
pub use known::{Culprits, Known, SiteFacts, place};
pub use report::{report, since};

pub use crate::model::filter::Filter;
