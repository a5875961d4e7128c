//! Facts that Whoami tells. `SPEC.md` section 11.5.

/// Something that the server sees of its client. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Fact {
    /// 16 bytes: the client's IPv6 address, or its IPv4 address mapped (`::ffff:a.b.c.d`).
    Address = 1,
    /// `u16`.
    Port = 2,
    /// `u8`: [`Fact::TRANSPORT_TCP`] or [`Fact::TRANSPORT_QUIC`].
    Transport = 3,
    /// 32 bytes: SHA-256 of the client's certificate (DER).
    CertificateDigest = 4,
    /// 32 bytes: SHA-256 of the certificate's `SubjectPublicKeyInfo` (DER).
    PublicKeyDigest = 5,
    /// Text: the subject in the form of RFC 4514.
    CertificateSubject = 6,
    /// `u64`: milliseconds since 1970-01-01 00:00 UTC at which the certificate ends.
    CertificateEnd = 7,
    /// 6 bytes: the client's hardware address (EUI-48) as the server sees it.
    HardwareAddress = 8,
    /// 6 bytes: the hardware address that the client has declared in its last Hello.
    DeclaredHardwareAddress = 9,
}

impl Fact {
    /// All facts of version 1, by ascending code.
    pub const ALL: [Self; 9] = [
        Self::Address,
        Self::Port,
        Self::Transport,
        Self::CertificateDigest,
        Self::PublicKeyDigest,
        Self::CertificateSubject,
        Self::CertificateEnd,
        Self::HardwareAddress,
        Self::DeclaredHardwareAddress,
    ];

    /// Value of [`Fact::Transport`]: TLS over TCP.
    pub const TRANSPORT_TCP: u8 = 1;

    /// Value of [`Fact::Transport`]: QUIC.
    pub const TRANSPORT_QUIC: u8 = 2;

    /// The fact's code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The fact of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.code() == code)
    }

    /// The fact's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "Address",
            Self::Port => "Port",
            Self::Transport => "Transport",
            Self::CertificateDigest => "CertificateDigest",
            Self::PublicKeyDigest => "PublicKeyDigest",
            Self::CertificateSubject => "CertificateSubject",
            Self::CertificateEnd => "CertificateEnd",
            Self::HardwareAddress => "HardwareAddress",
            Self::DeclaredHardwareAddress => "DeclaredHardwareAddress",
        }
    }
}
