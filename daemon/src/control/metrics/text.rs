//! Metrics as text: the Prometheus exposition format, version 0.0.4.

use std::fmt::{Display, Write};

use claviger_engine::histogram::{BOUNDS, Durations};

use super::table::Metric;

/// The text of one scrape, on its way.
#[derive(Default)]
pub(super) struct Text(String);

/// The values of one metric; its name and its help have been written.
pub(super) struct Family<'t> {
    text: &'t mut Text,
    metric: &'static Metric,
}

impl Text {
    /// The beginning of a metric. Each is written once.
    pub(super) fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        let Metric { name, kind, help, .. } = metric;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: self, metric }
    }

    /// A metric without labels.
    pub(super) fn single(&mut self, metric: &'static Metric, value: impl Display) {
        self.family(metric).value(&[], value);
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(text);
    }
}

impl Family<'_> {
    /// One value, with one value for each label of the metric.
    pub(super) fn value(&mut self, labels: &[&str], value: impl Display) -> &mut Self {
        self.line("", labels, "", value);
        self
    }

    /// A histogram: how many were at most as long as each bound, all of them, and their sum.
    pub(super) fn histogram(&mut self, labels: &[&str], durations: &Durations) -> &mut Self {
        let mut so_far: u64 = 0;
        let bounds = BOUNDS.iter().map(|bound| bound.as_secs_f64().to_string()).chain(["+Inf".to_owned()]);
        for (count, bound) in durations.counts.iter().zip(bounds) {
            so_far = so_far.saturating_add(*count);
            self.line("_bucket", labels, &bound, so_far);
        }
        self.line("_sum", labels, "", durations.sum.as_secs_f64());
        self.line("_count", labels, "", so_far);
        self
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: &str, value: impl Display) {
        let Self { text, metric } = self;
        text.write(format_args!("{}{suffix}", metric.name));
        let bound = (!bound.is_empty()).then_some(("le", bound));
        let mut before = '{';
        for (name, label) in metric.labels.iter().copied().zip(labels.iter().copied()).chain(bound) {
            text.write(format_args!("{before}{name}=\"{}\"", escaped(label)));
            before = ',';
        }
        text.write(format_args!("{} {value}\n", if before == ',' { "}" } else { "" }));
    }
}

/// The value of a label, as it stands between quotes.
fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_engine::histogram::Histogram;

    use super::super::table::Kind;
    use super::*;

    static GAUGE: Metric =
        Metric { name: "claviger_gauge", kind: Kind::Gauge, labels: &["one", "other"], help: "Helps", alert: "" };
    static HISTOGRAM: Metric =
        Metric { name: "claviger_seconds", kind: Kind::Histogram, labels: &["lane"], help: "Takes", alert: "" };

    // R-O1
    #[test]
    fn values_are_written_as_the_format_asks_for() {
        let mut text = Text::default();
        text.family(&GAUGE).value(&["a", "b"], 1).value(&["\"\\\n", ""], -0.5);
        assert_eq!(
            text.finish(),
            "# HELP claviger_gauge Helps\n# TYPE claviger_gauge gauge\n\
             claviger_gauge{one=\"a\",other=\"b\"} 1\nclaviger_gauge{one=\"\\\"\\\\\\n\",other=\"\"} -0.5\n"
        );
    }

    // R-O1
    #[test]
    fn buckets_of_a_histogram_add_up() {
        let durations = Histogram::default();
        [10, 11, 2_000_000, 20_000_000].into_iter().for_each(|micros| durations.add(Duration::from_micros(micros)));
        let mut text = Text::default();
        text.family(&HISTOGRAM).histogram(&["compute"], &durations.read());
        let text = text.finish();
        for line in [
            "claviger_seconds_bucket{lane=\"compute\",le=\"0.00001\"} 1\n",
            "claviger_seconds_bucket{lane=\"compute\",le=\"0.000025\"} 2\n",
            "claviger_seconds_bucket{lane=\"compute\",le=\"2.5\"} 3\n",
            "claviger_seconds_bucket{lane=\"compute\",le=\"+Inf\"} 4\n",
            "claviger_seconds_sum{lane=\"compute\"} 22.000021\n",
            "claviger_seconds_count{lane=\"compute\"} 4\n",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
