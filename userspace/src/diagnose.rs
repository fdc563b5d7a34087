//! From counts to a verdict. Pure: no clock, no file, no kernel; everything comes in as an argument.

mod advice;
mod blame;
pub mod causes;
mod copies;
mod cure;
mod failures;
mod filter;
mod losses;
mod report;

pub use copies::copies;
pub use filter::Filter;
pub use report::{Culprits, Known, SiteFacts, place, report, since};
