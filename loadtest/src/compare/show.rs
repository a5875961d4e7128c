//! The table that people read.

use super::Compared;
use super::figure::{Figure, Goal, Unit, Verdict};
use super::rows::Measured;
use crate::format::{grouped, measured, whole};

/// Prints what a row has measured.
pub(super) fn print_row(compared: &Compared) {
    println!("\n{}: {}", compared.name, compared.what);
    match &compared.measured {
        Ok(Measured::Figures { figures }) => figures.iter().for_each(|figure| println!("{}", line(figure))),
        Ok(Measured::Curves { curves }) => {
            for point in &curves.batches {
                let rate = |rate: f64| grouped(whole(rate));
                let (process, echo, daemon) = (rate(point.in_process), rate(point.echo), rate(point.daemon));
                println!("  batch {:<6} items/s: in process {process}, echo {echo}, daemon {daemon}", point.batch);
            }
            for point in &curves.loads {
                let p50 = |p50_ns| crate::format::microseconds(p50_ns);
                let (echo, daemon) = (p50(point.echo.p50_ns), p50(point.daemon.p50_ns));
                println!("  {:>9} items/s   p50 in us: echo {echo}, daemon {daemon}", grouped(point.items_per_second));
            }
        }
        Ok(Measured::LeftOut { left_out }) => println!("  left out: {left_out}"),
        Err(error) => println!("  FAILED: {error}"),
    }
}

/// Prints the figures that have a goal, one a line: what each row comes to.
pub(super) fn print_goals(rows: &[Compared]) {
    println!("\n{:<20} {:<58} {:>12} {:>12} {:>9}  result", "row", "", "value", "required", "aim");
    for row in rows {
        for figure in row.figures().iter().filter(|figure| figure.goal.is_some()) {
            println!("{:<20} {}", row.name, cells(figure));
        }
        if let Err(error) = &row.measured {
            println!("{:<20} FAILED: {error}", row.name);
        }
    }
    println!(
        "\nvalue: the median over the rounds; ratios are taken in each round by itself. bound: in process and echo, one after the other, for each item."
    );
}

fn line(figure: &Figure) -> String {
    format!("  {}", cells(figure)).trim_end().to_owned()
}

fn cells(figure: &Figure) -> String {
    let required = figure.goal.map_or_else(String::new, |goal| {
        let sign = match goal {
            Goal::AtLeast { .. } => ">=",
            Goal::AtMost { .. } => "<=",
        };
        format!("{sign} {}", number(figure.unit, goal.required()))
    });
    let aim = figure.goal.and_then(Goal::aim).map_or_else(String::new, |aim| number(figure.unit, aim));
    let result = figure.verdict().map_or("", verdict);
    let value = format!("{}{}", number(figure.unit, figure.value()), symbol(figure.unit));
    format!("{:<58} {value:>12} {required:>12} {aim:>9}  {result}", figure.name)
}

fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Bytes | Unit::Rounds if value.is_finite() => grouped(whole(value)),
        _ => measured(value),
    }
}

const fn symbol(unit: Unit) -> &'static str {
    match unit {
        Unit::Ratio | Unit::Rounds => "",
        Unit::Nanoseconds => " ns",
        Unit::Microseconds => " us",
        Unit::Seconds => " s",
        Unit::Bytes => " B",
        Unit::ItemsPerSecond => " /s",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotReached => "not reached",
        Verdict::Reached => "reached",
        Verdict::AimReached => "reached, and the aim",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_value_goal_and_whether_it_is_reached() {
        let figure = Figure::new("daemon, of the bound", Unit::Ratio, vec![0.9]).with(Goal::at_least(0.85, 0.95));
        let words: Vec<_> = line(&figure).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "daemon, of the bound 0.900 >= 0.850 0.950 reached");
        let figure = Figure::new("p50", Unit::Ratio, vec![1.2]).with(Goal::at_most(1.1, 1.03));
        assert!(line(&figure).contains("<= 1.10") && line(&figure).ends_with("not reached"));
        let figure = Figure::new("each", Unit::Bytes, vec![20_000.4]).with(Goal::at_most(32_768.0, 16_384.0));
        assert!(line(&figure).contains("20,000 B") && line(&figure).contains("<= 32,768"));
    }

    #[test]
    fn what_has_no_goal_ends_with_its_value() {
        assert!(line(&Figure::new("in process", Unit::Nanoseconds, vec![161.4])).ends_with("161 ns"));
        assert!(line(&Figure::new("echo", Unit::Nanoseconds, vec![])).ends_with("- ns"));
    }
}
