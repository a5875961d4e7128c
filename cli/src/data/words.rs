//! Names and times of the data port, as answers show them.

use crate::show;
use claviger_client::UnknownCode;
use claviger_control::message::Time;
use jiff::Timestamp;
use std::fmt::Display;
use std::time::SystemTime;

/// The name of an algorithm, or its number.
pub(super) fn name(code: Result<impl Display, UnknownCode>) -> String {
    code.map_or_else(|unknown| format!("unknown ({})", unknown.0), |code| code.to_string())
}

/// The name of a kind or a state in words of small letters, as the control port writes it, or its number.
pub(super) fn word(code: Result<impl Display, UnknownCode>) -> String {
    let mut words = String::new();
    for letter in name(code).chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// A time to the second, for people.
pub(super) fn time(time: SystemTime) -> String {
    show::time(Time(timestamp(time)))
}

/// A time to the second in the form of RFC 3339, for programs.
pub(super) fn rfc_3339(time: SystemTime) -> String {
    timestamp(time).strftime("%FT%TZ").to_string()
}

fn timestamp(time: SystemTime) -> Timestamp {
    // The last year that the format has is 9999.
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_shown_to_the_second() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(time(moment), "2023-11-14 22:13:20 UTC");
        assert_eq!(rfc_3339(moment), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn what_is_not_known_is_shown_by_its_number() {
        assert_eq!(name(Err::<&str, _>(UnknownCode(99))), "unknown (99)");
        assert_eq!(word(Err::<&str, _>(UnknownCode(99))), "unknown (99)");
    }

    #[test]
    fn names_of_states_are_written_as_words() {
        assert_eq!(word(Ok("Available")), "available");
        assert_eq!(word(Ok("DeletionRequested")), "deletion requested");
    }
}
