//! From counts to a verdict. Pure: no clock, no file, no kernel; everything comes in as an argument.

pub mod causes;
mod filter;
mod losses;
mod report;

pub use filter::Filter;
pub use report::{Culprits, Known, SiteFacts, place, report, since, subtract};
