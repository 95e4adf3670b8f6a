//! stub
/// stub
#[derive(Debug)]
pub struct Lifecycle;
/// stub
#[derive(Debug)]
pub struct Notifier;
