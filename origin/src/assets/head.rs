//! What a page says in its `<head>`, for search engines and link previews that run no scripts.

use std::fmt::Write as _;

use serde_json::Value;

/// The head of one page.
pub(super) struct Head {
    /// Title.
    pub(super) title: String,
    /// One or two sentences.
    pub(super) description: String,
    /// Full address of the page.
    pub(super) canonical: String,
    /// Full address of a picture.
    pub(super) image: Option<String>,
    /// Open Graph type.
    pub(super) kind: &'static str,
    /// schema.org data.
    pub(super) json_ld: Option<Value>,
    /// Whether search engines may list the page.
    pub(super) listed: bool,
}

impl Head {
    /// The elements that stand in for the shell's `<!--head-->`.
    pub(super) fn to_html(&self) -> String {
        let (title, description) = (escape_html(&self.title), escape_html(&self.description));
        let canonical = escape_html(&self.canonical);
        let mut html =
            format!("<title>{title}</title><meta name=\"description\" content=\"{description}\">");
        // Writing to a string cannot fail.
        let _ = if self.listed {
            write!(html, "<link rel=\"canonical\" href=\"{canonical}\">")
        } else {
            write!(html, "<meta name=\"robots\" content=\"noindex\">")
        };
        for (property, content) in [
            ("og:title", &title),
            ("og:description", &description),
            ("og:url", &canonical),
        ] {
            let _ = write!(html, "<meta property=\"{property}\" content=\"{content}\">");
        }
        let _ = write!(
            html,
            "<meta property=\"og:type\" content=\"{}\">",
            self.kind
        );
        if let Some(image) = &self.image {
            let _ = write!(
                html,
                "<meta property=\"og:image\" content=\"{}\">",
                escape_html(image)
            );
        }
        if let Some(data) = &self.json_ld {
            let _ = write!(
                html,
                "<script type=\"application/ld+json\">{}</script>",
                escape_json(&data.to_string())
            );
        }
        html
    }
}

/// Text for HTML, in elements and in quoted attributes.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON inside a script element: nothing in it may look like the element's end or a comment.
pub(super) fn escape_json(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_element() {
        let evil = "</script><script>alert(1)</script>\"'";
        let head = Head {
            title: evil.to_owned(),
            description: evil.to_owned(),
            canonical: evil.to_owned(),
            image: Some(evil.to_owned()),
            kind: "website",
            json_ld: Some(serde_json::json!({ "name": evil })),
            listed: true,
        };
        let html = head.to_html();
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        assert_eq!(html.matches("</script").count(), 1, "{html}");
    }
}
