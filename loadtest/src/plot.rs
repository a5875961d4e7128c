//! Line charts as SVG: a file that every browser shows.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use claviger_client::Transport;

use crate::beside::{PERCENTILES, Pair, Round, median_of};
use crate::compare::{BatchPoint, Curves, LoadPoint};
use crate::format::measured;
use crate::report::transport_name;
use crate::run::{Outcome, Row};
use crate::task::Operation;

/// Draws one run: latency over time.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn plot_run(path: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    type Latency = fn(&Row) -> u64;
    let percentiles: [(&str, Latency); 5] = [
        ("p50", |row| row.latency.p50_ns),
        ("p90", |row| row.latency.p90_ns),
        ("p99", |row| row.latency.p99_ns),
        ("p99.9", |row| row.latency.p99_9_ns),
        ("max", |row| row.latency.max_ns),
    ];
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
    let series = |(name, latency): (&str, Latency)| Series {
        name: name.to_owned(),
        points: outcome.rows.iter().map(|row| (row.end_seconds, latency(row) as f64 / 1e3)).collect(),
    };
    let chart = Chart {
        title: format!(
            "{}, batch {}, {}: latency of a frame",
            outcome.plan.task,
            outcome.plan.task.batch,
            transport_name(outcome.plan.transport)
        ),
        x: Axis { label: "seconds", scale: Scale::Linear },
        y: Axis { label: "microseconds", scale: Scale::Logarithmic },
        series: percentiles.into_iter().map(series).collect(),
    };
    write(path, &chart)
}

/// Draws a table: throughput over batch size.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn plot_table(path: &Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let encrypt = || outcomes.iter().filter(|outcome| outcome.plan.task.operation == Operation::Encrypt);
    #[expect(clippy::cast_precision_loss, reason = "at most 1,024")]
    let point = |outcome: &Outcome, rate: f64| (outcome.plan.task.batch as f64, rate);
    let on = |transport| Series {
        name: transport_name(transport).to_owned(),
        points: encrypt()
            .filter(|outcome| outcome.plan.transport == transport)
            .map(|outcome| point(outcome, outcome.total.items_per_second()))
            .collect(),
    };
    let in_process = Series {
        name: "in process".to_owned(),
        points: encrypt()
            .filter(|outcome| outcome.plan.transport == Transport::Tcp)
            .filter_map(|outcome| outcome.in_process_ns.map(|nanoseconds| point(outcome, 1e9 / nanoseconds)))
            .collect(),
    };
    let title = encrypt().next().map_or_else(String::new, |outcome| outcome.plan.task.to_string());
    let chart = Chart {
        title: format!("{title}: throughput"),
        x: Axis { label: "items in a frame", scale: Scale::Logarithmic },
        y: Axis { label: "items a second", scale: Scale::Logarithmic },
        series: vec![in_process, on(Transport::Tcp), on(Transport::Quic)],
    };
    write(path, &chart)
}

/// Draws pairs: latency of the fast operation over the cost of the slow one.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn plot_beside(path: &Path, pairs: &[Pair]) -> anyhow::Result<()> {
    type When = fn(&Round) -> &Outcome;
    let whens: [(&str, When); 2] = [("alone", |round| &round.alone), ("beside", |round| &round.beside)];
    let [median, .., last] = PERCENTILES;
    let series = [median, last].into_iter().flat_map(|(percentile, latency)| {
        whens.map(|(when, outcome)| {
            let point = |pair: &Pair| {
                let cost = median_of(&pair.rounds, |round| round.slow.in_process_ns.unwrap_or(f64::NAN));
                (cost / 1e3, median_of(&pair.rounds, |round| latency(&outcome(round).total.latency)) / 1e3)
            };
            let mut points: Vec<_> = pairs.iter().map(point).collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            Series { name: format!("{percentile} {when}"), points }
        })
    });
    let fast = pairs.iter().flat_map(Pair::outcomes).next();
    let title =
        fast.map_or_else(String::new, |outcome| format!("{}, batch {}", outcome.plan.task, outcome.plan.task.batch));
    let chart = Chart {
        title: format!("{title}: latency of a frame, beside slow operations"),
        x: Axis { label: "microseconds of an item of the slow operation, in process", scale: Scale::Logarithmic },
        y: Axis { label: "microseconds", scale: Scale::Logarithmic },
        series: series.collect(),
    };
    write(path, &chart)
}

