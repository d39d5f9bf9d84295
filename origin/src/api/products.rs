//! `GET /api/products`, one of them, and suggestions while a name is typed.

use schemars::JsonSchema;
use serde::Serialize;

use super::cursor;
use super::error::ApiError;
use super::parameters::{Kind, Parameter, Query};
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, Page, ProductSummary, ProductView};
use crate::app::App;
use crate::commerce::changes::{category_tag, product_tag};
use crate::commerce::money::Paise;
use crate::commerce::products::{
    Image, Product, ProductFilter, ProductPosition, ProductQuery, ProductSort, StockFilter,
};
use crate::commerce::{related, search};
use crate::database::DatabaseError;

/// A page of products.
pub type ProductPage = Page<ProductSummary>;

/// Items when nobody says how many.
const LIMIT_DEFAULT: i64 = 24;
/// More would be a page nobody reads and an answer nobody wants to wait for.
const LIMIT_MAX: i64 = 100;
/// Ten million rupees in paise: no firework costs more.
const PRICE_MAX: i64 = 1_000_000_000;

const fn parameter(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        description,
    }
}

pub(super) const LIST: &[Parameter] = &[
    parameter("category", Kind::Text(100), "Category slug"),
    parameter("sub", Kind::Text(100), "Sub-category slug"),
    parameter(
        "q",
        Kind::Text(search::QUERY_CHARACTERS_MAX),
        "Words; typing errors and beginnings of words are fine",
    ),
    parameter("min", Kind::Integer(0, PRICE_MAX), "Least price in paise"),
    parameter("max", Kind::Integer(0, PRICE_MAX), "Highest price in paise"),
    parameter(
        "stock",
        Kind::Choice(&["in_stock", "low", "sold_out", "available"]),
        "What the stock must be",
    ),
    parameter(
        "featured",
        Kind::Choice(&["true", "false"]),
        "Only featured products, or only others",
    ),
    parameter(
        "tags",
        Kind::Text(200),
        "Tags separated by commas; all must be there",
    ),
    parameter(
        "sort",
        Kind::Choice(&[
            "new",
            "price",
            "-price",
            "name",
            "rating",
            "popular",
            "relevance",
        ]),
        "Order; relevance with q, popular without, unless said",
    ),
    parameter("cursor", Kind::Text(500), "next_cursor of the page before"),
    parameter(
        "limit",
        Kind::Integer(1, LIMIT_MAX),
        "Items on a page; 24 unless said",
    ),
];

pub(super) const SUGGEST: &[Parameter] = &[
    parameter(
        "q",
        Kind::Text(search::QUERY_CHARACTERS_MAX),
        "What has been typed so far",
    ),
    parameter("limit", Kind::Integer(1, 20), "Items; 8 unless said"),
];

/// Products whose names fit what has been typed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Suggestions {
    /// Best first.
    pub items: Vec<Suggestion>,
}

/// A product while its name is typed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Suggestion {
    /// Id.
    pub id: String,
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Category slug.
    pub category: String,
    /// What the shop asks.
    pub price: Money,
    /// Its first picture.
    pub image: Option<Image>,
}

/// A list's question, as far as the query says it.
struct Asked {
    filter: ProductFilter,
    words: Option<String>,
    sort: ProductSort,
    after: Option<ProductPosition>,
    limit: usize,
    /// What a cursor is bound to: everything but cursor and limit.
    binding: String,
}

impl Asked {
    fn of(query: &Query) -> Result<Self, ApiError> {
        let words = query
            .text("q")
            .map(str::trim)
            .filter(|q| !q.is_empty())
            .map(str::to_owned);
        let sort = match (query.text("sort").and_then(ProductSort::parse), &words) {
            (Some(ProductSort::Relevance) | None, Some(_)) => ProductSort::Relevance,
            (Some(ProductSort::Relevance) | None, None) => ProductSort::Popular,
            (Some(sort), _) => sort,
        };
        let filter = filter_of(query);
        let binding = format!("{filter:?} {words:?} {}", sort.as_str());
        let after = query
            .text("cursor")
            .map(|text| cursor::read(text, &binding))
            .transpose()?;
        let limit = query.number("limit").unwrap_or(LIMIT_DEFAULT);
        let limit = usize::try_from(limit).unwrap_or(1);
        Ok(Self {
            filter,
            words,
            sort,
            after,
            limit,
            binding,
        })
    }
}

fn filter_of(query: &Query) -> ProductFilter {
    let tags = query
        .text("tags")
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    let mut tags: Vec<_> = tags
        .filter(|tag| !tag.is_empty())
        .map(str::to_lowercase)
        .collect();
    tags.sort();
    tags.dedup();
    ProductFilter {
        category: query.text("category").map(str::to_owned),
        sub_category: query.text("sub").map(str::to_owned),
        price_min: query.number("min").map(Paise),
        price_max: query.number("max").map(Paise),
        stock: query.text("stock").and_then(StockFilter::parse),
        featured: query.text("featured").map(|featured| featured == "true"),
        tags,
    }
}

