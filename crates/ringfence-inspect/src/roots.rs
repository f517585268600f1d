//! The roots that this machine trusts, as files of certificates in PEM: where they lie, and what they hold.
//!
//! Not the run's own, which is put beside them for the sandbox.

use std::path::{Path, PathBuf};

/// Where distributions keep them in one file; the first that is there counts.
pub const PLACES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// More bytes than this are no list of roots.
const LONGEST: u64 = 8 << 20;

/// The text of the roots, with the file that it comes from: the caller's own (`SSL_CERT_FILE`) where that is named.
///
/// # Errors
/// When that one cannot be read, or none of the usual is there; in words.
pub fn read(own: Option<&Path>) -> Result<(PathBuf, Vec<u8>), String> {
    if let Some(own) = own {
        return read_file(own).map(|text| (own.into(), text)).map_err(|error| {
            format!("SSL_CERT_FILE names {}, which cannot be read: {error}", own.display())
        });
    }
    let mut found =
        PLACES.iter().filter_map(|place| Some((PathBuf::from(place), read_file(Path::new(place)).ok()?)));
    found.next().ok_or_else(|| {
        "this machine has no file of trusted certificates in any usual place; install the package ca-certificates, or \
         name one by SSL_CERT_FILE"
            .into()
    })
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    if text.is_empty() { Err(std::io::Error::other("it is empty")) } else { Ok(text) }
}
