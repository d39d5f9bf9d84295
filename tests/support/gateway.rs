//! A small payment gateway that speaks Razorpay's protocol: orders, payments, refunds, signatures. It can fail, be slow, do what
//! it was asked for and lose the answer, and it counts what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use bytes::Bytes;
use crackers_shared::request_id::hexadecimal;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request};
use serde_json::{Value, json};
use sha2::Sha256;

pub use crate::peer::Mood;
use crate::peer::serve;

const KEY: (&str, &str) = ("rzp_test_key", "the secret of the key");
const WEBHOOK_SECRET: &str = "the secret of the messages";

#[derive(Default)]
struct State {
    moods: VecDeque<Mood>,
    is_down: bool,
    requests: u32,
    orders: Vec<Value>,
    payments: BTreeMap<String, Value>,
    /// By idempotency key: body and answer.
    refunds: BTreeMap<String, (Value, Value)>,
}

/// The gateway.
#[derive(Clone)]
pub struct Gateway {
    /// Where it is.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Gateway {
    /// A gateway on a free port; it ends with the test's runtime.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        let url = serve(move |request| {
            let gateway = Self {
                url: String::new(),
                state: Arc::clone(&served),
            };
            async move { gateway.answer(request).await }
        });
        let url = url.await?;
        Ok(Self { url, state })
    }

    /// What an origin's configuration says of it; `calls` is laid over how it is called.
    pub fn settings(&self, calls: &str) -> String {
        format!(
            "services: {{payments: {{kind: razorpay, razorpay: {{url: '{}', key_id: {}, key_secret: {{value: '{}'}}, \
             webhook_secret: {{value: '{WEBHOOK_SECRET}'}}, calls: {{backoff_ms: 10, {calls}}}}}}}}}\n",
            self.url, KEY.0, KEY.1
        )
    }

    /// How it takes the next requests, one after the other.
    pub fn next(&self, moods: &[Mood]) {
        self.state().moods.extend(moods);
    }

    /// Whether it fails whatever it is asked for.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// How many requests have reached it.
    pub fn requests(&self) -> u32 {
        self.state().requests
    }

    /// Its orders, the first one first.
    pub fn orders(&self) -> Vec<Value> {
        self.state().orders.clone()
    }

    /// What went back: keys and what was asked for.
    pub fn refunds(&self) -> Vec<(String, Value)> {
        let state = self.state();
        let refunds = state.refunds.iter();
        refunds
            .map(|(key, (body, _))| (key.clone(), body.clone()))
            .collect()
    }

    /// A customer pays so much for one of its orders, whatever it is over; answers with the payment's id.
    pub fn pay(&self, order: &str, amount: &Value, currency: &str, status: &str) -> String {
        let mut state = self.state();
        let id = format!("pay_{:014}", state.payments.len());
        let payment = json!({
            "id": id, "entity": "payment", "order_id": order, "amount": amount, "currency": currency, "status": status,
            "amount_refunded": 0, "refund_status": null, "method": "upi",
        });
        state.payments.insert(id.clone(), payment);
        id
    }

    /// The money of a payment is there now.
    pub fn capture(&self, payment: &str) {
        if let Some(payment) = self.state().payments.get_mut(payment) {
            payment["status"] = "captured".into();
        }
    }

    /// What its checkout signs for the browser to bring back.
    pub fn checkout_signature(&self, order: &str, payment: &str) -> String {
        sign(KEY.1, format!("{order}|{payment}").as_bytes())
    }

    /// A message of a payment, and its signature.
    ///
    /// # Errors
    /// When there is no such payment.
    pub fn message(&self, event: &str, payment: &str) -> Result<(String, String)> {
        let state = self.state();
        let entity = state.payments.get(payment).context("no such payment")?;
        let body = json!({
            "entity": "event", "event": event, "contains": ["payment"],
            "payload": { "payment": { "entity": entity } },
        });
        // With blanks: what is signed are the bytes as sent, not what they mean.
        let body = serde_json::to_string_pretty(&body)?;
        let signature = sign(WEBHOOK_SECRET, body.as_bytes());
        Ok((body, signature))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Bytes>) -> (u16, Bytes) {
        let (parts, body) = request.into_parts();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let mood = {
            let mut state = self.state();
            state.requests += 1;
            let next = state.moods.pop_front().unwrap_or_default();
            if state.is_down { Mood::Fails } else { next }
        };
        let carry_out = || {
            let (status, said) = self.carry_out(&parts, body);
            (status, said.to_string().into())
        };
        mood.take(carry_out).await
    }

    fn carry_out(&self, parts: &http::request::Parts, body: Value) -> (u16, Value) {
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", KEY.0, KEY.1));
        let given = parts.headers.get("authorization");
        if given.is_none_or(|given| *given != format!("Basic {credentials}")) {
            return refused(401, "The api key provided is invalid");
        }
        let path = parts.uri.path().trim_start_matches("/v1/");
        let segments: Vec<_> = path.split('/').collect();
        match (&parts.method, segments.as_slice()) {
            (&Method::POST, ["orders"]) => {
                let mut state = self.state();
                let mut order = body;
                order["id"] = format!("order_{:014}", state.orders.len()).into();
                order["status"] = "created".into();
                state.orders.push(order.clone());
                (200, order)
            }
            (&Method::GET, ["payments", id]) => match self.state().payments.get(*id) {
                Some(payment) => (200, payment.clone()),
                None => refused(400, "The id provided does not exist"),
            },
            (&Method::POST, ["payments", id, "refund"]) => {
                let key = parts.headers.get("x-refund-idempotency");
                let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
                self.give_back(id, key, body)
            }
            _ => refused(404, "no such address"),
        }
    }

    fn give_back(&self, id: &str, key: &str, body: Value) -> (u16, Value) {
        let mut state = self.state();
        if let Some((before, answer)) = state.refunds.get(key) {
            return if *before == body {
                (200, answer.clone())
            } else {
                refused(400, "Different request with the same idempotency key")
            };
        }
        let number = state.refunds.len();
        let Some(payment) = state.payments.get_mut(id) else {
            return refused(400, "The id provided does not exist");
        };
        let total =
            payment["amount_refunded"].as_i64().unwrap_or(0) + body["amount"].as_i64().unwrap_or(0);
        if payment["status"] != "captured" || total > payment["amount"].as_i64().unwrap_or(0) {
            return refused(400, "The payment has been fully refunded already");
        }
        payment["amount_refunded"] = total.into();
        let answer = json!({ "id": format!("rfnd_{number:014}"), "payment_id": id, "amount": body["amount"] });
        let kept = (body, answer.clone());
        state.refunds.insert(key.to_owned(), kept);
        (200, answer)
    }
}

fn refused(status: u16, why: &str) -> (u16, Value) {
    let error = json!({ "code": "BAD_REQUEST_ERROR", "description": why });
    (status, json!({ "error": error }))
}

fn sign(secret: &str, signed: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(signed);
    hexadecimal(&mac.finalize().into_bytes())
}
