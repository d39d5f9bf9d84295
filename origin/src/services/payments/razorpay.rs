//! Razorpay's protocol: Orders, Payments and Refunds by REST with the key as Basic credentials; messages and what comes back
//! from the checkout signed by HMAC-SHA256 in hexadecimal digits. Amounts are in paise on both sides.
//!
//! Source: the gateway's public API reference (Orders, Payments, Refunds, "Validate Webhooks", "Verify Payment Signature",
//! "Idempotent Requests").

use base64::Engine as _;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, header};
use prometheus::IntCounterVec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crackers_shared::{clock::Clock, config_file::Problems, request_id::hexadecimal};

use super::{GatewayError, WrongSignature};
use crate::commerce::gateway::{self, GatewayPayment};
use crate::commerce::money::Paise;
use crate::services::caller::{self, Caller};
use crate::services::secret::Secret;

/// What it says of one thing is small.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Settings of Razorpay.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it is, without a slash at the end.
    pub url: String,
    /// The public half of the key.
    pub key_id: Option<String>,
    /// The secret half of the key.
    pub key_secret: Secret,
    /// What signs its messages.
    pub webhook_secret: Secret,
    /// How it is called.
    pub calls: caller::Config,
}

impl Config {
    pub(super) fn check(&self, path: &str, is_used: bool, problems: &mut Problems) {
        let url = &self.url;
        problems.require(
            (url.starts_with("http://") || url.starts_with("https://")) && !url.ends_with('/'),
            format!("{path}.url"),
            "must begin with https:// and end without a slash",
        );
        self.calls.check(&format!("{path}.calls"), problems);
        if is_used {
            for (key, is_there) in [
                ("key_id", self.key_id.is_some()),
                ("key_secret", self.key_secret.is_set()),
                ("webhook_secret", self.webhook_secret.is_set()),
            ] {
                let path = format!("{path}.{key}");
                problems.require(is_there, path, "must be set for this gateway");
            }
        }
    }
}

/// Razorpay.
pub struct Razorpay {
    url: String,
    key_id: String,
    key_secret: String,
    webhook_secret: String,
    caller: Caller,
}

/// A payment in its words; what is not named here is not looked at.
#[derive(Deserialize)]
struct PaymentEntity {
    id: String,
    order_id: Option<String>,
    amount: i64,
    currency: String,
    status: String,
    #[serde(default)]
    amount_refunded: Option<i64>,
}

impl From<PaymentEntity> for GatewayPayment {
    fn from(entity: PaymentEntity) -> Self {
        // What went back was captured before.
        let is_captured = matches!(entity.status.as_str(), "captured" | "refunded");
        Self {
            id: entity.id,
            gateway_order: entity.order_id.unwrap_or_default(),
            amount: Paise(entity.amount),
            currency: entity.currency,
            is_captured,
            refunded: Paise(entity.amount_refunded.unwrap_or(0)),
        }
    }
}

