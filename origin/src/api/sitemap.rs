//! `GET /sitemap.xml` and `/robots.txt`.

use std::fmt::Write as _;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use crate::assets::escape_html;

/// A sitemap may name at most 50,000 pages (sitemaps.org).
const PAGES_MAX: usize = 50_000;

/// Pages beside categories and products.
const PAGES: &[&str] = &[
    "/",
    "/catalogue",
    "/price-list",
    "/combos",
    "/gift-boxes",
    "/help",
];

pub(super) async fn sitemap(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let base = &app.config.api.public_url;
    let make = async {
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
        );
        let mut pages = 0;
        let mut add = |path: &str, changed: Option<String>| {
            pages += 1;
            let changed = changed.map_or_else(String::new, |at| format!("<lastmod>{at}</lastmod>"));
            // Writing to a string cannot fail.
            let _ = writeln!(
                xml,
                "<url><loc>{}</loc>{changed}</url>",
                escape_html(&format!("{base}{path}"))
            );
            pages < PAGES_MAX
        };
        for path in PAGES {
            add(path, None);
        }
        let categories = app.database.categories().await?;
        for category in categories.iter().filter(|one| one.active) {
            add(&format!("/catalogue/{}", category.slug), None);
        }
        let mut after = String::new();
        'all: loop {
            let products = app.database.products_after(&after, 500).await?;
            let Some(last) = products.last() else { break };
            after.clone_from(&last.id);
            for product in products.iter().filter(|product| product.active) {
                let path = format!("/product/{}", product.slug);
                if !add(&path, Some(super::views::time(product.updated_at))) {
                    break 'all;
                }
            }
        }
        xml.push_str("</urlset>\n");
        Ok(Reply::public_body(
            "application/xml",
            xml.into(),
            vec!["sitemap".to_owned()],
        ))
    };
    app.answers
        .get("sitemap".to_owned(), &app.metrics, make)
        .await
}

pub(super) async fn robots(call: Call) -> Result<Reply, ApiError> {
    let base = &call.app.config.api.public_url;
    let text = format!("User-agent: *\nDisallow: /api/\n\nSitemap: {base}/sitemap.xml\n");
    Ok(Reply::public_body(
        "text/plain; charset=utf-8",
        text.into(),
        vec!["pages".to_owned()],
    ))
}
