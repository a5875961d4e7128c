//! What only a storage in a folder can do, and what it refuses.
