//! From counts to a verdict. Pure: no clock, no file, no kernel; everything comes in as an argument.

mod advice;
mod blame;
pub mod cause;
pub mod causes;
mod copies;
mod cure;
pub mod evidence;
mod failures;
mod filter;
mod known;
mod losses;
mod report;

pub use copies::copies;
pub use filter::Filter;
pub use known::{Culprits, Known, SiteFacts, place};
pub use report::{report, since};
