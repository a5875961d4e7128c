//! The operations and their codes. `SPEC.md` section 11.1.

use std::fmt;

use claviger_algorithm::Operation;

/// An operation of the data port. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Greeting: versions and limits. Section 3.
    Hello = 0x01,
    /// The same bytes back. Section 5.2.
    Ping = 0x02,
    /// What the server sees of the client. Section 5.3.
    Whoami = 0x03,
    /// Names to ids. Section 5.4.
    Resolve = 0x04,
    /// A key's state and versions. Section 5.5.
    DescribeKey = 0x05,
    /// Section 5.6.
    Encrypt = 0x10,
    /// Section 5.7.
    Decrypt = 0x11,
    /// Section 5.8.
    Reencrypt = 0x12,
    /// Section 5.9.
    GenerateDataKey = 0x18,
    /// Section 5.10.
    WrapDataKey = 0x19,
    /// Section 5.11.
    UnwrapDataKey = 0x1A,
    /// Section 5.12.
    Sign = 0x20,
    /// Section 5.13.
    Verify = 0x21,
    /// Section 5.19.
    AsymmetricDecrypt = 0x22,
    /// Section 5.14.
    MakeMac = 0x28,
    /// Section 5.15.
    VerifyMac = 0x29,
    /// Section 5.16.
    ReadSecret = 0x30,
    /// Section 5.17.
    ReadPublicKey = 0x31,
    /// Section 5.20.
    WaitForSecret = 0x32,
    /// Section 5.18.
    RandomBytes = 0x38,
}

impl Opcode {
    /// All operations of version 1, by ascending code.
    pub const ALL: [Self; 20] = [
        Self::Hello,
        Self::Ping,
        Self::Whoami,
        Self::Resolve,
        Self::DescribeKey,
        Self::Encrypt,
        Self::Decrypt,
        Self::Reencrypt,
        Self::GenerateDataKey,
        Self::WrapDataKey,
        Self::UnwrapDataKey,
        Self::Sign,
        Self::Verify,
        Self::AsymmetricDecrypt,
        Self::MakeMac,
        Self::VerifyMac,
        Self::ReadSecret,
        Self::ReadPublicKey,
        Self::WaitForSecret,
        Self::RandomBytes,
    ];

    /// The operation's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The operation of this code, or nothing if version 1 has none.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Hello,
            0x02 => Self::Ping,
            0x03 => Self::Whoami,
            0x04 => Self::Resolve,
            0x05 => Self::DescribeKey,
            0x10 => Self::Encrypt,
            0x11 => Self::Decrypt,
            0x12 => Self::Reencrypt,
            0x18 => Self::GenerateDataKey,
            0x19 => Self::WrapDataKey,
            0x1A => Self::UnwrapDataKey,
            0x20 => Self::Sign,
            0x21 => Self::Verify,
            0x22 => Self::AsymmetricDecrypt,
            0x28 => Self::MakeMac,
            0x29 => Self::VerifyMac,
            0x30 => Self::ReadSecret,
            0x31 => Self::ReadPublicKey,
            0x32 => Self::WaitForSecret,
            0x38 => Self::RandomBytes,
            _ => return None,
        })
    }

    /// What a key must be able to do for this; `None` for what no key is asked, or every one does.
    #[must_use]
    pub const fn needs(self) -> Option<Operation> {
        match self {
            Self::Encrypt | Self::Reencrypt => Some(Operation::Encrypt),
            Self::Decrypt => Some(Operation::Decrypt),
            Self::GenerateDataKey | Self::WrapDataKey => Some(Operation::WrapDataKey),
            Self::UnwrapDataKey => Some(Operation::UnwrapDataKey),
            Self::Sign => Some(Operation::Sign),
            Self::Verify => Some(Operation::Verify),
            Self::AsymmetricDecrypt => Some(Operation::AsymmetricDecrypt),
            Self::MakeMac => Some(Operation::MakeMac),
            Self::VerifyMac => Some(Operation::VerifyMac),
            Self::ReadSecret | Self::WaitForSecret => Some(Operation::ReadSecret),
            Self::ReadPublicKey => Some(Operation::ReadPublicKey),
            Self::Hello | Self::Ping | Self::Whoami | Self::Resolve | Self::DescribeKey | Self::RandomBytes => None,
        }
    }

    /// The operation's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::Ping => "Ping",
            Self::Whoami => "Whoami",
            Self::Resolve => "Resolve",
            Self::DescribeKey => "DescribeKey",
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::Reencrypt => "Reencrypt",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::WrapDataKey => "WrapDataKey",
            Self::UnwrapDataKey => "UnwrapDataKey",
            Self::Sign => "Sign",
            Self::Verify => "Verify",
            Self::AsymmetricDecrypt => "AsymmetricDecrypt",
            Self::MakeMac => "MakeMac",
            Self::VerifyMac => "VerifyMac",
            Self::ReadSecret => "ReadSecret",
            Self::ReadPublicKey => "ReadPublicKey",
            Self::WaitForSecret => "WaitForSecret",
            Self::RandomBytes => "RandomBytes",
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_operation_and_all_others_to_none() {
        for code in 0..=u8::MAX {
            let listed = Opcode::ALL.into_iter().find(|opcode| opcode.code() == code);
            assert_eq!(Opcode::from_code(code), listed, "code {code:#04x}");
        }
    }
}
