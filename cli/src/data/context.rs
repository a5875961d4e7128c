//! Pairs of an encryption context, as they are written on a command line.

use anyhow::bail;

/// A pair: `name=value`.
///
/// # Errors
/// It is written in another way.
pub(super) fn pair(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("write it as name=value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_divided_at_the_first_sign() {
        assert_eq!(pair("tenant=a=b").unwrap(), ("tenant".to_owned(), "a=b".to_owned()));
        assert_eq!(pair("empty=").unwrap(), ("empty".to_owned(), String::new()));
        assert!(pair("tenant").is_err() && pair("=x").is_err() && pair("").is_err());
    }
}
