//! Why bytes are no message, and why a message does not fit a frame.

use crate::status::Status;

/// The body of a frame is not a message. It carries no detail: the sender knows what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field beyond the end of the body, bytes left over, an `item_count` of 0, or a form that is not known.
    #[error("the body does not have the form that its operation asks for")]
    Malformed,
    /// `item_count` is above [`crate::limits::BATCH_ITEMS_MAX`].
    #[error("the batch has more items than a frame may carry")]
    TooManyItems,
}

impl DecodeError {
    /// The status with which a server answers such a body.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Malformed => Status::Malformed,
            Self::TooManyItems => Status::TooManyItems,
        }
    }
}

/// A message cannot be encoded. Nothing of it is left in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The frame would be larger than [`crate::limits::FRAME_SIZE_MAX`].
    #[error("the message is larger than a frame may be: send fewer or smaller items")]
    FrameTooLarge,
    /// A field is longer than its size field can say.
    #[error("a field is longer than its size field can say")]
    FieldTooLarge,
    /// The number of items is 0 or above [`crate::limits::BATCH_ITEMS_MAX`].
    #[error("a batch has 1 to 1,024 items")]
    ItemCount,
}
