//! `GET /api/categories`, `/api/categories/{slug}`.

use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::Page;
use crate::app::App;
use crate::commerce::categories::{Category, CategoryCount};
use crate::commerce::changes::category_tag;
use crate::commerce::products::Image;

/// All categories.
pub type CategoryPage = Page<CategoryView>;

/// A category with how much it holds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CategoryView {
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// Lists are in ascending order of it.
    pub position: i32,
    /// Active products in it.
    pub product_count: u64,
    /// Its picture.
    pub image: Option<Image>,
    /// Its parts.
    pub sub_categories: Vec<SubCategoryView>,
}

/// A part of a category.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SubCategoryView {
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Active products in it.
    pub product_count: u64,
}

impl CategoryView {
    fn of(category: Category, counts: &[CategoryCount]) -> Self {
        let count = counts.iter().find(|count| count.category == category.slug);
        let of_sub = |slug: &str| {
            let subs = count.map_or(&[][..], |count| &count.by_sub_category);
            subs.iter()
                .find(|(sub, _)| sub == slug)
                .map_or(0, |(_, products)| *products)
        };
        let sub_categories = category
            .sub_categories
            .into_iter()
            .map(|sub| SubCategoryView {
                product_count: of_sub(&sub.slug),
                slug: sub.slug,
                name: sub.name,
            });
        Self {
            sub_categories: sub_categories.collect(),
            product_count: count.map_or(0, |count| count.products),
            slug: category.slug,
            name: category.name,
            description: category.description,
            position: category.position,
            image: category.image,
        }
    }
}

/// All that are not archived.
async fn all(app: &App) -> Result<Vec<CategoryView>, ApiError> {
    let counts = app.database.category_counts().await?;
    let categories = app.database.categories().await?;
    let shown = categories.into_iter().filter(|category| category.active);
    Ok(shown
        .map(|category| CategoryView::of(category, &counts))
        .collect())
}

pub(super) async fn list(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make =
        async { Reply::public(&Page::whole(all(app).await?), vec!["categories".to_owned()]) };
    app.answers
        .get("categories".to_owned(), &app.metrics, make)
        .await
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let categories = all(app).await?;
        let found = categories
            .into_iter()
            .find(|category| category.slug == call.segment);
        let tags = vec!["categories".to_owned(), category_tag(&call.segment)];
        Reply::public(&found.ok_or(ApiError::NotFound)?, tags)
    };
    app.answers
        .get(
            format!("category\u{1f}{}", call.segment),
            &app.metrics,
            make,
        )
        .await
}
