//! One question at a time: what a load test asks beside the load.

use anyhow::{Context, bail, ensure};
use claviger_client::{ClientConfig, Error, RawConnection};
use claviger_protocol::message::{Message, Resolve, ResolveItem, Resolved, ResultValue, Results};
use claviger_protocol::{Algorithm, Opcode, OutputBuffer, Reply, RequestHeader, Status};

/// A byte stream on which one request is unanswered at most.
pub(crate) struct Conversation {
    connection: RawConnection,
    output: OutputBuffer,
}

/// The body of a reply of status Ok.
pub(crate) struct ReplyBody {
    opcode: Opcode,
    bytes: Vec<u8>,
}

impl Conversation {
    /// Connects.
    ///
    /// # Errors
    /// Those of the client.
    pub(crate) async fn begin(config: &ClientConfig) -> anyhow::Result<Self> {
        Ok(Self { connection: RawConnection::connect(config).await?, output: OutputBuffer::new() })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the request does not fit a frame, or the reply is anything but one of status Ok.
    pub(crate) async fn ask<M: Message>(&mut self, message: M) -> anyhow::Result<ReplyBody> {
        let (status, body) = self.exchange(message).await?;
        ensure!(status == Status::Ok, "{} was answered with {status}", M::OPCODE);
        Ok(body)
    }

    /// Asks, and waits for the answer; `None` if it is that this is not permitted.
    ///
    /// # Errors
    /// If the request does not fit a frame, or the reply is anything else but one of status Ok.
    pub(crate) async fn ask_if_permitted<M: Message>(&mut self, message: M) -> anyhow::Result<Option<ReplyBody>> {
        let (status, body) = self.exchange(message).await?;
        ensure!([Status::Ok, Status::NotPermitted].contains(&status), "{} was answered with {status}", M::OPCODE);
        Ok((status == Status::Ok).then_some(body))
    }

    /// Waits until the server has closed the connection.
    ///
    /// # Errors
    /// If a reply comes instead, to which nobody has asked.
    pub(crate) async fn closed(mut self) -> anyhow::Result<()> {
        match self.connection.receive().await {
            Err(Error::Disconnected) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => bail!(UNEXPECTED),
        }
    }

    async fn exchange<M: Message>(&mut self, message: M) -> anyhow::Result<(Status, ReplyBody)> {
        self.output.clear();
        self.output.request(RequestHeader::new(0), message)?;
        self.connection.send(self.output.as_bytes()).await?;
        let frame = self.connection.receive().await?;
        ensure!(frame.header.opcode == M::OPCODE.code(), UNEXPECTED);
        Ok((frame.header.status, ReplyBody { opcode: M::OPCODE, bytes: frame.body.to_vec() }))
    }

    /// The key of this name, which is to have this algorithm.
    ///
    /// # Errors
    /// If there is no such key, it is not to be used by this client, or it has another algorithm.
    pub(crate) async fn key(&mut self, store: &str, name: &str, algorithm: Algorithm) -> anyhow::Result<Resolved> {
        let items = [ResolveItem { key_name: name.as_bytes() }];
        let reply = self.ask(Resolve { store_name: store.as_bytes(), items }).await;
        let reply = reply.with_context(|| format!("key store {store:?} does not admit the load test"))?;
        let Reply::Resolve(mut keys) = reply.decode()? else { bail!(UNEXPECTED) };
        let Some(Ok(key)) = keys.next() else {
            bail!("key store {store:?} has no key {name:?}: create it, or name another with --key")
        };
        match Algorithm::from_id(key.algorithm) {
            Some(found) if found == algorithm => Ok(key),
            Some(found) => {
                bail!("key {name:?} is one of {found}, and {algorithm} is to be measured: name another with --key")
            }
            None => bail!("key {name:?} has algorithm {}, which this load test does not know", key.algorithm),
        }
    }
}

impl ReplyBody {
    /// What it says.
    ///
    /// # Errors
    /// If it is no reply to its operation.
    pub(crate) fn decode(&self) -> anyhow::Result<Reply<'_>> {
        decode(self.opcode, &self.bytes)
    }
}

/// What the body of a reply to `opcode` says.
///
/// # Errors
/// If it is no such reply.
pub(crate) fn decode(opcode: Opcode, body: &[u8]) -> anyhow::Result<Reply<'_>> {
    Reply::decode(opcode, body).with_context(|| format!("the reply to {opcode} is none"))
}

/// The results of a batch, if every item was done.
///
/// # Errors
/// With the first item that was not.
pub(crate) fn all_done<'a, R: ResultValue<'a>>(results: Results<'a, R>) -> anyhow::Result<Vec<R>> {
    results
        .enumerate()
        .map(|(index, result)| result.map_err(|status| anyhow::anyhow!("item {index} was answered with {status}")))
        .collect()
}

/// What is said of a reply to something else than what was asked.
pub(crate) const UNEXPECTED: &str = "the reply is that of another operation";
