//! The data port with the engine taken out: the yardstick for what a transport costs by itself. The same TLS, the same loop, the same frames; each comes back as it is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::message::{HelloReply, LimitValue};
use claviger_protocol::{Limit, Opcode, OutputBuffer, Request, RequestHeader, Status};
use quinn::{Connection, Endpoint};
use rustls::ServerConfig;
use tokio::io::join;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use super::busy_poll::BusyPoll;
use super::completion::{Completed, Completions};
use super::connection::{self, Conditions};
use super::conversation::{Conversation, Received, Stop};
use super::room::Budgets;
use super::scratch::Scratch;
use super::tls;
use super::tls_stream::TlsStream;
use super::{PreparedTls, Times};
use crate::config::Config;
use crate::limits::OUTPUT_SIZE;
use crate::pem::Credential;
use crate::run::bind_pair;

/// Serves both transports on this thread, with the data port's address and certificate of `config`, until the process ends. To be called inside a
/// [`tokio::task::LocalSet`].
///
/// # Errors
/// If the address is taken, or certificate and key do not belong together, with the remedy.
pub async fn serve(config: &Config) -> anyhow::Result<()> {
    let credential = Credential::read(&config.tls.certificate, &config.tls.key).context("[tls]")?;
    let prepared = PreparedTls::new(&credential, IDLE, &tls::provider())?;
    let (tcp, udp) = bind_pair(config.data.address)?;
    let address = tcp.local_addr().context("the TCP socket cannot be used")?;
    tcp.set_nonblocking(true).context("the TCP socket cannot be used")?;
    let listener = tokio::net::TcpListener::from_std(tcp).context("the TCP socket cannot be used")?;
    let runtime = quinn::default_runtime().context("an echo needs a tokio runtime")?;
    let endpoint =
        Endpoint::new(tls::endpoint()?, Some(prepared.quic), udp, runtime).context("the UDP socket cannot be used")?;
    tracing::info!(data = %address, control = "", "started");
    let server = Server {
        budgets: Arc::new(Budgets::new()),
        scratch: Scratch::default(),
        busy_poll: BusyPoll::default(),
        never: CancellationToken::new(),
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("a connection could not be accepted")?;
                stream.set_nodelay(true).context("a connection could not be set up")?;
                spawn_local(server.clone().serve_tcp(stream, Arc::clone(&prepared.tcp)));
            }
            Some(incoming) = endpoint.accept() => {
                let server = server.clone();
                spawn_local(async move {
                    if let Ok(connection) = incoming.await {
                        server.serve_quic(connection).await;
                    }
                });
            }
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Server {
    budgets: Arc<Budgets>,
    scratch: Scratch,
    /// Nothing: it sleeps whenever it may.
    busy_poll: BusyPoll,
    /// There is no drain: it ends with the process.
    never: CancellationToken,
}

impl Server {
    async fn serve_tcp(self, stream: tokio::net::TcpStream, config: Arc<ServerConfig>) {
        // Whoever fails is gone: there is nobody to be told.
        if let Ok(mut stream) = TlsStream::accept(stream, config, self.scratch.clone()).await {
            let room = self.budgets.shares().received;
            let _ = connection::serve(&mut stream, Echo::begin(), room, &self.conditions()).await;
        }
    }

    async fn serve_quic(self, connection: Connection) {
        while let Ok((send, receive)) = connection.accept_bi().await {
            let server = self.clone();
            spawn_local(async move {
                let room = server.budgets.shares().received;
                let _ = connection::serve(&mut join(receive, send), Echo::begin(), room, &server.conditions()).await;
            });
        }
    }

    fn conditions(&self) -> Conditions<'_> {
        Conditions {
            drain: &self.never,
            idle: IDLE,
            times: Times::default(),
            scratch: &self.scratch,
            busy_poll: &self.busy_poll,
        }
    }
}

/// A conversation in which every request but Hello comes back with status Ok.
pub(super) struct Echo {
    output: OutputBuffer,
    greeted: bool,
}

