//! TLS on a TCP stream, read and written in large pieces.
//!
//! `records` what rustls makes of bytes. What rustls does, it does unaided: there is no record layer here.
//! Plaintext is wiped where it is ours; rustls copies each record that it decrypts once, and frees that copy as it is.

mod records;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use zeroize::Zeroizing;

use self::records::Records;
use super::scratch::Scratch;
use crate::limits::{HANDSHAKE_READ_SIZE, RECORD_SIZE_MAX, SOCKET_READ_SIZE, UNREAD_SIZE_MAX, WRITE_SIZE};

/// The server's side of TLS on `T`.
pub(super) struct TlsStream<T> {
    transport: T,
    records: Records,
    scratch: Scratch,
    /// Records that the transport has not taken yet, from `unsent_start` on.
    unsent: Vec<u8>,
    unsent_start: usize,
    /// Nothing more is said.
    closed: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    /// Shakes hands.
    ///
    /// # Errors
    /// If the client breaks TLS or goes away. It has been told what is wrong, as far as it listens.
    pub(super) async fn accept(transport: T, config: Arc<ServerConfig>, scratch: Scratch) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Self {
            transport,
            records: Records::new(connection),
            scratch,
            unsent: Vec::new(),
            unsent_start: 0,
            closed: false,
        };
        let mut incoming = Zeroizing::new(Vec::new());
        while stream.records.state().is_handshaking() {
            incoming.clear();
            incoming.extend_from_slice(stream.records.unread());
            if incoming.len() > UNREAD_SIZE_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            incoming.reserve(HANDSHAKE_READ_SIZE);
            if stream.transport.read_buf(&mut *incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let received = stream.records.receive(&mut incoming, &mut ReadBuf::new(&mut []));
            // Also what is wrong, if something is.
            stream.flush().await?;
            received?;
        }
        Ok(stream)
    }

    /// What is known of the connection and its peer.
    pub(super) fn state(&self) -> &CommonState {
        self.records.state()
    }

    /// Has the transport take what it has not taken yet.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unsent.append(&mut self.records.take_own_output());
        while let Some(unsent @ [_, ..]) = self.unsent.get(self.unsent_start..) {
            let size = ready!(Pin::new(&mut self.transport).poll_write(context, unsent))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent_start += size;
        }
        (self.unsent, self.unsent_start) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// One read of the transport, decrypted. Nothing in `out` means that no record was whole, or that nothing more comes.
    fn poll_records(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let unread = self.records.unread();
        if unread.len() > UNREAD_SIZE_MAX {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        // No more than there is room for, and a record: what waits, waits in the kernel, whose buffers are bounded.
        let wanted = out.remaining().min(SOCKET_READ_SIZE - RECORD_SIZE_MAX) + RECORD_SIZE_MAX;
        let mut scratch = self.scratch.borrow();
        let mut incoming = ReadBuf::new(scratch.incoming(unread.len() + wanted));
        incoming.put_slice(unread);
        if !self.records.stopped() {
            ready!(Pin::new(&mut self.transport).poll_read(context, &mut incoming))?;
            if incoming.filled().len() == unread.len() {
                // Whoever ends without saying so, or somebody between, may have cut something off.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Poll::Ready(self.records.receive(incoming.filled_mut(), out))
    }
}

impl<T> Drop for TlsStream<T> {
    fn drop(&mut self) {
        self.scratch.wipe();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        // Whoever does not take what TLS has to say is not read from: else there would be more of it, without bound.
        ready!(stream.poll_send(context))?;
        let before = out.filled().len();
        stream.records.give_plaintext(out);
        while out.filled().len() == before && out.remaining() > 0 && !stream.records.closed_by_peer() {
            let received = ready!(stream.poll_records(context, out));
            // What TLS has to say, of a fault as well. What is not taken now goes out with the next read or write.
            if let Poll::Ready(Err(error)) = stream.poll_send(context) {
                return Poll::Ready(Err(received.err().unwrap_or(error)));
            }
            received?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, plaintext: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(context))?;
        let part = plaintext.get(..WRITE_SIZE).unwrap_or(plaintext);
        let mut scratch = stream.scratch.borrow();
        let outgoing = &mut scratch.outgoing;
        let size = match stream.records.encrypt(part, outgoing) {
            Ok(size) => size,
            Err(error) => {
                drop(scratch);
                // What TLS has to say of it, as far as the transport takes it now.
                let _ = stream.poll_send(context)?;
                return Poll::Ready(Err(error));
            }
        };
        let mut left = outgoing.get(..size).unwrap_or_default();
        // What TLS has to say goes before: mostly nothing.
        stream.unsent.append(&mut stream.records.take_own_output());
        while stream.unsent.is_empty() && !left.is_empty() {
            match Pin::new(&mut stream.transport).poll_write(context, left)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(size) => left = left.get(size..).unwrap_or_default(),
                // Encrypted is as good as sent: it cannot be encrypted again.
                Poll::Pending => break,
            }
        }
        stream.unsent.extend_from_slice(left);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(context))?;
        Pin::new(&mut stream.transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.closed {
            stream.closed = true;
            stream.records.close()?;
        }
        ready!(stream.poll_send(context))?;
        Pin::new(&mut stream.transport).poll_shutdown(context)
    }
}
