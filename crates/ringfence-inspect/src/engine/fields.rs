//! Fields of a request and of an answer as the other side gets them, and texts in them.
//!
//! Not what is decided about them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::body::Watched;

/// Bytes of the request line and the fields, as HTTP/1 writes them.
pub(super) fn size(request: &Request<Incoming>) -> u64 {
    let line = request.method().as_str().len()
        + request.uri().path_and_query().map_or(1, |path| path.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + 12 + fields.sum::<usize>()) as u64
}

/// The request as the server gets it.
pub(super) fn outgoing(
    request: Request<Incoming>,
    upgrades: bool,
    watch: impl FnOnce(Incoming) -> Watched,
) -> Request<Watched> {
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers, upgrades);
    // What waits for an interim answer gets it from here, when the server takes the body.
    parts.headers.remove(header::EXPECT);
    if parts.version != Version::HTTP_2 {
        parts.version = Version::HTTP_11;
        parts.uri = parts.uri.path_and_query().map_or(Uri::from_static("/"), |target| target.clone().into());
        // Without a word, the body of a GET is taken for none.
        if !body.is_end_stream() && !parts.headers.contains_key(header::CONTENT_LENGTH) {
            parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    } else {
        let host = parts.headers.remove(header::HOST);
        if parts.uri.authority().is_none()
            && let Some(host) = host.and_then(|host| host.to_str().ok()?.parse().ok())
        {
            let mut uri = parts.uri.into_parts();
            (uri.scheme, uri.authority) = (Some(http::uri::Scheme::HTTPS), Some(host));
            parts.uri = Uri::from_parts(uri).unwrap_or_default();
        }
    }
    parts.extensions.clear();
    Request::from_parts(parts, watch(body))
}

/// Takes out the fields that are for one connection alone (RFC 9110, section 7.6.1).
pub(super) fn strip(headers: &mut HeaderMap, keeps_upgrade: bool) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !keeps_upgrade || *name != header::UPGRADE)
        // A wish to have these dropped is nobody's.
        .filter(|name| {
            *name != header::HOST && *name != header::CONTENT_LENGTH && *name != header::AUTHORIZATION
        })
        .collect();
    let takes_trailers =
        headers.get_all(header::TE).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    listed.iter().for_each(|name| drop(headers.remove(name)));
    for name in
        ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "transfer-encoding"]
    {
        headers.remove(name);
    }
    if keeps_upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(header::UPGRADE);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

pub(super) fn replaced(text: &[u8], placeholder: &[u8], value: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(text.len() + value.len()));
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, placeholder) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + placeholder.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The target with its percent-encodings undone, as far as they are some.
pub(super) fn decoded(target: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}
