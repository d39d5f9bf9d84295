//! The payment gateway: asked for an order of its own, for what became of a payment, and to send money back; heard through
//! signed messages. [`razorpay`] is the one that there is.

pub mod razorpay;

use anyhow::Context as _;
use prometheus::IntCounterVec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::{clock::Clock, config_file::Problems};

use super::caller::NoAnswer;
use crate::commerce::gateway::GatewayPayment;
use crate::commerce::money::Paise;

/// Which gateway takes payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// None.
    None,
    /// Razorpay, or what speaks its protocol.
    Razorpay,
}

/// Settings of the payment gateway.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which one takes payments.
    pub kind: Kind,
    /// How it is reached.
    pub razorpay: razorpay::Config,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let is_used = self.kind == Kind::Razorpay;
        self.razorpay
            .check(&format!("{path}.razorpay"), is_used, problems);
    }
}

/// Why a gateway did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It cannot be reached, or fails: later may be better.
    #[error("the gateway does not answer: {0}")]
    Unavailable(#[from] NoAnswer),
    /// It says no.
    #[error("the gateway says no ({status}): {why}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words.
        why: String,
    },
    /// It says something that cannot be understood.
    #[error("the gateway's answer cannot be read: {0}")]
    Unreadable(String),
}

/// A message whose signature is not the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the gateway's")]
pub struct WrongSignature;

/// The gateway that takes payments.
pub enum Gateway {
    /// Razorpay.
    Razorpay(razorpay::Razorpay),
}

impl Gateway {
    /// The one that the settings name, if any.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub fn new(
        config: &Config,
        clock: Clock,
        calls: IntCounterVec,
    ) -> anyhow::Result<Option<Self>> {
        match config.kind {
            Kind::None => Ok(None),
            Kind::Razorpay => {
                let made = razorpay::Razorpay::new(&config.razorpay, clock, calls);
                let made = made.context("services.payments.razorpay")?;
                Ok(Some(Self::Razorpay(made)))
            }
        }
    }

    /// Its name, and the public key that its checkout is opened with.
    pub fn name_and_key(&self) -> (&'static str, &str) {
        let Self::Razorpay(gateway) = self;
        ("razorpay", gateway.key_id())
    }

    /// Makes an order of its own over an exact amount, and answers with its id. One that is made twice is harmless: only the
    /// one that was kept is ever paid.
    ///
    /// # Errors
    /// [`GatewayError`]: see its variants.
    pub async fn create(&self, amount: Paise, receipt: &str) -> Result<String, GatewayError> {
        let Self::Razorpay(gateway) = self;
        gateway.create(amount, receipt).await
    }

    /// What became of a payment.
    ///
    /// # Errors
    /// [`GatewayError`]: see its variants.
    pub async fn fetch(&self, payment_id: &str) -> Result<GatewayPayment, GatewayError> {
        let Self::Razorpay(gateway) = self;
        gateway.fetch(payment_id).await
    }

    /// Sends the money of a payment back. The same key never sends it twice.
    ///
    /// # Errors
    /// [`GatewayError`]: see its variants.
    pub async fn refund(
        &self,
        payment_id: &str,
        amount: Paise,
        key: &str,
    ) -> Result<(), GatewayError> {
        let Self::Razorpay(gateway) = self;
        gateway.refund(payment_id, amount, key).await
    }

    /// Whether what a customer's browser brings back from the gateway is the gateway's own word.
    ///
    /// # Errors
    /// [`WrongSignature`].
    pub fn verify_checkout(
        &self,
        gateway_order: &str,
        payment_id: &str,
        signature: &str,
    ) -> Result<(), WrongSignature> {
        let Self::Razorpay(gateway) = self;
        gateway.verify_checkout(gateway_order, payment_id, signature)
    }

    /// The payment that a signed message tells of; `None` where it tells of something else.
    ///
    /// # Errors
    /// [`WrongSignature`], before anything of it is read.
    pub fn verify_webhook(
        &self,
        body: &[u8],
        signature: &str,
    ) -> Result<Option<GatewayPayment>, WrongSignature> {
        let Self::Razorpay(gateway) = self;
        gateway.verify_webhook(body, signature)
    }
}
