//! Numbers as people read them.

/// A whole number with its digits in groups of three: `1,412,345`.
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured number, to three digits or to the unit: `0.225`, `4.71`, `155`, `1,412,345`.
pub(crate) fn measured(number: f64) -> String {
    match number {
        _ if !number.is_finite() => "-".to_owned(),
        _ if number >= 99.95 => grouped(whole(number)),
        _ if number >= 9.995 => format!("{number:.1}"),
        _ if number >= 0.9995 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// Nanoseconds as microseconds.
pub(crate) fn microseconds(nanoseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
    measured(nanoseconds as f64 / 1e3)
}

/// The nearest whole number, 0 at least.
pub(crate) fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast of a float stops at the bounds"
    )]
    let whole = number.round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_412_345, "1,412,345")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(-1), "18,446,744,073,709,551,615", "what is no u64 is the largest one");
    }

    #[test]
    fn measured_numbers_have_three_digits() {
        for (number, text) in [
            (0.0, "0.000"),
            (0.22549, "0.225"),
            (0.9996, "1.00"),
            (4.714, "4.71"),
            (47.14, "47.1"),
            (99.96, "100"),
            (1_412_344.7, "1,412,345"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(measured(number), text);
        }
        assert_eq!(microseconds(1_500), "1.50");
    }
}
