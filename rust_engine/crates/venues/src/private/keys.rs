//! The key of an account. It is read from files that nobody else may read, and shown nowhere.

use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use sha2::Sha256;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Lengths that a key or a secret can have.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// Why a key was refused. No variant carries any of its text.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("{} has mode {mode:04o}, so others may read it: run chmod 600 on it", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds something else.
    #[error("{} must hold one word of {} to {} letters and digits", path.display(), LENGTHS.start(), LENGTHS.end())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
}

/// A key and its secret.
#[derive(Clone)]
pub struct ApiKey {
    key: String,
    secret: String,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

impl ApiKey {
    /// The key in one file and its secret in another, both readable by their owner alone.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(key_file: &Path, secret_file: &Path) -> Result<Self, KeyError> {
        Ok(Self { key: read_word(key_file)?, secret: read_word(secret_file)? })
    }

    /// The key as the exchange wants it in a header, marked so that no client prints it.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.key).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The key itself, for messages that carry it.
    pub(super) fn word(&self) -> &str {
        &self.key
    }

    /// HMAC-SHA256 of `payload`, as hex.
    pub(super) fn sign(&self, payload: &str) -> String {
        // HMAC takes a key of any length, so this cannot fail; an empty key would only make the exchange refuse.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(payload.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

fn read_word(path: &Path) -> Result<String, KeyError> {
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let word = text.trim();
    if LENGTHS.contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(word.to_owned())
    } else {
        Err(KeyError::Malformed { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

    fn file(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_exchanges_own_example_is_signed_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let key = file(dir.path(), "key", &format!("{KEY}\n"), 0o600);
        let secret = file(dir.path(), "secret", SECRET, 0o400);
        let key = ApiKey::load(&key, &secret).unwrap();
        let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
        assert_eq!(key.sign(payload), "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71");
        assert_eq!(format!("{key:?} {:?}", key.header().unwrap()), "ApiKey(hidden) Sensitive");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused_without_a_word_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let good = file(dir.path(), "good", SECRET, 0o600);
        let open = file(dir.path(), "open", SECRET, 0o640);
        let odd = file(dir.path(), "odd", "two words of a secret that is long", 0o600);
        let short = file(dir.path(), "short", "abc", 0o600);
        for (bad, kind) in [(&open, "0640"), (&odd, "one word"), (&short, "one word"), (&dir.path().join("no"), "read")]
        {
            for (key, secret) in [(&good, bad), (bad, &good)] {
                let error = ApiKey::load(key, secret).unwrap_err().to_string();
                assert!(error.contains(kind) && !error.contains(SECRET) && !error.contains("two words"), "{error}");
            }
        }
    }
}
