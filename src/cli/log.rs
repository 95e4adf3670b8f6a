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
use crate::config::quoted;

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

/// The words for how much is logged.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

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

/// What is asked for: `$DEPOSITD_LOG`, else `$RUST_LOG`.
pub(super) fn wanted() -> Result<EnvFilter, CommandFailure> {
    for name in ["DEPOSITD_LOG", "RUST_LOG"] {
        let Some(text) = std::env::var_os(name).filter(|text| !text.is_empty()) else { continue };
        let read = text.to_str().ok_or_else(|| "expected text in UTF-8".to_owned()).and_then(directives);
        let directives = read.map_err(|problem| CommandFailure::usage(format_args!("{name}: {problem}")))?;
        return Ok(EnvFilter::new(directives));
    }
    Ok(EnvFilter::new(USUAL))
}

/// Reads levels, and levels of parts, with commas between. What no level is said of is logged as usual: a line about one
/// part must not silence the errors of all others.
fn directives(text: &str) -> Result<String, String> {
    let wrong = |part: &str| {
        format!(
            "expected a level (error, warn, info, debug, trace, off), or part=level with commas between, such as \"info\" or \"depositd::flow=debug\"; found {}",
            quoted(part)
        )
    };
    let (mut directives, mut says_all) = (Vec::new(), false);
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (target, level) =
            part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let is_level = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level));
        let is_target = |target: &str| {
            let mut names = target.split("::");
            names.all(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        if !is_level || !target.is_none_or(is_target) {
            return Err(wrong(part));
        }
        says_all |= target.is_none();
        directives.push(part);
    }
    if !says_all {
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
            assert_eq!(EnvFilter::try_new(read).map(|_| ()).map_err(|_| ()), Ok(()), "{read}");
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