impl Echo {
    /// A conversation in which nothing ever ends elsewhere.
    fn begin() -> (Self, Completed) {
        let (_nobody, nothing) = Completions::channel();
        (Self { output: OutputBuffer::new(), greeted: false }, nothing)
    }

    fn answer(&mut self, header: &RequestHeader, body: &[u8]) {
        let written = match header.operation(self.greeted) {
            Ok(Opcode::Hello) => match Request::decode(Opcode::Hello, body) {
                Ok(Request::Hello(hello)) => self.greet(header, hello.version()),
                _ => Err(Status::Malformed),
            },
            Ok(_) => {
                let mut frame = self.output.reply(header);
                frame.bytes(body);
                frame.finish().map_err(|_| Status::InternalError)
            }
            Err(status) => Err(status),
        };
        if let Err(status) = written {
            self.output.status_reply(header, status, 0);
        }
    }

    fn greet(&mut self, header: &RequestHeader, version: Result<u8, Status>) -> Result<(), Status> {
        self.greeted = true;
        let limits = Limit::ALL.map(|limit| LimitValue { limit: limit.code(), value: limit.default_value() });
        let reply = HelloReply { version: version?, limits };
        self.output.reply_with(header, reply).map_err(|_| Status::InternalError)
    }
}

impl Conversation for Echo {
    fn receive(&mut self, bytes: &[u8]) -> Received {
        let mut consumed = 0;
        let stop = loop {
            if self.output.len() >= OUTPUT_SIZE {
                break Stop::Write;
            }
            match deframer::request(bytes.get(consumed..).unwrap_or_default()) {
                Step::Need(size) => break Stop::Need(size),
                Step::Fault(_) => break Stop::End,
                Step::Frame(frame) => {
                    consumed += frame.size;
                    self.answer(&frame.header, frame.body);
                }
            }
        };
        Received { consumed, stop }
    }

    fn output(&mut self) -> &mut OutputBuffer {
        &mut self.output
    }

    fn greeted(&self) -> bool {
        self.greeted
    }

    fn drain(&mut self) {}
}

/// How long a byte stream may rest: longer than any measurement.
const IDLE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use claviger_protocol::message::{Hello, HelloOption};

    use super::*;

    fn frame(opcode: Opcode, body: &[u8]) -> Vec<u8> {
        let mut output = OutputBuffer::new();
        let mut frame = output.begin_request(&RequestHeader { opcode: opcode.code(), ..RequestHeader::new(7) });
        frame.bytes(body);
        frame.finish().unwrap();
        output.as_bytes().to_vec()
    }

    fn status_and_body(reply: &[u8]) -> (Status, Vec<u8>) {
        let Step::Frame(frame) = deframer::reply(reply) else { panic!("no frame") };
        (frame.header.status, frame.body.to_vec())
    }

    // R-O5
    #[test]
    fn everything_but_hello_comes_back_as_it_is_and_nothing_before_hello() {
        let (mut echo, _nothing) = Echo::begin();
        let encrypt = frame(Opcode::Encrypt, b"whatever it is");
        echo.receive(&encrypt);
        assert_eq!(status_and_body(echo.output().as_bytes()), (Status::HelloRequired, vec![]));
        echo.output().clear();

        let mut hello = OutputBuffer::new();
        let no_options = [] as [HelloOption<'_>; 0];
        hello.request(RequestHeader::new(1), Hello { version_min: 1, version_max: 1, options: no_options }).unwrap();
        assert_eq!(echo.receive(hello.as_bytes()).consumed, hello.len());
        assert_eq!(status_and_body(echo.output().as_bytes()).0, Status::Ok);
        echo.output().clear();

        let received = echo.receive(&[&encrypt[..], &encrypt[..10]].concat());
        assert_eq!(received.consumed, encrypt.len());
        assert_eq!(status_and_body(echo.output().as_bytes()), (Status::Ok, b"whatever it is".to_vec()));
        assert!(matches!(received.stop, Stop::Need(1..)));
        assert_eq!(echo.receive(&[0; 64]).stop, Stop::End);
    }
}
