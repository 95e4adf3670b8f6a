//! The rules of a deposit's life, pure: no input or output, no clock, no foreign shapes.

pub mod address;
pub mod arrival;
pub mod asset;
pub mod book_zone;
pub mod booked;
pub mod causes;
pub mod chart;
pub mod deposit;
pub mod event;
pub mod glob;
pub mod host;
pub mod ids;
pub mod journal;
pub mod link;
pub mod listing;
pub mod method;
pub mod money;
pub mod observe;
pub mod period;
pub mod poll;
pub mod reconcile;
pub mod report;
pub mod status;
#[cfg(test)]
mod tests;
pub mod time;
pub mod wallet;
