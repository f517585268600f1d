//! Makes keys and signatures, as minisign does: its files are ours and ours its.
//!
//! Never asks for a password: whoever has a terminal does that.

use std::fmt;
use std::io::Cursor;
use std::time::{SystemTime, UNIX_EPOCH};

use minisign::{KeyPair as Pair, PError, PublicKey, SecretKey, SecretKeyBox};

use super::{SECRET_KEY, decode};

/// The two files of a new key.
#[derive(Clone)]
pub struct KeyPair {
    /// The `.pub` file: its second line goes into `signing.keys`.
    pub public: String,
    /// The file that signs, locked if there was a password.
    pub secret: String,
}

/// Why nothing was signed.
#[derive(Debug)]
pub enum NotSigned {
    /// The key is locked, and no password was given.
    Locked,
    /// A password was given for a key that has none: it would look safer than it is.
    NotLocked,
    /// The secret key's file is none, or the password is wrong.
    Key(String),
    /// The system gave no random numbers, or too little memory.
    Failed(String),
}

/// A signature of `text`, which is the file called `name`: the text of a `.minisig` file.
///
/// # Errors
/// The key cannot be used.
pub fn sign(text: &[u8], name: &str, secret: &str, password: Option<&str>) -> Result<String, NotSigned> {
    let key = unlocked(secret, password)?;
    let public = PublicKey::from_secret_key(&key).map_err(failed)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let comment = format!("timestamp:{seconds}\tfile:{name}\thashed");
    let about = format!("signature by ringfence, key {}", number(public.keynum()));
    minisign::sign(Some(&public), &key, Cursor::new(text), Some(&comment), Some(&about))
        .map(|signature| signature.to_string())
        .map_err(failed)
}

/// A new key, locked with `password` if there is one.
///
/// # Errors
/// The system gave no random numbers, or too little memory.
pub fn generate(password: Option<&str>) -> Result<KeyPair, NotSigned> {
    let (pair, about) = match password {
        Some(password) => (Pair::generate_encrypted_keypair(Some(password.to_owned())), "locked"),
        None => (Pair::generate_unencrypted_keypair(), "not locked"),
    };
    let Pair { pk, sk } = pair.map_err(failed)?;
    let about = format!("minisign secret key {}, {about}", number(pk.keynum()));
    Ok(KeyPair {
        public: pk.to_box().map_err(failed)?.to_string(),
        secret: sk.to_box(Some(&about)).map_err(failed)?.to_string(),
    })
}

fn unlocked(secret: &str, password: Option<&str>) -> Result<SecretKey, NotSigned> {
    let bytes = secret.lines().nth(1).and_then(|line| decode(line.trim())).unwrap_or_default();
    let key = |error: PError| NotSigned::Key(error.to_string());
    match (bytes.get(..4), bytes.len(), password) {
        // Not left to the crate, which would ask on the terminal.
        (Some(b"EdSc"), SECRET_KEY, None) => Err(NotSigned::Locked),
        (Some(b"EdSc"), SECRET_KEY, Some(password)) => {
            SecretKeyBox::from(secret.to_owned()).into_secret_key(Some(password.to_owned())).map_err(key)
        }
        // Not by the crate's way for such keys: it asks for a checksum, and minisign writes none into them.
        (Some(b"Ed\0\0"), SECRET_KEY, None) => SecretKey::from_bytes(&bytes).map_err(key),
        (Some(b"Ed\0\0"), SECRET_KEY, Some(_)) => Err(NotSigned::NotLocked),
        _ => Err(NotSigned::Key("this is no secret key as minisign writes them".into())),
    }
}

fn number(id: &[u8]) -> String {
    id.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

fn failed(error: PError) -> NotSigned {
    NotSigned::Failed(error.to_string())
}

/// Without the key.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

impl fmt::Display for NotSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSigned::Locked => f.write_str("the secret key is locked: it needs its password"),
            NotSigned::NotLocked => f.write_str("the secret key has no password, and one was given"),
            NotSigned::Key(why) => write!(f, "the secret key cannot be used: {why}"),
            NotSigned::Failed(why) => write!(f, "failed to sign: {why}"),
        }
    }
}

impl std::error::Error for NotSigned {}
