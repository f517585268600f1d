//! The run's own certification authority: made when the run begins, in memory, and gone with it. What it signs, clients of
//! this sandbox alone believe.
//!
//! Not the host's roots, against which servers are checked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use ringfence_plan::Target;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;

/// The authority, and the one key that all its certificates are for.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    made: RefCell<HashMap<Target, CertificateDer<'static>>>,
}

/// Most certificates that are kept; rules can speak of any number of names.
const MOST_KEPT: usize = 256;

/// Long enough for any run, and not before a clock that goes slow.
const DAYS: i64 = 30;

impl Authority {
    pub(crate) fn new() -> Result<Authority, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, "ringfence, this run alone");
        limit(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let certificate = certificate.der().clone();
        let pem = pem(&certificate);
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
            pem,
            key: KeyPair::generate()?,
            made: RefCell::default(),
        })
    }

    /// The authority's certificate, for those who are to believe it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What the server `name` is for the client, speaking these protocols.
    pub(crate) fn server(&self, name: &Target, protocols: Vec<Vec<u8>>) -> Result<ServerConfig, String> {
        let leaf = self.leaf(name).map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(vec![leaf, self.certificate.clone()], key))
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = protocols;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn leaf(&self, name: &Target) -> Result<CertificateDer<'static>, rcgen::Error> {
        if let Some(made) = self.made.borrow().get(name) {
            return Ok(made.clone());
        }
        let subject = match name {
            Target::Name(name) => SanType::DnsName(name.as_str().try_into()?),
            Target::Address(address) => SanType::IpAddress(IpAddr::to_canonical(address)),
        };
        let mut params = CertificateParams::new(Vec::new())?;
        params.subject_alt_names = vec![subject];
        params.distinguished_name.remove(DnType::CommonName);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params);
        let leaf = params.signed_by(&self.key, &self.issuer)?.der().clone();
        let mut made = self.made.borrow_mut();
        if made.len() >= MOST_KEPT {
            made.clear();
        }
        made.insert(name.clone(), leaf.clone());
        Ok(leaf)
    }
}

/// RFC 7468.
fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn limit(params: &mut CertificateParams) {
    let now = std::time::SystemTime::now();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    params.not_before = (now - day).into();
    params.not_after = (now + day * DAYS as u32).into();
}
