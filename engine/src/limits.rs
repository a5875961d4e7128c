//! Every bound of the engine, with unit and reason. The wire announces the same values in its greeting.

/// Most plaintext of one item, in bytes. Larger data is cut into records by the client.
pub const PLAINTEXT_SIZE_MAX: usize = 32_768;

/// Most encryption context of one item, in bytes. It is authenticated with every item, so it costs as much as plaintext.
pub const CONTEXT_SIZE_MAX: usize = 4_096;

/// Most bytes of one message that is signed, verified or given to a MAC. Longer ones are hashed by the caller.
pub const MESSAGE_SIZE_MAX: usize = 32_768;

/// Most bytes of one secret (confidential value): a secret fits wherever a plaintext fits.
pub const SECRET_SIZE_MAX: usize = PLAINTEXT_SIZE_MAX;

/// Most bytes of a PKCS#8 private key. RSA-4096, the largest kind, takes about 2,400.
pub const PKCS8_SIZE_MAX: usize = 4_096;

/// Most bytes that one wrap protects: the largest key material there is.
pub const WRAP_SIZE_MAX: usize = SECRET_SIZE_MAX;

/// Most items of one sealing burst, which share the first 12 bytes of their nonce.
pub const BURST_ITEMS_MAX: usize = 65_536;

/// Most plaintext of one sealing burst, in bytes.
///
/// Far below what one AES-256-GCM key may seal (NIST SP 800-38D), and above what one read of a socket can bring.
pub const BURST_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Derived keys that one symmetric key remembers for opening. Each takes about 100 bytes, and only while in use.
pub const OPEN_CACHE_SLOTS: usize = 4;

const _: () = assert!(PKCS8_SIZE_MAX <= WRAP_SIZE_MAX);
const _: () = assert!(PLAINTEXT_SIZE_MAX < BURST_SIZE_MAX);

// Storage.

/// Most bytes of the key of an address. LMDB takes 511.
pub const ADDRESS_SIZE_MAX: usize = 511;

/// Most bytes of one stored value: the largest wrapped secret several times over, so that records have room to grow.
pub const VALUE_SIZE_MAX: usize = 128 * 1024;

/// Most compares and writes of one transaction together. Bounds what one caller can make the others wait for.
pub const TRANSACTION_OPERATIONS_MAX: usize = 4_096;

/// Most bytes of keys and values that one transaction writes.
pub const TRANSACTION_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Most values of one page of a scan: a page holds up the growth of the storage, so it must be over soon.
pub const SCAN_PAGE_COUNT_MAX: usize = 4_096;

/// Bytes of keys and values at which a page of a scan ends; it exceeds this by less than one value.
pub const SCAN_PAGE_SIZE: usize = 4 * 1024 * 1024;

/// Bytes of recent changes that a storage retains for its watches: some 100,000 changes of one address.
pub const WATCH_LOG_SIZE: usize = 16 * 1024 * 1024;
