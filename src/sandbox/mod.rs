//! The other side, simulated: what the upstream would do, without an account and without money.

pub mod upstream;
