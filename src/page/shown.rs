//! How what the program knows becomes what a template is given.

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// A thing with its fields, as the API would write it.
pub(super) fn shown<T: Serialize>(thing: T) -> Value {
    Value::from(Serde(thing))
}
