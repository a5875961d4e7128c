//! The data port without a transport: frames in, replies out, on the calling thread. For benchmarks and counts of what the daemon itself does; nothing is served by it.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use claviger_engine::Engine;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;
use rustls::version::TLS13;
use rustls_pki_types::PrivateKeyDer;

use super::completion::Completed;
use super::conversation::{Conversation, Stop};
use super::identity::{ClientIdentity, Transport};
use super::session::Session;
use super::workers::{Service, WorkerContext};
use super::{DataPortSettings, Times, tls};
use crate::limits::{CONNECTIONS_MAX, IDLE};
use crate::neighbours::Neighbours;
use crate::pem::Credential;

/// A session of the data port with a client on this machine that shows no certificate: what a connection runs between its reads and its writes, and nothing else of it.
pub struct DirectSession {
    session: Session,
    /// What ends on other threads: keys that are loaded, work of the compute pool.
    completed: Completed,
}

impl DirectSession {
    /// The address that the client comes from, by which key stores may let it in.
    pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A session with this engine, on which nothing has been said. It stays on this thread.
    ///
    /// # Errors
    /// If the system gives no thread to look for neighbours.
    pub fn begin(engine: Arc<Engine>) -> anyhow::Result<Self> {
        let provider = tls::provider();
        // Nobody connects, so nobody is shown a certificate.
        let tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .context("TLS 1.3 is not available")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let settings = DataPortSettings {
            workers: 1,
            connections_max: CONNECTIONS_MAX,
            idle: IDLE,
            busy_poll: Duration::ZERO,
            times: Times::default(),
            credential: Credential {
                certificate_chain: Vec::new(),
                private_key: PrivateKeyDer::Pkcs8(Vec::new().into()),
            },
        };
        let neighbours = Arc::new(Neighbours::start(Arc::clone(&engine))?);
        let service = Arc::new(Service::new(engine, provider, Arc::new(tls), neighbours, &settings));
        let shares = service.budgets.shares();
        let context = WorkerContext::new(service, 0, Arc::default());
        let identity = ClientIdentity::new(SocketAddr::new(Self::ADDRESS, 0), Transport::Tcp, Vec::new());
        let (session, completed) = Session::begin(Arc::new(identity), shares, &context);
        Ok(Self { session, completed })
    }

    /// Takes whole frames as one read of a socket would bring them, and gives the bytes of all replies to `write`, in parts that a connection would write at once. Waits for what ends
    /// on other threads. Not to be called by a task of a runtime, which may not wait, and not with a request that waits for a change of a secret, which nothing would end.
    ///
    /// # Errors
    /// If a part of a frame is left, or the session would end the connection or take nothing more from it for a while. Replies to what came before have been given then.
    pub fn exchange(&mut self, frames: &[u8], mut write: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut rest = frames;
        let stop = loop {
            let received = self.session.receive(rest);
            rest = rest.get(received.consumed..).unwrap_or_default();
            self.give(&mut write);
            match received.stop {
                Stop::Write | Stop::Yield => {}
                stop => break stop,
            }
        };
        while self.session.in_flight() > 0 {
            let first = self.completed.blocking_recv().context("the session has ended")?;
            let ready = iter::once(first).chain(iter::from_fn(|| self.completed.try_recv()));
            // Whether the turn has taken long enough: nobody else waits.
            let _over = self.session.complete(ready);
            self.give(&mut write);
        }
        ensure!(rest.is_empty() && matches!(stop, Stop::Need(_)), "{} bytes were not taken: {stop:?}", rest.len());
        Ok(())
    }

    fn give(&mut self, write: &mut impl FnMut(&[u8])) {
        let output = self.session.output();
        if !output.is_empty() {
            write(output.as_bytes());
            output.clear();
        }
    }
}