pub(super) async fn list(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let asked = Asked::of(&call.query)?;
    let key = format!("products\u{1f}{}", call.query.canonical());
    let tag = asked
        .filter
        .category
        .as_deref()
        .map_or_else(|| "products".to_owned(), category_tag);
    let make = async {
        let page = page(app, &asked).await?;
        Reply::public(&page, vec![tag, "categories".to_owned()])
    };
    app.answers.get(key, &app.metrics, make).await
}

async fn page(app: &App, asked: &Asked) -> Result<ProductPage, ApiError> {
    let (positioned, total) = match &asked.words {
        Some(words) => found(app, asked, words).await?,
        None => stored(app, asked).await?,
    };
    let last = positioned
        .get(asked.limit.saturating_sub(1))
        .filter(|_| positioned.len() > asked.limit);
    let next_cursor = last.map(|(position, _)| cursor::write(position, &asked.binding));
    let categories = app.database.categories().await?;
    let shown = positioned.iter().take(asked.limit);
    let items = shown
        .map(|(_, product)| ProductSummary::of(product, &categories))
        .collect();
    Ok(Page {
        items,
        next_cursor,
        total,
    })
}

type Positioned = (Vec<(ProductPosition, Product)>, Option<u64>);

/// A page from the database, one item longer than asked.
async fn stored(app: &App, asked: &Asked) -> Result<Positioned, ApiError> {
    let query = ProductQuery {
        filter: asked.filter.clone(),
        sort: asked.sort,
        after: asked.after.clone(),
        limit: u32::try_from(asked.limit + 1).unwrap_or(1),
    };
    let products = app.database.product_page(&query).await?;
    let total = app.database.product_count(&asked.filter).await?;
    let positioned = products
        .into_iter()
        .map(|product| (asked.sort.position(&product), product));
    Ok((positioned.collect(), Some(total)))
}

/// A page from the search index, one item longer than asked.
async fn found(app: &App, asked: &Asked, words: &str) -> Result<Positioned, ApiError> {
    require_index(app)?;
    let wanted = search::Wanted {
        words,
        filter: &asked.filter,
        sort: asked.sort,
        after: asked.after.as_ref(),
        limit: asked.limit + 1,
    };
    let found = app.search.find(&wanted);
    let ids: Vec<_> = found.places.iter().map(|place| place.id.clone()).collect();
    let products = app.database.products_by_ids(&ids).await?;
    let places = found.places.into_iter();
    // One that is gone since the index last heard is left out; the follower will tell the index within moments.
    let positioned = places.filter_map(|place| {
        let product = products.iter().find(|product| product.id == place.id)?;
        Some((place, product.clone()))
    });
    Ok((positioned.collect(), Some(found.total)))
}

/// An index that is not there yet would find nothing, and say so to everybody for minutes.
fn require_index(app: &App) -> Result<(), ApiError> {
    if app.search.is_built() {
        return Ok(());
    }
    Err(DatabaseError::Unavailable("the search index is not built yet".to_owned()).into())
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let product = app.database.product_by_id_or_slug(&call.segment).await?;
        let product = product.ok_or(ApiError::NotFound)?;
        let categories = app.database.categories().await?;
        let tags = vec![product_tag(&product.id), "categories".to_owned()];
        Reply::public(&ProductView::of(&product, &categories), tags)
    };
    app.answers
        .get(format!("product\u{1f}{}", call.segment), &app.metrics, make)
        .await
}

pub(super) async fn related(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let product = app.database.product_by_id_or_slug(&call.segment).await?;
        let product = product.ok_or(ApiError::NotFound)?;
        let found = related::related(&app.database, &product).await?;
        let categories = app.database.categories().await?;
        let mut tags = vec![
            product_tag(&product.id),
            category_tag(&product.category),
            "categories".to_owned(),
        ];
        if found.is_of_all {
            tags.push("products".to_owned());
        }
        let products = found.products.iter();
        let items = products.map(|one| ProductSummary::of(one, &categories));
        Reply::public(&Page::whole(items.collect()), tags)
    };
    let key = format!("related\u{1f}{}", call.segment);
    app.answers.get(key, &app.metrics, make).await
}

pub(super) async fn suggest(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        require_index(app)?;
        let words = call.query.text("q").unwrap_or_default();
        let limit = usize::try_from(call.query.number("limit").unwrap_or(8)).unwrap_or(8);
        let filter = ProductFilter::default();
        let sort = ProductSort::Relevance;
        let wanted = search::Wanted {
            words,
            filter: &filter,
            sort,
            after: None,
            limit,
        };
        let ids: Vec<_> = app
            .search
            .find(&wanted)
            .places
            .into_iter()
            .map(|place| place.id)
            .collect();
        let products = app.database.products_by_ids(&ids).await?;
        let items = products.into_iter().map(|product| Suggestion {
            image: product.images.into_iter().next(),
            id: product.id,
            slug: product.slug,
            name: product.name,
            category: product.category,
            price: product.price.into(),
        });
        Reply::public(
            &Suggestions {
                items: items.collect(),
            },
            vec!["products".to_owned()],
        )
    };
    let key = format!("suggest\u{1f}{}", call.query.canonical());
    app.answers.get(key, &app.metrics, make).await
}
