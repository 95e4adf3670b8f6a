//! What is counted and timed while the program works, and the page that a monitoring system reads: the only user of
//! `prometheus-client`.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds for a call to another machine.
const CALL_BOUNDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds in seconds for a transaction on this machine's disk.
const COMMIT_BOUNDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// The media type of [`Page::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The calls to the upstream: how they ended, and how long they took. Clones count together.
#[derive(Clone)]
pub struct CallMetrics {
    ended: Family<Labels<2>, Counter>,
    seconds: Histogram,
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self { ended: Family::default(), seconds: Histogram::new(CALL_BOUNDS) }
    }
}

impl fmt::Debug for CallMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallMetrics").finish_non_exhaustive()
    }
}

impl CallMetrics {
    /// Counts one call that has ended.
    pub fn ended(&self, call: &'static str, outcome: &'static str, took: Duration) {
        self.ended.get_or_create(&[("call", call), ("outcome", outcome)]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Puts the figures on `page`.
    pub fn show(&self, page: &mut Page) {
        let help = "Calls to the upstream that have ended, by what was asked and how it ended.";
        page.add("depositd_upstream_calls_total", help, self.ended.clone());
        let help = "How long a call to the upstream took, in seconds.";
        page.add("depositd_upstream_seconds", help, self.seconds.clone());
    }
}

/// The transactions of the ledger: how long they took. Clones count together.
#[derive(Clone)]
pub struct CommitMetrics(Histogram);

impl Default for CommitMetrics {
    fn default() -> Self {
        Self(Histogram::new(COMMIT_BOUNDS))
    }
}

impl fmt::Debug for CommitMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitMetrics").finish_non_exhaustive()
    }
}

impl CommitMetrics {
    /// Counts one transaction that is on disk.
    pub fn written(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }

    /// Puts the figures on `page`.
    pub fn show(&self, page: &mut Page) {
        let help = "How long a transaction of the ledger took until it was on disk, in seconds.";
        page.add("depositd_commit_seconds", help, self.0.clone());
    }
}

/// The page that is read, put together anew each time.
#[derive(Debug, Default)]
pub struct Page(Registry);

impl Page {
    /// A figure as it stands now.
    pub fn gauge(&mut self, name: &str, help: &str, figure: i64) {
        let gauge = Gauge::<i64>::default();
        gauge.set(figure);
        self.add(name, help, gauge);
    }

    /// The same, of several things that `label` tells apart.
    pub fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        figures: impl IntoIterator<Item = (&'a str, i64)>,
    ) {
        let family = Family::<[(&'static str, String); 1], Gauge>::default();
        for (value, figure) in figures {
            family.get_or_create(&[(label, value.to_owned())]).set(figure);
        }
        self.add(name, help, family);
    }

    /// A figure that only grows.
    pub fn counter(&mut self, name: &str, help: &str, figure: u64) {
        let counter = Counter::<u64>::default();
        counter.inc_by(figure);
        self.add(name, help, counter);
    }

    /// The same, of several things that `label` tells apart.
    pub fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        figures: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let family = Family::<[(&'static str, String); 1], Counter>::default();
        for (value, figure) in figures {
            family.get_or_create(&[(label, value.to_owned())]).inc_by(figure);
        }
        self.add(name, help, family);
    }

    /// The page in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = prometheus_text::encode(&mut text, &self.0);
        text
    }

    /// The library itself ends a help text with a full stop, and the name of a counter with `_total`.
    fn add(&mut self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        let name = name.strip_suffix("_total").unwrap_or(name);
        self.0.register(name, help.trim_end_matches('.'), metric);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_outcome_and_timed_in_seconds() {
        let calls = CallMetrics::default();
        calls.ended("poll", "answered", Duration::from_millis(30));
        calls.clone().ended("poll", "answered", Duration::from_secs(60));
        calls.ended("create", "refused", Duration::from_millis(1));
        let mut page = Page::default();
        calls.show(&mut page);
        let text = page.text();
        for line in [
            "# TYPE depositd_upstream_calls_total counter",
            "depositd_upstream_calls_total{call=\"poll\",outcome=\"answered\"} 2",
            "depositd_upstream_calls_total{call=\"create\",outcome=\"refused\"} 1",
            "# TYPE depositd_upstream_seconds histogram",
            "depositd_upstream_seconds_bucket{le=\"0.025\"} 1",
            "depositd_upstream_seconds_bucket{le=\"30\"} 2",
            "depositd_upstream_seconds_bucket{le=\"+Inf\"} 3",
            "depositd_upstream_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn figures_stand_under_their_own_names() {
        let mut page = Page::default();
        page.gauge("depositd_drift_cents", "The drift.", -3);
        page.gauges("depositd_deposits", "Deposits.", "state", [("settled", 2), ("expired", 0)]);
        page.counter("depositd_credited_cents_total", "Credited.", 970);
        page.counters("depositd_task_rounds_total", "Rounds.", "task", [("poll", 7)]);
        let expected = [
            "# HELP depositd_drift_cents The drift.",
            "# TYPE depositd_drift_cents gauge",
            "depositd_drift_cents -3",
            "depositd_deposits{state=\"expired\"} 0",
            "# HELP depositd_credited_cents_total Credited.",
            "# TYPE depositd_credited_cents_total counter",
            "depositd_credited_cents_total 970",
            "depositd_task_rounds_total{task=\"poll\"} 7",
        ];
        let text = page.text();
        for line in expected {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
