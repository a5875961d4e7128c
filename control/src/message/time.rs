//! When something was, or will be.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// A moment in UTC (RFC 3339), `2026-11-22T10:00:00.120Z`: always with three digits after the point, so that texts sort as moments do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        serde_json::from_value(text.into()).unwrap()
    }

    // R-O3
    #[test]
    fn texts_sort_as_moments_do() {
        let moments =
            ["00Z", "00.005Z", "00.12Z", "00.121Z", "01Z"].map(|end| time(&format!("2026-11-22T10:00:{end}")));
        assert!(moments.is_sorted());
        let texts = moments.map(|moment| serde_json::to_value(moment).unwrap().as_str().unwrap().to_owned());
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts[2], "2026-11-22T10:00:00.120Z");
        assert!(texts.iter().zip(moments).all(|(text, moment)| time(text) == moment));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "2026-11-22", "2026-11-22T10:00:00", "2026-13-22T10:00:00Z", "yesterday"] {
            assert!(serde_json::from_value::<Time>(text.into()).is_err(), "{text}");
        }
    }
}
