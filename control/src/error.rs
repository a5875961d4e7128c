//! Why a request of the control port has no answer.

use std::io;

use rustls::AlertDescription;

use crate::message::{Approval, Problem};

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The address is not `HOST:PORT`.
    #[error("{0:?} is not an address: write HOST:PORT")]
    Address(String),
    /// Certificate, private key or authority cannot be used.
    #[error("certificate, private key or authority for the control port cannot be used: {0}")]
    Credentials(rustls::Error),
    /// Nobody answers at the address.
    #[error("cannot connect to the control port at {address}: {error}; is clavigerd running there?")]
    Connect {
        /// Where.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The server is not the one that the authority vouches for.
    #[error("the server at {address} did not prove who it is: {error}; check the address and the server's authority")]
    Server {
        /// Where.
        address: String,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// The server does not take the client's certificate.
    #[error(
        "the control port at {address} refused the client certificate ({alert:?}): use one of an administrator, or of a person who is known there (`claviger person`)"
    )]
    ClientCertificate {
        /// Where.
        address: String,
        /// What the server said.
        alert: AlertDescription,
    },
    /// No answer in time.
    #[error(
        "the control port at {0} did not answer in time; a change may have been made all the same, so look before repeating it"
    )]
    Time(String),
    /// The connection broke.
    #[error(
        "the connection to the control port at {address} broke: {error}; a change may have been made all the same, so look before repeating it"
    )]
    Broken {
        /// Where.
        address: String,
        /// What happened.
        error: String,
    },
    /// What came back is no answer of a control port of this version.
    #[error("the answer of {address} is not that of a control port of this version ({what}): check the address")]
    Answer {
        /// Where.
        address: String,
        /// What is wrong with it.
        what: String,
    },
    /// It was not done, but asked for.
    #[error(
        "not done yet: it needs the approval of {} (request {}; see `claviger approval show`)", .0.quorum, .0.id
    )]
    NeedsApproval(Box<Approval>),
    /// The server refused the request and says why.
    #[error("{} ({}, trace {})", .0.detail, .0.title, .0.trace_id)]
    Refused(Box<Problem>),
}
