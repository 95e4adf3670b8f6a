//! How the log is written: in which shape, from which level on, and never with a secret.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

use super::exit::CommandFailure;
use crate::config;

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

/// Changes what is logged while the program runs.
pub(super) struct LogControl(reload::Handle<Targets, Registry>);

impl LogControl {
    /// Logs from `level` on (`log.level`), unless the environment says what is logged.
    pub(super) fn set(&self, level: Option<&str>) -> Result<(), String> {
        if let Some((name, _)) = asked_by_environment() {
            return Err(format!("{name} is set, and goes before it"));
        }
        let filter = levels(&directives(level.unwrap_or_default())?)?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// Sends the log to standard error: coloured on a terminal, plain and without times under journald, which adds its own.
/// `level` is `log.level`; the environment goes before it.
pub(super) fn start_log(format: LogFormat, level: Option<&str>) -> Result<LogControl, CommandFailure> {
    let (wanted, control) = reload::Layer::new(wanted(level)?);
    let filter = wanted.and(filter_fn(is_harmless));
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
    tracing_subscriber::registry().with(layer).try_init()?;
    Ok(LogControl(control))
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

/// What the environment asks for, and by which name: `$DEPOSITD_LOG`, else `$RUST_LOG`.
fn asked_by_environment() -> Option<(&'static str, OsString)> {
    ["DEPOSITD_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var_os(name).filter(|text| !text.is_empty()).map(|text| (name, text)))
}

/// What is asked for by the environment, else by `level` (`log.level`).
pub(super) fn wanted(level: Option<&str>) -> Result<Targets, CommandFailure> {
    let Some((name, text)) = asked_by_environment() else {
        let read = level.map_or_else(|| Ok(USUAL.to_owned()), directives);
        return read.and_then(|directives| levels(&directives)).map_err(CommandFailure::usage);
    };
    let read = text.to_str().ok_or_else(|| "expected text in UTF-8".to_owned()).and_then(directives);
    read.and_then(|directives| levels(&directives))
        .map_err(|problem| CommandFailure::usage(format_args!("{name}: {problem}")))
}

fn levels(directives: &str) -> Result<Targets, String> {
    directives.parse().map_err(|error| format!("{directives:?}: {error}"))
}

/// Reads levels, and levels of parts, with commas between. What no level is said of is logged as usual: a line about one
/// part must not silence the errors of all others.
fn directives(text: &str) -> Result<String, String> {
    let mut directives: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if !directives.is_empty() {
        config::check_log_levels(text)?;
    }
    if directives.iter().all(|part| part.contains('=')) {
        directives.insert(0, USUAL);
    }
    Ok(directives.join(","))
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
    fn levels_are_read_and_what_would_silence_everything_is_refused() {
        for (text, read) in [
            ("debug", "debug"),
            ("WARN", "WARN"),
            ("depositd::flow=debug,info", "depositd::flow=debug,info"),
            (" info , depositd::flow=debug,", "info,depositd::flow=debug"),
            ("depositd::flow=debug", "info,sqlx=warn,tokio_cron_scheduler=warn,depositd::flow=debug"),
            ("sqlx=off", "info,sqlx=warn,tokio_cron_scheduler=warn,sqlx=off"),
            ("off", "off"),
            (" ", USUAL),
        ] {
            assert_eq!(directives(text).as_deref(), Ok(read), "{text}");
            assert!(levels(read).is_ok(), "{read}");
        }
        for text in
            ["verbose", "info,verbose", "depositd", "depositd=loud", "=info", "a b=info", "5", "info=", "inf"]
        {
            let error = directives(text).unwrap_err();
            assert!(error.contains("error, warn, info, debug, trace"), "{text}: {error}");
        }
        assert!(!directives("hunter2-s3cr3t").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn the_libraries_that_know_the_key_stay_silent_even_when_everything_is_asked_for() {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = levels("trace").unwrap().and(filter_fn(is_harmless));
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
