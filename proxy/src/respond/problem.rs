//! The edge's own error answers: problem details (RFC 9457) for programs, a page for people.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

/// An error answer of the edge itself.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Status.
    pub status: StatusCode,
    code: &'static str,
    detail: &'static str,
    retry_after_seconds: Option<u32>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// An error with a stable code for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self {
            status,
            code,
            detail,
            retry_after_seconds: None,
            fields: Vec::new(),
        }
    }

    /// With a field; none is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        self.fields.extend(value.map(|value| (name, value)));
        self
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Fields and body, as a page where the client would rather have one.
    pub fn render(&self, accept: Option<&HeaderValue>, request_id: &str) -> (HeaderMap, String) {
        let is_page = accept
            .and_then(|value| value.to_str().ok())
            .is_some_and(super::negotiation::wants_page);
        let (kind, body) = if is_page {
            ("text/html; charset=utf-8", self.page(request_id))
        } else {
            ("application/problem+json", self.json(request_id))
        };
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        fields.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        );
        if let Some(seconds) = self.retry_after_seconds {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        fields.extend(self.fields.iter().cloned());
        (fields, body)
    }

    fn json(&self, request_id: &str) -> String {
        json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": request_id,
            "code": self.code,
        })
        .to_string()
    }

    /// A page without scripts and styles of its own: it must work when nothing else does.
    fn page(&self, request_id: &str) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let wait = self
            .retry_after_seconds
            .map_or_else(String::new, |seconds| {
                format!("<p>Please try again in {seconds} seconds.</p>")
            });
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\
             <body><main><h1>{title}</h1><p>{}</p>{wait}<p><small>Request {request_id}</small></p></main></body></html>",
            self.detail
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_problem_details_and_people_a_page() {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "The shop is busy.",
        )
        .retry_after(3);
        let (fields, body) = problem.render(None, "id");
        assert_eq!(fields[header::RETRY_AFTER], "3");
        insta::assert_snapshot!(body);
        let accept = HeaderValue::from_static("text/html,*/*");
        insta::assert_snapshot!(problem.render(Some(&accept), "id").1);
    }
}
