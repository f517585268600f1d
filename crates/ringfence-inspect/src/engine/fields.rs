//! Fields of a request and of an answer as the other side gets them, and texts in them.
//!
//! Not what is decided about them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::body::Watched;
use crate::rules::Asked;

/// Fields that servers, or what stands in front of them, take for another method, and for another path.
const METHODS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
const PATHS: [&str; 2] = ["x-original-url", "x-rewrite-url"];
/// Most values of such fields; nobody sends more.
const MOST_READINGS: usize = 4;

/// Bytes of the request line and the fields, as HTTP/1 writes them.
pub(super) fn size(request: &Request<Incoming>) -> u64 {
    let line = request.method().as_str().len()
        + request.uri().path_and_query().map_or(1, |path| path.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + 12 + fields.sum::<usize>()) as u64
}

/// The request in every way that a server may read it; as it stands first.
pub(super) fn readings<'a>(asked: Asked<'a>, headers: &'a HeaderMap) -> Vec<Asked<'a>> {
    let of = |own: &'a str, names: &[&str]| {
        let mut texts = vec![own];
        let is_one = |name: &HeaderName| names.iter().any(|known| is_read_as(name.as_str(), known));
        for (_, value) in headers.iter().filter(|(name, _)| is_one(name)) {
            // What cannot be read is no method and no path.
            let text = value.to_str().unwrap_or_default();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    };
    let (methods, paths) = (of(asked.method, &METHODS), of(asked.path, &PATHS));
    if methods.len().max(paths.len()) > MOST_READINGS {
        return vec![asked, Asked { path: "", ..asked }];
    }
    let each = |method: &&'a str| {
        let method = *method;
        paths.iter().map(move |path| Asked { method, path, ..asked })
    };
    methods.iter().flat_map(each).collect()
}

/// Behind a gateway interface (RFC 3875, section 4.1.18) an underscore is no other than a hyphen.
fn is_read_as(name: &str, known: &str) -> bool {
    let mut both = name.bytes().zip(known.bytes());
    name.len() == known.len() && both.all(|(one, other)| one == other || (one, other) == (b'_', b'-'))
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
        // A wish to have these dropped is nobody's; one of them is ours.
        .filter(|name| {
            ![header::HOST, header::CONTENT_LENGTH, header::AUTHORIZATION, header::ACCEPT_ENCODING]
                .contains(name)
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

/// Charsets in which a text of ASCII reads as it is, by how their names begin.
const PLAIN: [&str; 21] = [
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "binary",
    "iso-8859",
    "iso_8859",
    "latin",
    "windows-125",
    "cp125",
    "shift",
    "x-sjis",
    "euc-",
    "gb",
    "big5",
    "ks_c",
    "koi8",
    "tis-620",
    "macintosh",
    "x-mac",
    "x-user-defined",
];

/// By which clients of gRPC and of Connect say what messages may be compressed by, and by which servers say what they are.
const MESSAGES_MAY_BE: [&str; 2] = ["grpc-accept-encoding", "connect-accept-encoding"];
const MESSAGES_ARE: [&str; 2] = ["grpc-encoding", "connect-content-encoding"];

/// Wishes for an answer that can be searched, whatever the client wished for.
pub(super) fn uncompressed(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // Messages of a WebSocket can be compressed as well, and those of others in a body that is not.
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    MESSAGES_MAY_BE.iter().for_each(|name| drop(headers.remove(*name)));
}

/// Whether the body of an answer is not as it reads.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    let plain = |name: HeaderName, good: &[u8]| {
        headers.get_all(name).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(good))
    };
    // A client may ask for any: some servers speak EBCDIC to whoever does.
    let in_ascii = |kind: &HeaderValue| {
        let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
        let mut charsets = kind.split("charset").skip(1);
        charsets.all(|rest| {
            let name = rest.trim_start_matches([' ', '=', '"', '\'', '\t']);
            // Where none is named, that of the kind holds.
            name.is_empty() || name.starts_with(';') || PLAIN.iter().any(|known| name.starts_with(known))
        })
    };
    !plain(header::CONTENT_ENCODING, b"identity")
        || !plain(header::TRANSFER_ENCODING, b"chunked")
        || !MESSAGES_ARE.iter().all(|name| plain(HeaderName::from_static(name), b"identity"))
        || !headers.get_all(header::CONTENT_TYPE).iter().all(in_ascii)
}
