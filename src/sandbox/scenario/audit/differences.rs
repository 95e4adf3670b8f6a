//! What does not agree, in words.

/// What does not agree, in words.
#[derive(Debug, Default)]
pub(super) struct Differences(pub(super) Vec<String>);

impl Differences {
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    pub(super) fn unless(&mut self, same: bool, what: impl FnOnce() -> String) {
        if !same {
            self.0.push(what());
        }
    }
}
