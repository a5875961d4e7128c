//! Creations that are made once, however often their command is run.

use clap::Args;
use claviger_control::ControlClient;
use claviger_control::limits::IDEMPOTENCY_KEY_SIZE_MAX;

/// How often something is created.
#[derive(Args)]
pub(crate) struct OnceArguments {
    /// Create it once, however often this is run within a day with the same KEY, of your choice: the first answer is shown again, if it could hold no private key
    #[arg(long, value_name = "KEY", value_parser = key)]
    idempotency_key: Option<String>,
}

impl OnceArguments {
    /// The client that creates it so.
    pub(super) fn of(&self, client: &ControlClient) -> ControlClient {
        self.idempotency_key.as_deref().map_or_else(|| client.clone(), |key| client.once(key))
    }
}

fn key(text: &str) -> Result<String, String> {
    let is_key =
        (1..=IDEMPOTENCY_KEY_SIZE_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_key {
        Ok(text.to_owned())
    } else {
        Err(format!("give 1 to {IDEMPOTENCY_KEY_SIZE_MAX} printable characters of ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-O1
    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "a b", "a\n", "\u{e9}", &"x".repeat(IDEMPOTENCY_KEY_SIZE_MAX + 1)] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
        assert!(key(&"x".repeat(IDEMPOTENCY_KEY_SIZE_MAX)).is_ok());
    }
}