impl Razorpay {
    pub(super) fn new(config: &Config, clock: Clock, calls: IntCounterVec) -> anyhow::Result<Self> {
        Ok(Self {
            url: config.url.clone(),
            key_id: config.key_id.clone().unwrap_or_default(),
            key_secret: config.key_secret.read()?,
            webhook_secret: config.webhook_secret.read()?,
            caller: Caller::new("payments", &config.calls, clock, calls)?,
        })
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(super) async fn create(
        &self,
        amount: Paise,
        receipt: &str,
    ) -> Result<String, GatewayError> {
        let wanted = json!({
            "amount": amount.0, "currency": gateway::CURRENCY, "receipt": receipt, "partial_payment": false,
        });
        let made = self
            .ask(Method::POST, "/v1/orders", Some(&wanted), None)
            .await?;
        let is_as_wanted = made["amount"] == amount.0 && made["currency"] == gateway::CURRENCY;
        let id = made["id"].as_str().filter(|_| is_as_wanted);
        let id = id.ok_or_else(|| {
            GatewayError::Unreadable("its order is not over what was asked for".to_owned())
        })?;
        Ok(id.to_owned())
    }

    pub(super) async fn fetch(&self, payment_id: &str) -> Result<GatewayPayment, GatewayError> {
        let path = format!("/v1/payments/{}", checked(payment_id)?);
        let found = self.ask(Method::GET, &path, None, None).await?;
        let entity: PaymentEntity = serde_json::from_value(found)
            .map_err(|error| GatewayError::Unreadable(error.to_string()))?;
        Ok(entity.into())
    }

    pub(super) async fn refund(
        &self,
        payment_id: &str,
        amount: Paise,
        key: &str,
    ) -> Result<(), GatewayError> {
        let path = format!("/v1/payments/{}/refund", checked(payment_id)?);
        // The same body each time: with another one the key is refused.
        let wanted = json!({ "amount": amount.0, "receipt": key });
        self.ask(Method::POST, &path, Some(&wanted), Some(key))
            .await
            .map(drop)
    }

    pub(super) fn verify_checkout(
        &self,
        gateway_order: &str,
        payment_id: &str,
        signature: &str,
    ) -> Result<(), WrongSignature> {
        let signed = format!("{gateway_order}|{payment_id}");
        verify(&self.key_secret, signed.as_bytes(), signature)
    }

    pub(super) fn verify_webhook(
        &self,
        body: &[u8],
        signature: &str,
    ) -> Result<Option<GatewayPayment>, WrongSignature> {
        verify(&self.webhook_secret, body, signature)?;
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            return Ok(None);
        };
        // Both carry the payment; others (failed, authorized, refunds) change nothing here.
        let tells_of_money = matches!(
            message["event"].as_str(),
            Some("payment.captured" | "order.paid")
        );
        let entity = message.pointer("/payload/payment/entity");
        let entity = entity
            .filter(|_| tells_of_money)
            .and_then(|entity| PaymentEntity::deserialize(entity).ok());
        Ok(entity.map(GatewayPayment::from))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value, GatewayError> {
        let credentials = base64::engine::general_purpose::STANDARD
            .encode(format!("{}:{}", self.key_id, self.key_secret));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("x-refund-idempotency", key);
        }
        let body = body.map_or_else(String::new, Value::to_string);
        let request = request
            .body(Bytes::from(body))
            .map_err(|error| GatewayError::Unreadable(error.to_string()))?;
        let answer = self.caller.call(&request, ANSWER_BYTES_MAX).await?;
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if answer.status().is_success() {
            return Ok(said);
        }
        let why = said.pointer("/error/description").and_then(Value::as_str);
        Err(GatewayError::Refused {
            status: answer.status().as_u16(),
            why: why.unwrap_or_default().chars().take(200).collect(),
        })
    }
}

/// An id that leads nowhere else in a path.
fn checked(payment_id: &str) -> Result<&str, GatewayError> {
    if gateway::is_id(payment_id) {
        Ok(payment_id)
    } else {
        Err(GatewayError::Unreadable("no id of a payment".to_owned()))
    }
}

fn verify(secret: &str, signed: &[u8], signature: &str) -> Result<(), WrongSignature> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| WrongSignature)?;
    mac.update(signed);
    let expected = hexadecimal(&mac.finalize().into_bytes());
    let is_right: bool = expected.as_bytes().ct_eq(signature.as_bytes()).into();
    is_right.then_some(()).ok_or(WrongSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard_and_of_nothing_else() {
        // RFC 4231, test case 2.
        let right = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let data = b"what do ya want for nothing?";
        assert_eq!(verify("Jefe", data, right), Ok(()));
        for (secret, data, signature) in [
            ("Jefa", &data[..], right),
            ("Jefe", b"what do ya want", right),
            ("Jefe", data, &right[..62]),
            ("Jefe", data, ""),
        ] {
            assert_eq!(verify(secret, data, signature), Err(WrongSignature));
        }
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        assert!(checked("pay_29QQoUBi66xm2f").is_ok());
        for id in ["", "../orders", "pay/../../x", "pay?x=1", "pay 1"] {
            assert!(checked(id).is_err(), "{id}");
        }
    }
}
