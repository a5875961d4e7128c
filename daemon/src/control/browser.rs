//! What keeps a web page of somebody else from using an administrator's browser, which would show his certificate by itself.
//!
//! Changing requests carry a header and a media type that no page can send to a foreign site without asking first, and there is no route that would
//! give leave. Beyond that, a browser's own word on where a request comes from is believed where it is given.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Context;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Uri};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::problem::{Kind, Problem};

/// The header that every changing request must have, with any value.
pub const REQUEST_HEADER: HeaderName = HeaderName::from_static("claviger-request");

/// The names that this control port answers to: those of its certificate.
#[derive(Debug)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// The subject alternative names of the first certificate.
    ///
    /// # Errors
    /// If it cannot be read, or names nothing.
    pub fn of(chain: &[CertificateDer<'_>]) -> anyhow::Result<Self> {
        let unreadable = "[control] certificate cannot be read";
        let (_, certificate) = X509Certificate::from_der(chain.first().context(unreadable)?).context(unreadable)?;
        let names = certificate.subject_alternative_name().context(unreadable)?;
        let names = names.context(
            "[control] certificate has no subject alternative names: issue one with the names that clients use",
        )?;
        let names = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        });
        Ok(Self(names.collect()))
    }

    fn answers_to(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        let host = host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string());
        let wildcard = || host.split_once('.').is_some_and(|(_, parent)| self.0.contains(&format!("*.{parent}")));
        self.0.contains(&host) || wildcard()
    }
}

/// Refuses requests that a browser says come from elsewhere, or that are meant for another host.
///
/// # Errors
/// The problem to answer.
pub fn check_site(uri: &Uri, headers: &HeaderMap, hosts: &Hosts) -> Result<(), Problem> {
    // HTTP/2 names the host in the request's URI (RFC 9113 section 8.3.1), HTTP/1.1 in a header.
    let host = match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => one(headers, &HOST)?.and_then(|host| host.as_bytes().try_into().ok()),
    };
    let Some(host) = host.filter(|host| hosts.answers_to(host)) else {
        let detail = "the host of the request is not a name of this control port: use one that is in its certificate";
        return Err(Problem::new(Kind::CrossSite, detail));
    };
    let own = format!("https://{host}");
    if one(headers, &ORIGIN)?.is_some_and(|origin| origin.as_bytes() != own.as_bytes()) {
        return Err(Problem::new(Kind::CrossSite, "requests of foreign origin are refused"));
    }
    match one(headers, &FETCH_SITE)?.map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Problem::new(Kind::CrossSite, "requests from other sites are refused")),
    }
}

/// Refuses changing requests without the marks that a page of somebody else cannot set.
///
/// # Errors
/// The problem to answer.
pub fn check_change(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(REQUEST_HEADER) {
        let detail = "changing requests need the header `Claviger-Request: 1`";
        return Err(Problem::new(Kind::HeaderMissing, detail));
    }
    let media_type = one(headers, &CONTENT_TYPE)?.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    let utf8 = ["", "charset=utf-8"].contains(&parameters.trim().to_ascii_lowercase().as_str());
    if essence.trim().eq_ignore_ascii_case("application/json") && utf8 {
        Ok(())
    } else {
        Err(Problem::new(Kind::MediaType, "send the body as `Content-Type: application/json`"))
    }
}

/// The one value of a header; several would be read differently by different readers.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Problem::new(Kind::Malformed, format!("the header {name} is there more than once"))),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts(["localhost", "127.0.0.1", "::1", "*.example.org"].map(str::to_owned).into())
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn kind<T>(result: Result<T, Problem>) -> Option<Kind> {
        result.err().map(|problem| problem.kind())
    }

    // R-O1
    #[test]
    fn requests_for_the_names_of_the_certificate_pass() {
        let uri = Uri::from_static("/v1/health");
        for host in ["localhost:7701", "LOCALHOST", "127.0.0.1:7701", "[::1]:7701", "[0:0::1]:7701", "kms.example.org"]
        {
            assert_eq!(kind(check_site(&uri, &headers(&[("host", host)]), &hosts())), None, "{host}");
        }
        let http2 = Uri::from_static("https://localhost:7701/v1/health");
        assert_eq!(kind(check_site(&http2, &headers(&[]), &hosts())), None);
        for own in [("origin", "https://localhost:7701"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
        {
            assert_eq!(kind(check_site(&uri, &headers(&[("host", "localhost:7701"), own]), &hosts())), None, "{own:?}");
        }
    }

    // R-O1
    #[test]
    fn foreign_hosts_origins_and_sites_are_refused() {
        let uri = Uri::from_static("/v1/health");
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.2",
            "example.org",
            "a.b.example.org",
            "",
            "localhost@evil.example",
            "[::2]",
        ] {
            assert_eq!(kind(check_site(&uri, &headers(&[("host", host)]), &hosts())), Some(Kind::CrossSite), "{host}");
        }
        assert_eq!(kind(check_site(&uri, &headers(&[]), &hosts())), Some(Kind::CrossSite));
        let http2 = Uri::from_static("https://evil.example/v1/health");
        let named = headers(&[("host", "localhost")]);
        assert_eq!(kind(check_site(&http2, &named, &hosts())), Some(Kind::CrossSite));
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:7701"),
            ("origin", "https://localhost:7702"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
        ] {
            let headers = headers(&[("host", "localhost:7701"), foreign]);
            assert_eq!(kind(check_site(&uri, &headers, &hosts())), Some(Kind::CrossSite), "{foreign:?}");
        }
        for twice in ["host", "origin", "sec-fetch-site"] {
            let mut headers = headers(&[("host", "localhost")]);
            headers.append(HeaderName::from_static(twice), HeaderValue::from_static("localhost"));
            headers.append(HeaderName::from_static(twice), HeaderValue::from_static("localhost"));
            assert_eq!(kind(check_site(&uri, &headers, &hosts())), Some(Kind::Malformed), "{twice}");
        }
    }

    // R-O1
    #[test]
    fn changes_need_their_header_and_media_type() {
        for media_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
        ] {
            let headers = headers(&[("claviger-request", "1"), ("content-type", media_type)]);
            assert_eq!(kind(check_change(&headers)), None, "{media_type}");
        }
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json; charset=latin1",
            "",
        ] {
            let headers = headers(&[("claviger-request", "1"), ("content-type", media_type)]);
            assert_eq!(kind(check_change(&headers)), Some(Kind::MediaType), "{media_type}");
        }
        assert_eq!(kind(check_change(&headers(&[("claviger-request", "1")]))), Some(Kind::MediaType));
        let unmarked = headers(&[("content-type", "application/json")]);
        assert_eq!(kind(check_change(&unmarked)), Some(Kind::HeaderMissing));
    }
}
