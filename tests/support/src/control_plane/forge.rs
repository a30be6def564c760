//! Tokens that the API server never gave: with claims of the test's choice, signed by its own key or by a stranger's.

use anyhow::Context;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};

use super::ControlPlane;

impl ControlPlane {
    /// A token with these claims, signed by the API server's own key for tokens, or by one that nobody knows.
    pub fn forge_token(&self, claims: &Value, own_key: bool) -> anyhow::Result<String> {
        let key = match own_key {
            true => KeyPair::from_pem(&std::fs::read_to_string(self.folder.path().join("tokens.key"))?)?,
            false => KeyPair::generate()?,
        };
        let header = json!({"alg": "ES256", "typ": "JWT"});
        let signed = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let signature = raw_signature(&key.sign(signed.as_bytes())?).context("a signature of P-256")?;
        Ok(format!("{signed}.{}", base64url(&signature)))
    }
}

/// The two halves of an ECDSA signature, 32 bytes each, out of their DER frame.
fn raw_signature(der: &[u8]) -> Option<Vec<u8>> {
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let mut raw = Vec::new();
    for _ in 0..2 {
        rest = rest.strip_prefix(&[0x02])?;
        let length = usize::from(*rest.first()?);
        let number = rest.get(1..=length)?;
        rest = rest.get(length + 1..)?;
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        raw.extend(std::iter::repeat_n(0, 32_usize.checked_sub(number.len())?));
        raw.extend(number);
    }
    Some(raw)
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_no_padding() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xff, 0xef]), "_-8");
    }
}
