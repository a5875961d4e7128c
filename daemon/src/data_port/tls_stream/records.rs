//! What rustls makes of bytes that have come, and of bytes that are to be sent.
//!
//! This is the one place that knows rustls' unbuffered interface. It decrypts records where the socket has put them, however many one read has brought; the buffered
//! interface takes them up in steps of 4 KiB, through a buffer of its own.

use std::io;
use std::mem;

use rustls::CommonState;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, WriteTraffic};
use tokio::io::ReadBuf;
use zeroize::Zeroizing;

/// TLS of one connection.
pub(super) struct Records {
    connection: UnbufferedServerConnection,
    /// What has come and is not decrypted: mostly the beginning of a record.
    unread: Vec<u8>,
    /// There may be whole records in it, for whose plaintext there was no room.
    stopped: bool,
    /// What was decrypted before there was room for it, from `plaintext_start` on.
    plaintext: Zeroizing<Vec<u8>>,
    plaintext_start: usize,
    own: Own,
}

/// What TLS does by itself.
#[derive(Default)]
struct Own {
    /// To be sent before anything else: handshake, tickets, new keys, alerts.
    output: Vec<u8>,
    /// The peer has closed its direction, and said so.
    closed_by_peer: bool,
}

impl Records {
    pub(super) fn new(connection: UnbufferedServerConnection) -> Self {
        let plaintext = Zeroizing::new(Vec::new());
        Self { connection, unread: Vec::new(), stopped: false, plaintext, plaintext_start: 0, own: Own::default() }
    }

    /// What is known of the connection and its peer.
    pub(super) fn state(&self) -> &CommonState {
        &self.connection
    }

    /// Whether the peer has closed its direction: nothing more comes.
    pub(super) const fn closed_by_peer(&self) -> bool {
        self.own.closed_by_peer
    }

    /// What has come and is not decrypted. It belongs in front of what comes next.
    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Whether what is unread is to be received again before anything else comes: it has not been looked at to its end.
    pub(super) const fn stopped(&self) -> bool {
        self.stopped
    }

    /// Takes out what is to be sent before anything else.
    pub(super) fn take_own_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.own.output)
    }

    /// Gives out plaintext for which there was no room before.
    pub(super) fn give_plaintext(&mut self, out: &mut ReadBuf<'_>) {
        let kept = self.plaintext.get(self.plaintext_start..).unwrap_or_default();
        self.plaintext_start += put(out, kept).0;
        if self.plaintext_start == self.plaintext.len() {
            (self.plaintext, self.plaintext_start) = (Zeroizing::new(Vec::new()), 0);
        }
    }

    /// Takes up `incoming`, which begins with what was unread, and gives its plaintext out, as far as there is room.
    ///
    /// # Errors
    /// If the peer breaks TLS. What is to be told to it is among the own output.
    pub(super) fn receive(&mut self, incoming: &mut [u8], out: &mut ReadBuf<'_>) -> io::Result<()> {
        let (kept, stopped) = (&mut self.plaintext, &mut self.stopped);
        *stopped = false;
        let (done, result) = decrypt(&mut self.connection, &mut self.own, incoming, |payload| {
            let (_, left) = put(out, payload);
            keep(kept, left);
            *stopped = out.remaining() == 0;
            !*stopped
        });
        // No larger than it is: a connection that rests keeps nothing.
        self.unread = incoming.get(done..).unwrap_or_default().to_vec();
        result
    }

    /// Bytes of memory that it holds itself.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.unread.capacity() + self.plaintext.capacity() + self.own.output.capacity()
    }

    /// Encrypts all of `plaintext` to the front of `out`, which grows as is needed, and says how many bytes there are. The own output is to be sent before.
    ///
    /// # Errors
    /// If TLS cannot send.
    pub(super) fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let mut traffic = self.sending()?;
        write(out, 0, |room| traffic.encrypt(plaintext, room).map_err(Unwritten::from))
    }

    /// Says among the own output that nothing more will be sent.
    ///
    /// # Errors
    /// If TLS cannot send.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let mut notice = Vec::new();
        let mut traffic = self.sending()?;
        append(&mut notice, |room| traffic.queue_close_notify(room).map_err(Unwritten::from))?;
        self.own.output.append(&mut notice);
        Ok(())
    }

    /// The state in which rustls sends: what it wants to say before is taken up, and so is what is unread, because rustls looks at that too.
    fn sending(&mut self) -> io::Result<WriteTraffic<'_, ServerConnectionData>> {
        let kept = &mut self.plaintext;
        let (done, result) = decrypt(&mut self.connection, &mut self.own, &mut self.unread, |payload| {
            keep(kept, payload);
            true
        });
        self.unread.drain(..done);
        self.stopped = false;
        result?;
        match self.connection.process_tls_records(&mut self.unread).state {
            Ok(ConnectionState::WriteTraffic(traffic)) => Ok(traffic),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Takes up whole records at the front of `incoming`, until `take` wants no more; says how many bytes are done with. `take` gets the plaintext of each record.
fn decrypt(
    connection: &mut UnbufferedServerConnection,
    own: &mut Own,
    incoming: &mut [u8],
    mut take: impl FnMut(&[u8]) -> bool,
) -> (usize, io::Result<()>) {
    let mut done = 0;
    loop {
        let status = connection.process_tls_records(incoming.get_mut(done..).unwrap_or_default());
        let mut discard = status.discard;
        let goes_on = match status.state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut goes_on = true;
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    goes_on &= take(record.payload);
                }
                Ok(goes_on)
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                append(&mut own.output, |room| message.encode(room).map_err(Unwritten::from)).map(|()| true)
            }
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                // It is in the own output, which goes before everything else.
                transmit.done();
                Ok(true)
            }
            Ok(ConnectionState::PeerClosed) => {
                own.closed_by_peer = true;
                Ok(true)
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
                Ok(false)
            }
            // Early data is switched off, and whatever else there may be one day is not understood.
            Ok(_) => Err(io::ErrorKind::Unsupported.into()),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        done += discard;
        match goes_on {
            Ok(true) => {}
            Ok(false) => return (done, Ok(())),
            Err(error) => {
                gather_alert(connection, own, incoming.get_mut(done..).unwrap_or_default());
                return (done, Err(error));
            }
        }
    }
}

