//! A daemon that runs, and ends with the test.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A daemon that runs; killed with everything it started when it is dropped.
pub(crate) struct Running {
    pub(super) child: Child,
    pub(super) lock: PathBuf,
}

impl Running {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit status, where it has ended by itself.
    pub(crate) fn status(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    /// Tells it, and whatever it started.
    pub(super) fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }

    pub(crate) fn kill(&mut self) {
        self.signal("-KILL");
        self.child.wait().unwrap();
        // A process that was traced outlives its tracer for a moment: it is gone when its lock is.
        while File::open(&self.lock).is_ok_and(|lock| lock.try_lock().is_err()) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
