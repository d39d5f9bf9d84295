//! `GET /api/docs`: the OpenAPI description as one readable page, without scripts.

use std::fmt::Write as _;

use super::error::ApiError;
use super::openapi;
use super::response::Reply;
use super::routes::Call;
use crate::assets::escape_html;

pub(super) async fn show(_call: Call) -> Result<Reply, ApiError> {
    Ok(Reply::public_body(
        "text/html; charset=utf-8",
        page().into(),
        vec!["pages".to_owned()],
    ))
}

fn page() -> String {
    let document = openapi::document();
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>API of this shop</title></head><body><main><h1>API of this shop</h1>\
         <p>The same for programs: <a href=\"/api/openapi.json\">openapi.json</a> (OpenAPI 3.1). \
         Errors are problem details (RFC 9457) with a stable <code>code</code>. Unknown query keys are refused.</p>",
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        let operation = &methods["get"];
        let text = |value: &serde_json::Value| escape_html(value.as_str().unwrap_or_default());
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<section><h2><code>GET {}</code></h2><p>{}.</p>",
            escape_html(path),
            text(&operation["summary"])
        );
        let parameters = operation["parameters"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if !parameters.is_empty() {
            page.push_str("<table><thead><tr><th>Parameter</th><th>In</th><th>Takes</th><th>Meaning</th></tr></thead><tbody>");
            for parameter in parameters {
                let _ = write!(
                    page,
                    "<tr><td><code>{}</code></td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                    text(&parameter["name"]),
                    text(&parameter["in"]),
                    escape_html(&parameter["schema"].to_string()),
                    text(&parameter["description"]),
                );
            }
            page.push_str("</tbody></table>");
        }
        page.push_str("</section>");
    }
    page.push_str("</main></body></html>");
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_path_stands_on_the_page() {
        let page = super::page();
        for route in super::super::routes::routes() {
            assert!(
                page.contains(&format!("GET {}", route.path)),
                "{}",
                route.path
            );
        }
    }
}
