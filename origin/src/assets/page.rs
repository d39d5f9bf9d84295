//! Pages of the storefront: the shell of its build, with a head of its own for every page.

use bytes::Bytes;
use serde_json::json;

use super::head::{Head, escape_json};
use super::not_found;
use crate::api::shop::ShopView;
use crate::api::{ApiError, Reply};
use crate::app::App;
use crate::commerce::availability::Availability;
use crate::commerce::changes::{category_tag, product_tag};
use crate::commerce::products::Product;
use crate::commerce::shop::ShopSettings;

/// Where the head goes in the shell.
const HEAD_MARK: &str = "<!--head-->";

/// What a page is: its head, its tags, and whether it exists.
struct Page {
    head: Head,
    tags: Vec<String>,
    exists: bool,
}

/// The page at `path`, kept in memory for as long as neither the shell nor what it says of the shop changes.
pub(super) async fn answer(app: &App, path: &str) -> Result<Reply, ApiError> {
    let (shell, build) = shell(app).await?;
    let key = format!("page\u{1f}{path}\u{1f}{build}");
    app.answers
        .get(key, &app.metrics, make(app, path, &shell))
        .await
}

async fn make(app: &App, path: &str, shell: &str) -> Result<Reply, ApiError> {
    let shop = app.database.shop_settings().await?;
    let name = shop.as_ref().map_or("Crackers", |shop| shop.name.as_str());
    let page = page(app, path, name).await?;
    let mut head = page.head.to_html();
    if let Some(shop) = &shop {
        head.push_str(&shop_data(app, shop)?);
    }
    let html = shell.replacen(HEAD_MARK, &head, 1);
    let mut tags = page.tags;
    tags.extend(["pages".to_owned(), "shop".to_owned()]);
    let reply = Reply::public_body("text/html; charset=utf-8", Bytes::from(html), tags);
    Ok(if page.exists { reply } else { not_found(reply) })
}

/// What every page asks first, given along: without it the notices come late and push the page down.
fn shop_data(app: &App, shop: &ShopSettings) -> Result<String, ApiError> {
    let view = ShopView::new(shop.clone(), app.gateway.is_some());
    let json =
        serde_json::to_string(&view).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(format!(
        "<script type=\"application/json\" id=\"shop-data\">{}</script>",
        escape_json(&json)
    ))
}

/// The storefront's shell and the name of its build; without a build, a page that says how to make one.
async fn shell(app: &App) -> Result<(String, String), ApiError> {
    let root = &app.config.assets.storefront_dir;
    if let Some(file) = app.assets.file(app, root, "index.html", false).await? {
        let text = String::from_utf8_lossy(&file.body).into_owned();
        return Ok((text, file.etag.unwrap_or_default()));
    }
    tracing::warn!(folder = %root.display(), "the storefront is not built; its pages are empty");
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{HEAD_MARK}</head><body>\
         <main><h1>The storefront is not built</h1><p>Run <code>make run</code>; the API is at \
         <a href=\"/api/docs\">/api/docs</a>.</p></main></body></html>"
    );
    Ok((text, String::new()))
}

async fn page(app: &App, path: &str, shop: &str) -> Result<Page, ApiError> {
    let trimmed = path.trim_matches('/');
    let segments: Vec<_> = trimmed.split('/').collect();
    match segments.as_slice() {
        ["product", slug] => product_page(app, path, shop, slug).await,
        ["catalogue", slug] => category_page(app, path, shop, slug).await,
        ["checkout"] => Ok(unlisted(app, "Checkout", shop)),
        ["order", _token] => Ok(unlisted(app, "Your order", shop)),
        _ => Ok(plain(app, path, shop, trimmed)),
    }
}

/// A page for one customer: its head says nothing of him, and search engines are kept out.
fn unlisted(app: &App, title: &str, shop: &str) -> Page {
    Page {
        head: Head {
            title: format!("{title} · {shop}"),
            description: String::new(),
            canonical: app.config.api.public_url.clone(),
            image: None,
            kind: "website",
            json_ld: None,
            listed: false,
        },
        tags: Vec::new(),
        exists: true,
    }
}

