//! From counts to a verdict. Pure: no clock, no file, no kernel; everything comes in as an argument.

mod advice;
mod blame;
pub mod causes;
mod copies;
mod cure;
mod failures;
mod left_out;
mod losses;
mod report;

pub use copies::copies;
pub use report::{Culprits, Known, SiteFacts, place, report, since};

pub use crate::model::filter::Filter;
