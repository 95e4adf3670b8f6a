//! How the log is written: in which shape, from which level on, and never with a secret.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use super::exit::CommandFailure;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people, and for journald.
    Text,
    /// One JSON object a line.
    Json,
}

/// Libraries whose lower levels show request lines with the API key in them, or what is said to the mail server:
/// never below WARN, whatever is asked for.
const CAPPED: &[&str] = &["reqwest", "hyper", "hyper_util", "h2", "rustls", "lettre", "tower", "tokio_util"];
/// The levels where none are configured.
const USUAL: &str = "info,sqlx=warn,tokio_cron_scheduler=warn";

/// Sends the log to standard error: coloured on a terminal, plain and without times under journald, which adds its own.
pub(super) fn start_log(format: LogFormat) -> Result<(), CommandFailure> {
    let filter = wanted()?.and(filter_fn(is_harmless));
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let text = || fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    let journal = is_journal();
    let layer: Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => {
            let line = fmt::format().json().flatten_event(true);
            let fields = fmt::format::JsonFields::new();
            let layer = fmt::layer().json().event_format(Ranked { line, ranked: journal }).fmt_fields(fields);
            layer.with_writer(std::io::stderr).with_filter(filter).boxed()
        }
        LogFormat::Text if journal => {
            let line = fmt::format().without_time().with_ansi(false);
            text().event_format(Ranked { line, ranked: true }).with_filter(filter).boxed()
        }
        LogFormat::Text => text().with_filter(filter).boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer).try_init()?)
}

/// Lines with the priority that journald reads off their beginning (sd-daemon(3)), where they are `ranked`.
struct Ranked<F> {
    line: F,
    ranked: bool,
}

impl<S, N, F> FormatEvent<S, N> for Ranked<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if self.ranked {
            let rank = match *event.metadata().level() {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                Level::DEBUG | Level::TRACE => 7,
            };
            write!(writer, "<{rank}>")?;
        }
        self.line.format_event(context, writer, event)
    }
}

/// The levels that are configured: `$DEPOSITD_LOG`, else `$RUST_LOG`.
fn wanted() -> Result<EnvFilter, CommandFailure> {
    let asked = ["DEPOSITD_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        std::env::var(name).ok().filter(|text| !text.trim().is_empty()).map(|text| (name, text))
    });
    match asked {
        None => Ok(EnvFilter::new(USUAL)),
        Some((name, text)) => EnvFilter::try_new(&text).map_err(|error| {
            CommandFailure::usage(format_args!(
                "{name}: expected a level (error, warn, info, debug, trace) or target=level pairs: {error}"
            ))
        }),
    }
}

/// False for lines that could carry a secret.
fn is_harmless(line: &tracing::Metadata<'_>) -> bool {
    let of = |library: &str| {
        line.target().strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    *line.level() <= LevelFilter::WARN || !CAPPED.iter().any(|library| of(library))
}

/// True where standard error leads to journald: systemd says which file that is.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(meta) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", meta.dev(), meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn journald_is_told_how_grave_each_line_is_and_nobody_else_is() {
        for (ranked, expected) in [(true, ["<3>", "<4>", "<6>", "<7>"]), (false, [""; 4])] {
            let lines = Lines::default();
            let writer = lines.clone();
            let line = fmt::format().without_time().with_ansi(false).with_target(false);
            let layer =
                fmt::layer().with_writer(move || writer.clone()).event_format(Ranked { line, ranked });
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::error!("a");
                tracing::warn!("b");
                tracing::info!("c");
                tracing::debug!("d");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            let [a, b, c, d] = expected;
            assert_eq!(text, format!("{a}ERROR a\n{b} WARN b\n{c} INFO c\n{d}DEBUG d\n"));
        }
    }

    #[test]
    fn the_libraries_that_know_the_key_stay_silent_even_when_everything_is_asked_for() {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = EnvFilter::new("trace").and(filter_fn(is_harmless));
        let layer = fmt::layer().with_writer(move || writer.clone()).with_ansi(false).with_filter(filter);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "reqwest::connect", "one ?api_key=hunter2");
            tracing::debug!(target: "hyper_util::client", "two ?api_key=hunter2");
            tracing::info!(target: "h2", "three ?api_key=hunter2");
            tracing::warn!(target: "rustls", "four");
            tracing::trace!(target: "hyperspace", "five");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("four") && text.contains("five"), "{text}");
    }
}