/// Pages whose head does not depend on the catalogue: path, title, description.
const PLAIN: &[(&str, &str, &str)] = &[
    (
        "",
        "Fireworks at festival prices",
        "Sparklers, flower pots, chakkars, rockets and gift boxes from a licensed shop.",
    ),
    (
        "catalogue",
        "Catalogue",
        "Every firework we have: search, filter, compare.",
    ),
    (
        "price-list",
        "Price list",
        "All prices on one page: put in quantities and see the total.",
    ),
    ("combos", "Bundles", "Ready-made bundles at one price."),
    (
        "gift-boxes",
        "Gift boxes",
        "Gift boxes of assorted fireworks.",
    ),
    (
        "help",
        "Help and safety",
        "How to order, and how to use fireworks safely.",
    ),
];

fn plain(app: &App, path: &str, shop: &str, trimmed: &str) -> Page {
    let known = PLAIN.iter().find(|(known, _, _)| *known == trimmed);
    let (title, description) = known.map_or(("Page not found", "There is nothing here."), |row| {
        (row.1, row.2)
    });
    let json_ld = (trimmed.is_empty()).then(|| {
        json!({ "@context": "https://schema.org", "@type": "Store", "name": shop, "url": app.config.api.public_url })
    });
    Page {
        head: Head {
            title: format!("{title} · {shop}"),
            description: description.to_owned(),
            canonical: format!("{}{path}", app.config.api.public_url),
            image: None,
            kind: "website",
            json_ld,
            listed: known.is_some(),
        },
        tags: Vec::new(),
        exists: known.is_some(),
    }
}

/// Where nothing is yet. It is looked at anew when the sitemap is: whenever a page comes or goes.
fn missing(app: &App, path: &str, shop: &str) -> Page {
    Page {
        tags: vec!["sitemap".to_owned()],
        ..plain(app, path, shop, "\0")
    }
}

async fn category_page(app: &App, path: &str, shop: &str, slug: &str) -> Result<Page, ApiError> {
    let categories = app.database.categories().await?;
    let Some(category) = categories
        .into_iter()
        .find(|category| category.active && category.slug == slug)
    else {
        return Ok(missing(app, path, shop));
    };
    let base = &app.config.api.public_url;
    let head = Head {
        title: format!("{} · {shop}", category.name),
        description: category.description,
        canonical: format!("{base}/catalogue/{slug}"),
        image: category.image.map(|image| format!("{base}{}", image.url)),
        kind: "website",
        json_ld: None,
        listed: true,
    };
    Ok(Page {
        head,
        tags: vec![category_tag(slug), "categories".to_owned()],
        exists: true,
    })
}

async fn product_page(app: &App, path: &str, shop: &str, slug: &str) -> Result<Page, ApiError> {
    let Some(product) = app.database.product_by_id_or_slug(slug).await? else {
        return Ok(missing(app, path, shop));
    };
    let base = &app.config.api.public_url;
    let canonical = format!("{base}/product/{}", product.slug);
    let image = product
        .images
        .first()
        .map(|image| format!("{base}{}", image.url));
    let head = Head {
        title: format!("{} · {shop}", product.name),
        description: product.description.clone(),
        json_ld: Some(json_ld(&product, &canonical, image.as_deref())),
        canonical,
        image,
        kind: "product",
        listed: true,
    };
    Ok(Page {
        head,
        tags: vec![product_tag(&product.id)],
        exists: true,
    })
}

/// schema.org Product; a restricted product is shown without an offer, since it is not sold.
fn json_ld(product: &Product, url: &str, image: Option<&str>) -> serde_json::Value {
    let mut data = json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product.name,
        "sku": product.sku,
        "description": product.description,
        "category": product.category,
        "url": url,
    });
    if let Some(image) = image {
        data["image"] = json!([image]);
    }
    if !product.restricted {
        let availability = match product.availability {
            Availability::InStock => "https://schema.org/InStock",
            Availability::Low => "https://schema.org/LimitedAvailability",
            Availability::SoldOut => "https://schema.org/OutOfStock",
        };
        let price = format!("{}.{:02}", product.price.0 / 100, product.price.0 % 100);
        data["offers"] = json!({
            "@type": "Offer", "url": url, "price": price, "priceCurrency": "INR", "availability": availability,
        });
    }
    if product.rating.count > 0 {
        data["aggregateRating"] = json!({
            "@type": "AggregateRating",
            "ratingValue": f64::from(product.rating.average_tenths) / 10.0,
            "reviewCount": product.rating.count,
        });
    }
    data
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_plain_page_has_its_own_title() {
        let mut titles: Vec<_> = super::PLAIN.iter().map(|row| row.1).collect();
        titles.dedup();
        assert_eq!(titles.len(), super::PLAIN.len());
    }
}