/// What rustls has to say of a fault, and nothing more: it would find the fault again.
fn gather_alert(connection: &mut UnbufferedServerConnection, own: &mut Own, incoming: &mut [u8]) {
    while connection.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut message)) = connection.process_tls_records(incoming).state else {
            return;
        };
        if append(&mut own.output, |room| message.encode(room).map_err(Unwritten::from)).is_err() {
            return;
        }
    }
}

/// Why nothing was written.
enum Unwritten {
    /// So many bytes are needed.
    Small(usize),
    Failed(io::Error),
}

impl From<InsufficientSizeError> for Unwritten {
    fn from(error: InsufficientSizeError) -> Self {
        Self::Small(error.required_size)
    }
}

impl From<EncodeError> for Unwritten {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(error) => error.into(),
            EncodeError::AlreadyEncoded => Self::Failed(io::Error::other(error)),
        }
    }
}

impl From<EncryptError> for Unwritten {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(error) => error.into(),
            EncryptError::EncryptExhausted => Self::Failed(io::Error::other(error)),
        }
    }
}

/// Has bytes written to `out` from `begin` on, which grows if there is too little room, and says how many.
fn write(
    out: &mut Vec<u8>,
    begin: usize,
    mut act: impl FnMut(&mut [u8]) -> Result<usize, Unwritten>,
) -> io::Result<usize> {
    loop {
        match act(out.get_mut(begin..).unwrap_or_default()) {
            Ok(size) => return Ok(size),
            Err(Unwritten::Small(size)) if begin + size > out.len() => out.resize(begin + size, 0),
            Err(Unwritten::Small(_)) => return Err(io::ErrorKind::InvalidData.into()),
            Err(Unwritten::Failed(error)) => return Err(error),
        }
    }
}

/// Appends a message to `out`.
fn append(out: &mut Vec<u8>, act: impl FnMut(&mut [u8]) -> Result<usize, Unwritten>) -> io::Result<()> {
    let begin = out.len();
    let size = write(out, begin, act)?;
    out.truncate(begin + size);
    Ok(())
}

/// Puts as much as fits; says how much that is, and what is left.
fn put<'b>(out: &mut ReadBuf<'_>, bytes: &'b [u8]) -> (usize, &'b [u8]) {
    let (fits, left) = bytes.split_at(bytes.len().min(out.remaining()));
    out.put_slice(fits);
    (fits.len(), left)
}

/// Appends plaintext; memory that is outgrown is wiped.
fn keep(kept: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let size = kept.len() + bytes.len();
    if size > kept.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(size.next_power_of_two()));
        larger.extend_from_slice(kept);
        *kept = larger;
    }
    kept.extend_from_slice(bytes);
}
