//! Waiting for a newer version of a secret, in rounds, for as long as the caller wants: servers come and go meanwhile.

use crate::batch::Order;
use crate::call::Call;
use crate::error::Error;
use crate::key::Key;
use crate::limits::SECRET_WAIT_ROUND;
use crate::operations::read::SecretVersion;
use crate::pool::{Pool, reconnect_wait};
use crate::secret::Secret;
use claviger_protocol::Status;
use claviger_protocol::message::{Reply, WaitForSecret};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

impl Key {
    /// The current value of a secret as soon as it is newer than the version `known`: at once if it is newer already (0 is older than all), else when it is updated. Nothing if
    /// `wait` is over first, however long that is: the server is asked as often as need be.
    ///
    /// A wait that has begun outlives its server: while that is away or has no room, the client connects again and again, with the pauses of [`crate::ClientConfig::reconnect`] but
    /// as often as it takes, and says each time which version it knows, so that nothing is missed. If the server is away when `wait` is over, the error says why: whether there is
    /// something newer is not known then.
    ///
    /// The deadline of the client holds for the time beyond the wait. A wait that is given up keeps its place at the server for up to a minute; there are 512 a connection.
    ///
    /// # Errors
    /// As [`Error`] says: among others as soon as the key is disabled or deleted.
    pub async fn wait_for_newer_secret(&self, known: u32, wait: Duration) -> Result<Option<SecretVersion>, Error> {
        let end = Instant::now().checked_add(wait);
        let (mut failures, mut absence) = (0, None);
        loop {
            let error = match self.wait_round(known, end, failures).await {
                Ok(secret) => return Ok(Some(secret)),
                Err(error) => error,
            };
            let is_over = end.is_some_and(|end| Instant::now() >= end);
            match error.status() {
                Some(Status::NoNewerVersion) if is_over => return Ok(None),
                Some(Status::NoNewerVersion) => (failures, absence) = (0, None),
                // Like any other call, it is sent again once in any case.
                _ if is_absence(&error) && (failures == 0 || !is_over) => {
                    tracing::debug!(%error, "a wait for a secret goes on");
                    let reconnect = self.client().config().reconnect;
                    let pause = reconnect_wait(reconnect, failures).max(advised_wait(&error));
                    sleep(pause.min(left(end).max(reconnect.wait_first))).await;
                    failures += 1;
                    absence = Some(error);
                }
                // What came before says more than that the time is over.
                _ => {
                    return self
                        .checked(Err(absence.filter(|_| matches!(error, Error::DeadlineExceeded)).unwrap_or(error)));
                }
            }
        }
    }

    /// Asks the server once: for the rest of the wait, or as long as it lets a request wait.
    async fn wait_round(&self, known: u32, end: Option<Instant>, failures: u32) -> Result<SecretVersion, Error> {
        let client = self.client();
        let Order { deadline, .. } = client.order();
        // Who has failed to reach the server twice does not try on when the wait is over.
        let until = end.filter(|_| failures > 1).map_or(deadline, |end| end.min(deadline));
        let connection = timeout_at(until, client.pool().connection()).await.map_err(|_| Error::DeadlineExceeded)??;
        // What is asked for is what is left when there is somebody to ask.
        let round = left(end).min(SECRET_WAIT_ROUND).min(client.limits().secret_wait);
        // Rounded up, so that the wait is over when the server says so.
        let wait_ms = u32::try_from((round + Duration::from_micros(999)).as_millis()).unwrap_or(u32::MAX);
        let request = WaitForSecret { key_id: self.id(), known_version: known, wait_ms };
        let Order { trace_id, deadline } = client.order();
        let call = Call::new(request, trace_id, deadline + round)?;
        let reply = tokio::select! {
            reply = Pool::call_once(&connection, call) => reply?,
            () = connection.until_silent() => return Err(Error::Disconnected),
        };
        match reply.decode() {
            Ok(Reply::ReadSecret(secret)) if secret.key_version > known => {
                Ok(SecretVersion { key_version: secret.key_version, value: Secret::new(secret.value) })
            }
            _ => Err(Error::BadReply),
        }
    }
}

/// Whether the server is away for now, rather than that it has answered.
const fn is_absence(error: &Error) -> bool {
    match error {
        Error::Disconnected | Error::DeadlineExceeded | Error::Unreachable { .. } | Error::Address { .. } => true,
        Error::Refused { status, .. } => matches!(status, Status::ShuttingDown | Status::Overloaded),
        _ => false,
    }
}

/// How long the server asks its client to stay away.
const fn advised_wait(error: &Error) -> Duration {
    match error {
        Error::Refused { retry_after: Some(wait), .. } => *wait,
        _ => Duration::ZERO,
    }
}

/// What is left of a wait; a wait without an end has more left than any round takes.
fn left(end: Option<Instant>) -> Duration {
    end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
}
