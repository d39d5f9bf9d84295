//! An answer as a test looks at it.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// An answer, read whole.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields.
    pub headers: http::HeaderMap,
    /// The body, decoded.
    pub body: bytes::Bytes,
}

impl Answer {
    /// Reads it whole.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn of(response: reqwest::Response) -> Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self {
            status,
            headers,
            body: response.bytes().await?,
        })
    }

    /// A field as text; empty when it is absent.
    pub fn field(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| String::from_utf8_lossy(&self.body).into_owned())
    }
}
