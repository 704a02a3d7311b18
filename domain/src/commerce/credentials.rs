//! What opens a shop: sealed as one value, never shown, and opened for the request that needs it.
use ::commerce::{Store, Transport, shopify, woocommerce};
use secrecy::{ExposeSecret, SecretString};
use std::{str::FromStr, sync::Arc};
use url::Url;
use zeroize::Zeroizing;

use super::failure;
use crate::{Error, Result};

/// Lengths of a credential, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=500;

/// What a shop runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// WooCommerce.
    WooCommerce,
    /// Shopify.
    Shopify,
}

impl Platform {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WooCommerce => "woocommerce",
            Self::Shopify => "shopify",
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::WooCommerce, Self::Shopify];
        let found = known.into_iter().find(|platform| platform.as_str() == text);
        found.ok_or_else(|| Error::invalid("platform", "must be woocommerce or shopify"))
    }
}

/// What opens a shop, and what its webhooks are signed with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A key of the REST API, and the secret of the webhooks.
    WooCommerce {
        /// `ck_…`
        consumer_key: SecretString,
        /// `cs_…`
        consumer_secret: SecretString,
        /// As it is set in every webhook.
        webhook_secret: SecretString,
    },
    /// An access token of the Admin API, and the secret of the app.
    Shopify {
        /// `shpat_…`
        access_token: SecretString,
        /// It signs the webhooks.
        client_secret: SecretString,
    },
}

impl Credentials {
    /// Whose they are.
    pub fn platform(&self) -> Platform {
        match self {
            Self::WooCommerce { .. } => Platform::WooCommerce,
            Self::Shopify { .. } => Platform::Shopify,
        }
    }

    /// In the order in which [`Credentials::unsealed`] reads them.
    fn parts(&self) -> Vec<(&'static str, &SecretString)> {
        match self {
            Self::WooCommerce {
                consumer_key,
                consumer_secret,
                webhook_secret,
            } => vec![
                ("consumer_key", consumer_key),
                ("consumer_secret", consumer_secret),
                ("webhook_secret", webhook_secret),
            ],
            Self::Shopify {
                access_token,
                client_secret,
            } => vec![("access_token", access_token), ("client_secret", client_secret)],
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        for (field, secret) in self.parts() {
            let text = secret.expose_secret();
            if !LENGTHS.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
                let told = format!(
                    "must have {} to {} visible ASCII characters",
                    LENGTHS.start(),
                    LENGTHS.end()
                );
                return Err(Error::invalid(field, told));
            }
        }
        Ok(())
    }

    /// Visible characters only, so that a line's end separates them.
    pub(super) fn plain(&self) -> Zeroizing<String> {
        let parts: Vec<&str> = self
            .parts()
            .into_iter()
            .map(|(_, secret)| secret.expose_secret())
            .collect();
        Zeroizing::new(parts.join("\n"))
    }

    pub(super) fn unsealed(platform: Platform, plain: &[u8]) -> Result<Self> {
        let odd = || Error::internal("reading a shop's credentials", "they have another form");
        let text = std::str::from_utf8(plain).map_err(|_| odd())?;
        let mut parts = text.split('\n').map(SecretString::from);
        let mut next = || parts.next().ok_or_else(odd);
        Ok(match platform {
            Platform::WooCommerce => Self::WooCommerce {
                consumer_key: next()?,
                consumer_secret: next()?,
                webhook_secret: next()?,
            },
            Platform::Shopify => Self::Shopify {
                access_token: next()?,
                client_secret: next()?,
            },
        })
    }

    /// What the shop's webhooks are signed with.
    pub(super) fn signing(&self) -> &SecretString {
        match self {
            Self::WooCommerce { webhook_secret, .. } => webhook_secret,
            Self::Shopify { client_secret, .. } => client_secret,
        }
    }

    pub(super) fn store(&self, address: &Url, transport: Arc<dyn Transport>) -> Result<Store> {
        let store = match self {
            Self::WooCommerce {
                consumer_key,
                consumer_secret,
                ..
            } => woocommerce::Client::new(address, consumer_key, consumer_secret, transport).map(Store::WooCommerce),
            Self::Shopify { access_token, .. } => {
                shopify::Client::new(address, access_token, transport).map(Store::Shopify)
            }
        };
        store.map_err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_they_were_kept_and_shown_to_nobody() {
        let secret = |text: &str| SecretString::from(text);
        let woo = Credentials::WooCommerce {
            consumer_key: secret("ck_12345678"),
            consumer_secret: secret("cs_12345678"),
            webhook_secret: secret("hook-12345678"),
        };
        woo.check().unwrap();
        let again = Credentials::unsealed(Platform::WooCommerce, woo.plain().as_bytes()).unwrap();
        assert_eq!(*again.plain(), *woo.plain());
        assert_eq!(again.signing().expose_secret(), "hook-12345678");
        assert!(!format!("{woo:?}").contains("12345678"));
        for bad in ["short", "with\nline break", "with spaces in it", "ünïcödé-letters"] {
            let odd = Credentials::Shopify {
                access_token: secret("shpat_12345678"),
                client_secret: secret(bad),
            };
            assert!(odd.check().unwrap_err().public_message().starts_with("client_secret"));
        }
    }
}
