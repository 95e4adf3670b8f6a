//! stub
/// stub
#[derive(Debug)]
pub struct Loops;
/// stub
#[derive(Debug)]
pub struct Settings;
/// stub
#[derive(Debug)]
pub struct BackupPlan;
