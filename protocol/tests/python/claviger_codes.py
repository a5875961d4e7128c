"""The tables of Claviger's data protocol, as they stand in protocol/SPEC.md."""

from enum import IntEnum

Opcode = IntEnum(
    "Opcode",
    {  # 11.1
        "Hello": 0x01,
        "Ping": 0x02,
        "Whoami": 0x03,
        "Resolve": 0x04,
        "DescribeKey": 0x05,
        "Encrypt": 0x10,
        "Decrypt": 0x11,
        "Reencrypt": 0x12,
        "GenerateDataKey": 0x18,
        "WrapDataKey": 0x19,
        "UnwrapDataKey": 0x1A,
        "Sign": 0x20,
        "Verify": 0x21,
        "AsymmetricDecrypt": 0x22,
        "MakeMac": 0x28,
        "VerifyMac": 0x29,
        "ReadSecret": 0x30,
        "ReadPublicKey": 0x31,
        "WaitForSecret": 0x32,
        "RandomBytes": 0x38,
    },
)
Status = IntEnum(
    "Status",
    {  # Section 6
        "Ok": 0x00,
        "Malformed": 0x01,
        "UnsupportedVersion": 0x02,
        "UnknownOpcode": 0x03,
        "ReservedNotZero": 0x04,
        "FrameTooLarge": 0x05,
        "HelloRequired": 0x06,
        "TooManyItems": 0x07,
        "NotPermitted": 0x10,
        "KeyNotFound": 0x11,
        "KeyDisabled": 0x12,
        "KeyDeletionRequested": 0x13,
        "KeyDeleted": 0x14,
        "OperationNotAllowed": 0x15,
        "KeyVersionNotFound": 0x16,
        "KeyExhausted": 0x17,
        "NoNewerVersion": 0x18,
        "DecryptionFailed": 0x20,
        "VerificationFailed": 0x21,
        "PlaintextTooLarge": 0x22,
        "ContextTooLarge": 0x23,
        "MessageTooLarge": 0x24,
        "DigestSizeWrong": 0x25,
        "SizeNotAllowed": 0x26,
        "ReplyFull": 0x27,
        "Overloaded": 0x30,
        "DeadlineExceeded": 0x31,
        "Locked": 0x32,
        "ShuttingDown": 0x33,
        "StorageUnavailable": 0x34,
        "InternalError": 0x35,
    },
)
# Section 6, column "where": statuses that an item may have; all of them but Ok and SizeNotAllowed are of items only.
EITHER_STATUSES = {Status.Ok, Status.SizeNotAllowed, Status.InternalError}
ITEM_STATUSES = EITHER_STATUSES | {Status.KeyNotFound} | {status for status in Status if 0x20 <= status <= 0x27}
FRAME_STATUSES = set(Status) - ITEM_STATUSES | EITHER_STATUSES
Kind = IntEnum("Kind", {"Secret": 1, "Symmetric": 2, "Mac": 3, "Asymmetric": 4})  # 11.2
Algorithm = IntEnum(
    "Algorithm",
    {  # 11.3
        "OPAQUE": 1,
        "XAES-256-GCM": 16,
        "AES-256-GCM": 17,
        "HMAC-SHA-256": 32,
        "HMAC-SHA-384": 33,
        "HMAC-SHA-512": 34,
        "Ed25519": 48,
        "ECDSA-P256-SHA256": 49,
        "ECDSA-P384-SHA384": 50,
        "ECDSA-P521-SHA512": 51,
        "ML-DSA-44": 56,
        "ML-DSA-65": 57,
        "ML-DSA-87": 58,
        "RSA-2048-PKCS1-SHA256": 64,
        "RSA-2048-PSS-SHA256": 65,
        "RSA-3072-PKCS1-SHA256": 66,
        "RSA-3072-PSS-SHA256": 67,
        "RSA-4096-PKCS1-SHA256": 68,
        "RSA-4096-PSS-SHA256": 69,
        "RSA-2048-OAEP-SHA256": 80,
        "RSA-3072-OAEP-SHA256": 81,
        "RSA-4096-OAEP-SHA256": 82,
    },
)
Limit = IntEnum(
    "Limit",
    {  # 11.4
        "FrameSize": 1,
        "BatchItems": 2,
        "PlaintextSize": 3,
        "ContextSize": 4,
        "MessageSize": 5,
        "DataKeySize": 6,
        "RandomSize": 7,
        "FramesInFlight": 8,
        "BytesInFlightAdvised": 9,
        "StreamsPerConnection": 10,
        "DeadlineMilliseconds": 11,
        "IdleMilliseconds": 12,
        "SecretWaitMilliseconds": 13,
    },
)
Fact = IntEnum(
    "Fact",
    {  # 11.5
        "Address": 1,
        "Port": 2,
        "Transport": 3,
        "CertificateDigest": 4,
        "PublicKeyDigest": 5,
        "CertificateSubject": 6,
        "CertificateEnd": 7,
        "HardwareAddress": 8,
        "DeclaredHardwareAddress": 9,
    },
)
HELLO_OPTION_HARDWARE_ADDRESS = 2  # Section 3.
KeyState = IntEnum("KeyState", {"Available": 1, "Disabled": 2, "DeletionRequested": 3, "Deleted": 4})  # 11.6
KeyVersionState = IntEnum("KeyVersionState", {"Current": 1, "Active": 2, "Disabled": 3, "Destroyed": 4})  # 11.7

RETRY = {  # Section 6, column "retry"; every other status is "never".
    Status.KeyNotFound: "resolve",
    Status.KeyDisabled: "later",
    Status.KeyDeletionRequested: "later",
    Status.KeyExhausted: "later",
    Status.NoNewerVersion: "now",
    Status.ReplyFull: "now",
    Status.Overloaded: "later",
    Status.DeadlineExceeded: "now",
    Status.Locked: "later",
    Status.ShuttingDown: "now",
    Status.StorageUnavailable: "later",
    Status.InternalError: "later",
}


def retry_advice(status: int) -> str:
    """When to send a refused request again. A status that is not known counts as never (section 6)."""
    return RETRY.get(status, "never")


def named(names: type[IntEnum], code: int) -> int:
    """The name of a code, or the code itself where a later version has added one."""
    return names(code) if code in names._value2member_map_ else code
