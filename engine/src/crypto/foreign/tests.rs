//! Keys that OpenSSL has made, and such that are nearly good.

use std::fs;
use std::process::Command;

use data_encoding::HEXLOWER;
use tempfile::TempDir;

use super::*;
use crate::crypto::signature::SigningKey;

/// A private key by `openssl genpkey`, as PKCS#8 DER. What `genpkey` itself writes in DER is of other forms.
fn openssl(generate: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    run(&folder, &[&["genpkey", "-out", "key.pem", "-algorithm"], generate].concat());
    run(&folder, &["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]);
    fs::read(folder.path().join("key.der")).unwrap()
}

/// `pkcs8` after `openssl` with `arguments` has made `out.der` of `in.der`.
fn converted(pkcs8: &[u8], arguments: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("in.der"), pkcs8).unwrap();
    run(&folder, arguments);
    fs::read(folder.path().join("out.der")).unwrap()
}

fn run(folder: &TempDir, arguments: &[&str]) {
    let ran = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn import(algorithm: Algorithm, bytes: &[u8]) -> Result<Vec<u8>, MaterialError> {
    KeyMaterial::import_foreign(algorithm, SecretBytes::copy_of(bytes)).map(|material| material.expose().to_vec())
}

#[track_caller]
fn refused(algorithm: Algorithm, bytes: &[u8], why: &str) {
    assert_eq!(import(algorithm, bytes), Err(MaterialError::Malformed(algorithm)), "{why}");
}

fn public_key(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(bytes)).unwrap();
    SigningKey::new(&material).unwrap().public_key_der().to_vec()
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match size {
        [0, size @ ..=0x7f] => vec![tag, size],
        [0, size] => vec![tag, 0x81, size],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [&header[..], content].concat()
}

/// PKCS#8 of these fields, and `rest` behind them.
fn pkcs8(version: u8, algorithm: &[u8], private_key: &[u8], rest: &[u8]) -> Vec<u8> {
    let fields =
        [&element(INTEGER, &[version]), &element(SEQUENCE, algorithm), &element(OCTET_STRING, private_key), rest];
    element(SEQUENCE, &fields.concat())
}

/// `old` in `bytes`, where it stands once, replaced by `new` of the same size.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    [&bytes[..places[0]], new, &bytes[places[0] + old.len()..]].concat()
}

const RSA_2048: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: Algorithm = Algorithm::Rsa2048PssSha256;
const EC: Algorithm = Algorithm::EcdsaP256Sha256;
const ED: Algorithm = Algorithm::Ed25519;

// R-K18
#[test]
fn keys_of_openssl_are_taken_and_kept_in_the_form_of_those_made_here() {
    for (algorithm, generate) in [
        (RSA, RSA_2048),
        (Algorithm::Rsa2048OaepSha256, RSA_2048),
        (EC, P256),
        (Algorithm::EcdsaP384Sha384, &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        (Algorithm::EcdsaP521Sha512, &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
        (ED, &["ED25519"]),
    ] {
        let given = openssl(generate);
        let kept = import(algorithm, &given).unwrap();
        assert_eq!(import(algorithm, &kept).as_ref(), Ok(&kept), "{algorithm}: its own form is taken as it is");
        assert_eq!(kept, given, "{algorithm}: OpenSSL writes the same form");
    }
}

// R-K18
#[test]
fn a_key_without_its_public_half_with_its_curve_twice_or_with_attributes_is_the_same_key() {
    let given = openssl(P256);
    let info = PrivateKeyInfo::read(&given).unwrap();
    let mut fields = Der::new(der::whole(info.private_key, SEQUENCE).unwrap());
    let (version, scalar) = (fields.element(INTEGER).unwrap(), fields.element(OCTET_STRING).unwrap());
    let (version, scalar) = (element(INTEGER, version), element(OCTET_STRING, scalar));
    let point = element(POINT, fields.element(POINT).unwrap());
    let curve = element(CURVE, &info.algorithm[9..]);
    let attributes = element(ATTRIBUTES, &element(SEQUENCE, &[]));
    let with = |fields: &[&[u8]], rest: &[u8]| pkcs8(0, info.algorithm, &element(SEQUENCE, &fields.concat()), rest);
    let whole = &[&version[..], &scalar, &point][..];
    for (same, what) in [
        (with(whole, &[]), "the same"),
        (with(&[&version, &scalar], &[]), "without its public half"),
        (with(&[&version, &scalar, &curve, &point], &[]), "with its curve twice"),
        (with(whole, &attributes), "with attributes"),
    ] {
        assert_eq!(import(EC, &same).as_ref(), Ok(&given), "{what}");
    }
    let other_curve = element(CURVE, &element(OBJECT_IDENTIFIER, &[0x2b, 0x81, 4, 0, 34]));
    refused(EC, &with(&[&version, &scalar, &other_curve, &point], &[]), "with two curves");
    refused(EC, &with(&[&version, &scalar, &point, &[5, 0]], &[]), "something behind the inner fields");
    refused(EC, &with(whole, &[5, 0]), "something behind the fields");
    refused(EC, &with(whole, &[&attributes[..], &attributes].concat()), "attributes twice");
    refused(EC, &[&with(whole, &[])[..], &[0]].concat(), "a byte behind the whole");
    let inner = [&element(SEQUENCE, &whole.concat())[..], &[0]].concat();
    refused(EC, &pkcs8(0, info.algorithm, &inner, &[]), "a byte behind the key");
}

// R-K18
#[test]
fn curves_that_are_described_others_and_points_off_the_curve_are_refused() {
    let given = openssl(P256);
    let explicit = openssl(&[P256, &["-pkeyopt", "ec_param_enc:explicit"]].concat());
    assert!(explicit.len() > given.len() + 100, "the curve is described");
    refused(EC, &explicit, "a curve that is described");
    for curve in ["P-384", "P-521", "secp256k1", "brainpoolP256r1"] {
        refused(EC, &openssl(&["EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")]), curve);
    }
    let point = &public_key(EC, &given)[26..];
    for (at, what) in [(1, "x"), (64, "y")] {
        let mut off_the_curve = point.to_vec();
        off_the_curve[at] ^= 1;
        refused(EC, &replaced(&given, point, &off_the_curve), what);
    }
    let other = &public_key(EC, &openssl(P256))[26..];
    refused(EC, &replaced(&given, point, other), "the public half of another key");
    let info = PrivateKeyInfo::read(&given).unwrap();
    let scalar = &info.private_key[7..39];
    // FIPS 186-5 appendix A.2.1: from 1 to the order of the group less one.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = HEXLOWER.decode(order.as_bytes()).unwrap();
    for bad in [&[0; 32][..], &order, &[0xff; 32]] {
        refused(EC, &replaced(&given, scalar, bad), "a scalar out of bounds");
    }
}

// R-K18
#[test]
fn the_public_half_that_comes_with_an_ed25519_key_must_be_its_own() {
    let given = openssl(&["ED25519"]);
    let info = PrivateKeyInfo::read(&given).unwrap();
    let half = |der: &[u8]| element(PUBLIC_KEY, &[&[0], &der[12..]].concat());
    let with = |rest: &[u8]| pkcs8(1, info.algorithm, info.private_key, rest);
    assert_eq!(import(ED, &with(&half(&public_key(ED, &given)))).as_ref(), Ok(&given));
    refused(ED, &with(&half(&public_key(ED, &openssl(&["ED25519"])))), "that of another key");
    refused(ED, &with(&[PUBLIC_KEY, 1, 0]), "an empty one");
    for size in [0, 31, 33, 64] {
        let seed = element(OCTET_STRING, &vec![7; size]);
        refused(ED, &pkcs8(0, info.algorithm, &seed, &[]), "a seed of another size");
    }
    refused(ED, &openssl(&["X25519"]), "a key for agreement");
    refused(ED, &openssl(&["ED448"]), "another curve");
}

// R-K18
#[test]
fn rsa_keys_of_another_size_exponent_or_purpose_are_refused() {
    for bits in ["1024", "2047", "2056", "3072"] {
        refused(RSA, &openssl(&["RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")]), bits);
    }
    for exponent in ["3", "17", "65539", "4294967297"] {
        let key = openssl(&[RSA_2048, &["-pkeyopt", &format!("rsa_keygen_pubexp:{exponent}")]].concat());
        refused(RSA, &key, exponent);
        refused(Algorithm::Rsa2048OaepSha256, &key, exponent);
    }
    refused(RSA, &openssl(&["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]), "an identifier of its own");
    refused(RSA, &openssl(&[RSA_2048, &["-pkeyopt", "rsa_keygen_primes:3"]].concat()), "three factors");
}

// R-K18
#[test]
fn rsa_keys_whose_numbers_do_not_fit_each_other_are_refused() {
    let given = openssl(RSA_2048);
    let info = PrivateKeyInfo::read(&given).unwrap();
    let mut fields = Der::new(der::whole(info.private_key, SEQUENCE).unwrap());
    let numbers: Vec<_> = (0..9).map(|_| fields.element(INTEGER).unwrap()).collect();
    let with = |numbers: &[&[u8]]| {
        let fields: Vec<_> = numbers.iter().flat_map(|number| element(INTEGER, number)).collect();
        pkcs8(0, info.algorithm, &element(SEQUENCE, &fields), &[])
    };
    assert_eq!(import(RSA, &with(&numbers)).as_ref(), Ok(&given));
    for (at, name) in [(1, "n"), (3, "d"), (4, "p"), (5, "q"), (6, "d mod p-1"), (7, "d mod q-1"), (8, "1/q mod p")] {
        let mut altered = numbers[at].to_vec();
        let last = altered.len() - 1;
        altered[last] ^= 2;
        let mut numbers = numbers.clone();
        numbers[at] = &altered;
        refused(RSA, &with(&numbers), name);
    }
    let other = openssl(RSA_2048);
    let other_info = PrivateKeyInfo::read(&other).unwrap();
    let mut fields = Der::new(der::whole(other_info.private_key, SEQUENCE).unwrap());
    let others: Vec<_> = (0..9).map(|_| fields.element(INTEGER).unwrap()).collect();
    refused(RSA, &with(&[&numbers[..3], &others[3..4], &numbers[4..]].concat()), "the private exponent of another key");
    refused(RSA, &with(&[&numbers[..1], &others[1..2], &numbers[2..]].concat()), "the modulus of another key");
    let stripped = [&numbers[..4], &[&[0][..]; 5]].concat();
    refused(RSA, &with(&stripped), "without its factors");
    refused(RSA, &pkcs8(0, info.algorithm, &[info.private_key, &[0]].concat(), &[]), "a byte behind the key");
    let without_null = pkcs8(0, &info.algorithm[..11], info.private_key, &[]);
    refused(RSA, &without_null, "an identifier that is not written like that");
}

// R-K18
#[test]
fn rsa_keys_whose_factors_are_no_primes_are_refused() {
    // n = p q with p = 3 p' and q = 5 q' would pass every check of sums and products that takes p and q for primes.
    let given = include_bytes!("composite_factors.der");
    assert!(RsaKeyPair::from_pkcs8(given).is_ok(), "good but for that");
    refused(RSA, given, "factors that are no primes");
}

// R-K18
#[test]
fn keys_in_other_wrappings_than_pkcs8_are_refused() {
    let given = openssl(P256);
    let sec1 = converted(&given, &["ec", "-inform", "DER", "-in", "in.der", "-outform", "DER", "-out", "out.der"]);
    refused(EC, &sec1, "SEC 1");
    let rsa = openssl(RSA_2048);
    let pkcs1 = ["rsa", "-inform", "DER", "-in", "in.der", "-traditional", "-outform", "DER", "-out", "out.der"];
    refused(RSA, &converted(&rsa, &pkcs1), "PKCS#1");
    let encrypted = [
        "pkcs8", "-topk8", "-inform", "DER", "-in", "in.der", "-passout", "pass:x", "-outform", "DER", "-out",
        "out.der",
    ];
    refused(EC, &converted(&given, &encrypted), "encrypted");
    let pem = ["pkey", "-inform", "DER", "-in", "in.der", "-out", "out.der"];
    refused(EC, &converted(&given, &pem), "PEM");
    refused(EC, &public_key(EC, &given), "a public key");
}

// R-K18
#[test]
fn one_byte_over_and_over_is_no_key() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let Some(size) = algorithm.row().key_size else { continue };
        for byte in [0, 1, 0x5a, 0xff] {
            assert_eq!(import(algorithm, &vec![byte; size]), Err(MaterialError::Weak(algorithm)), "{algorithm} {byte}");
        }
        for at in [0, size / 2, size - 1] {
            let mut nearly = vec![0; size];
            nearly[at] = 1;
            assert_eq!(import(algorithm, &nearly).as_ref(), Ok(&nearly), "{algorithm} {at}");
        }
        for size in [0, 1, 16, size - 1, size + 1] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at).unwrap()).collect();
            assert!(import(algorithm, &bytes).is_err(), "{algorithm}, {size} bytes");
        }
    }
}

// R-K2, R-K18
#[test]
fn a_secret_may_have_any_value() {
    for value in [&b""[..], b"0", &[0; 32], &[0xff; 32_768]] {
        assert_eq!(import(Algorithm::Opaque, value).as_deref(), Ok(value));
    }
    assert!(import(Algorithm::Opaque, &[7; 32_769]).is_err());
}