/// Draws a comparison: throughput over batch size, and below it latency over load.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn plot_curves(path: &Path, curves: &Curves) -> anyhow::Result<()> {
    type Rate = fn(&BatchPoint) -> f64;
    let rates: [(&str, Rate); 3] =
        [("in process", |point| point.in_process), ("echo", |point| point.echo), ("daemon", |point| point.daemon)];
    #[expect(clippy::cast_precision_loss, reason = "at most 1,024")]
    let throughput = rates.map(|(name, rate)| Series {
        name: name.to_owned(),
        points: curves.batches.iter().map(|point| (point.batch as f64, rate(point))).collect(),
    });
    type Latency = fn(&LoadPoint) -> u64;
    let latencies: [(&str, Latency); 4] = [
        ("echo p50", |point| point.echo.p50_ns),
        ("daemon p50", |point| point.daemon.p50_ns),
        ("echo p99", |point| point.echo.p99_ns),
        ("daemon p99", |point| point.daemon.p99_ns),
    ];
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
    let latency = latencies.map(|(name, latency)| Series {
        name: name.to_owned(),
        points: curves
            .loads
            .iter()
            .map(|point| (f64::from(point.items_per_second), latency(point) as f64 / 1e3))
            .collect(),
    });
    let charts = [
        Chart {
            title: "encrypt 1 KiB, TLS/TCP: throughput".to_owned(),
            x: Axis { label: "items in a frame", scale: Scale::Logarithmic },
            y: Axis { label: "items a second", scale: Scale::Logarithmic },
            series: throughput.into(),
        },
        Chart {
            title: "encrypt 1 KiB, TLS/TCP, batch 16: latency of a frame".to_owned(),
            x: Axis { label: "items a second", scale: Scale::Linear },
            y: Axis { label: "microseconds", scale: Scale::Logarithmic },
            series: latency.into(),
        },
    ];
    fs::write(path, stacked(&charts)).with_context(|| path.display().to_string())
}

fn write(path: &Path, chart: &Chart) -> anyhow::Result<()> {
    fs::write(path, chart.svg()).with_context(|| path.display().to_string())
}

/// Charts one below the other.
fn stacked(charts: &[Chart]) -> String {
    let mut svg = String::new();
    let mut top = 0.0;
    for chart in charts {
        let _ = write!(svg, "<svg y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">\n{}</svg>\n", chart.svg());
        top += HEIGHT;
    }
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\">\n{svg}</svg>\n")
}

struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

struct Axis {
    label: &'static str,
    scale: Scale,
}

#[derive(Clone, Copy)]
enum Scale {
    /// From zero.
    Linear,
    /// Of positive numbers only; others are left out.
    Logarithmic,
}

struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Chart {
    fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Range::of(self.x.scale, points().map(|point| point.0));
        let y = Range::of(self.y.scale, points().map(|point| point.1));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 26.0), "start", &self.title);
        text(&mut svg, (f64::midpoint(LEFT, RIGHT), HEIGHT - 12.0), "middle", self.x.label);
        text(&mut svg, (LEFT - 10.0, TOP - 12.0), "end", self.y.label);
        for tick in x.ticks() {
            let at = x.place(tick, LEFT, RIGHT);
            line(&mut svg, (at, TOP), (at, BOTTOM));
            text(&mut svg, (at, BOTTOM + 20.0), "middle", &tick_label(tick));
        }
        for tick in y.ticks() {
            let at = y.place(tick, BOTTOM, TOP);
            line(&mut svg, (LEFT, at), (RIGHT, at));
            text(&mut svg, (LEFT - 10.0, at + 4.0), "end", &tick_label(tick));
        }
        for ((series, colour), row) in self.series.iter().zip(COLOURS.iter().cycle()).zip(0_u32..) {
            let places = series.points.iter().filter(|point| x.shows(point.0) && y.shows(point.1));
            let places = places.map(|point| (x.place(point.0, LEFT, RIGHT), y.place(point.1, BOTTOM, TOP)));
            polyline(&mut svg, colour, places);
            let at = TOP + 10.0 + 22.0 * f64::from(row);
            let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/>", RIGHT + 20.0, at - 4.0);
            text(&mut svg, (RIGHT + 32.0, at), "start", &series.name);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// What an axis shows.
struct Range {
    scale: Scale,
    least: f64,
    most: f64,
}

impl Range {
    fn of(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let shown = values.filter(|value| value.is_finite() && (matches!(scale, Scale::Linear) || *value > 0.0));
        let most = shown.clone().fold(f64::NEG_INFINITY, f64::max);
        let least = shown.fold(f64::INFINITY, f64::min);
        match scale {
            Scale::Linear => Self { scale, least: 0.0, most: if most > 0.0 { most } else { 1.0 } },
            // A decade where there is nothing to show, or one value only.
            Scale::Logarithmic if least >= most => {
                let middle = if most > 0.0 { most } else { 1.0 };
                Self { scale, least: middle / 3.0, most: middle * 3.0 }
            }
            Scale::Logarithmic => Self { scale, least: least / 1.2, most: most * 1.2 },
        }
    }

    fn shows(&self, value: f64) -> bool {
        value >= self.least && value <= self.most
    }

    /// Where `value` stands between `from` and `to`.
    fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (value - self.least) / (self.most - self.least),
            Scale::Logarithmic => (value / self.least).ln() / (self.most / self.least).ln(),
        };
        from + (to - from) * part
    }

    /// Round numbers, about five to ten of them.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let magnitude = 10_f64.powf((self.most / 5.0).log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
                let step = step.into_iter().find(|step| self.most / step <= 8.0).unwrap_or(self.most);
                std::iter::successors(Some(0.0), |tick| Some(tick + step))
                    .take_while(|tick| self.shows(*tick))
                    .collect()
            }
            Scale::Logarithmic => {
                let decade = 10_f64.powf(self.least.log10().floor());
                let decades = std::iter::successors(Some(decade), |decade| Some(decade * 10.0));
                let decades = decades.take_while(|decade| *decade <= self.most);
                let wide = self.most / self.least > 1e4;
                let factors: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
                decades
                    .flat_map(|decade| factors.iter().map(move |factor| decade * factor))
                    .filter(|tick| self.shows(*tick))
                    .collect()
            }
        }
    }
}

/// Large numbers are shortened: `2 M`.
fn tick_label(tick: f64) -> String {
    let round = |number: f64| if number.fract() == 0.0 { format!("{number:.0}") } else { measured(number) };
    match tick {
        _ if tick >= 1e6 => format!("{} M", round(tick / 1e6)),
        _ if tick >= 1e4 => format!("{} k", round(tick / 1e3)),
        _ => round(tick),
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>");
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>");
}

fn polyline(svg: &mut String, colour: &str, places: impl Iterator<Item = (f64, f64)> + Clone) {
    let path: Vec<_> = places.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ =
        writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>", path.join(" "));
    for (x, y) in places {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = WIDTH - 130.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = HEIGHT - 60.0;

/// Told apart by people with any colour vision (Okabe and Ito 2008).
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"];

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<(f64, f64)>) -> String {
        let axis = || Axis { label: "label", scale };
        let series = vec![Series { name: "a < b & c".to_owned(), points }];
        Chart { title: "title".to_owned(), x: axis(), y: axis(), series }.svg()
    }

    #[test]
    fn points_stand_inside_the_frame() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let range = Range::of(scale, [3.0, 700.0, 1_234.0].into_iter());
            for value in [3.0, 700.0, 1_234.0] {
                assert!((0.0..=1.0).contains(&range.place(value, 0.0, 1.0)));
            }
            assert!((3..=12).contains(&range.ticks().len()), "{:?}", range.ticks());
        }
    }

    #[test]
    fn a_chart_of_nothing_or_of_what_cannot_be_shown_is_still_a_chart() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for points in [vec![], vec![(0.0, 0.0)], vec![(1.0, f64::NAN), (f64::INFINITY, 2.0)], vec![(5.0, 5.0)]] {
                let svg = chart(scale, points);
                assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn names_cannot_end_their_element() {
        assert!(chart(Scale::Linear, vec![]).contains("a &lt; b &amp; c"));
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(Range::of(Scale::Linear, [7.0].into_iter()).ticks(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(
            Range::of(Scale::Logarithmic, [1.0, 256.0].into_iter()).ticks(),
            [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
        );
        assert_eq!(tick_label(2_000_000.0), "2 M");
        assert_eq!(tick_label(50_000.0), "50 k");
        assert_eq!(tick_label(0.5), "0.500");
    }
}
