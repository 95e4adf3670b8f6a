//! How the story is told.

use std::path::PathBuf;

/// How the story is told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where everything is kept; a sandbox that is there already goes on. A new folder among the system's temporary
    /// ones, unless said.
    pub dir: Option<PathBuf>,
    /// How many times as fast as life; 450 unless said, or 1 to serve without a cast.
    pub speed: Option<u32>,
    /// How many deposits play; 24 unless said, or none to serve.
    pub deposits: Option<u32>,
    /// What every chance is thrown from; some number unless said.
    pub seed: Option<u64>,
    /// Stay up, once the cast has played, for somebody to play with.
    pub serve: bool,
    /// Where the program is that is told of every event.
    pub webhook: Option<String>,
    /// One JSON document a line in place of words.
    pub json: bool,
    /// No live lines, only the final page.
    pub quiet: bool,
    /// A terminal: a bar is drawn over itself.
    pub live: bool,
    /// Colours, for terminals.
    pub colour: bool,
    /// What the program is called in the commands to try; `depositd` unless said.
    pub program: Option<String>,
}
