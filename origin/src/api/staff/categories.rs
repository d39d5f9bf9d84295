//! Categories, as staff make and change them. A slug stays, and so does a category, since products refer to it: one that holds
//! no active product can be archived.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expected_version;
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::orders::conflict;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::commerce::categories::{Category, SubCategory};
use crate::commerce::product_rules::{SLUG, is_slug, is_text};
use crate::commerce::products::Image;
use crate::database::DatabaseError;

/// The most sub-categories of a category.
const SUB_CATEGORIES_MAX: usize = 50;

/// What a category is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryTerms {
    /// Name for people, 1 to 100 characters.
    pub name: String,
    /// Plain text, at most 2000 characters.
    #[serde(default)]
    pub description: String,
    /// Lists are in ascending order of it.
    #[serde(default)]
    pub position: i32,
    /// Its parts, in their order of display; at most 50.
    #[serde(default)]
    pub sub_categories: Vec<SubCategoryTerms>,
    /// Public, or archived: then no active product may be in it.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// What a part of a category is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubCategoryTerms {
    /// Name in URLs, unique within the category: lower-case letters, digits and hyphens.
    pub slug: String,
    /// Name for people, 1 to 100 characters.
    pub name: String,
}

/// A new category.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCategory {
    /// Name in URLs: lower-case letters, digits and hyphens. It stays.
    pub slug: String,
    /// What it is.
    pub terms: CategoryTerms,
}

/// A category, as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffCategoryView {
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// Lists are in ascending order of it.
    pub position: i32,
    /// Its parts.
    pub sub_categories: Vec<SubCategoryTerms>,
    /// Public or archived.
    pub active: bool,
    /// Its picture.
    pub image: Option<Image>,
    /// What `If-Match` names.
    pub version: i64,
}

/// All categories.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffCategoryPage {
    /// In order of position.
    pub items: Vec<StaffCategoryView>,
}

impl From<&Category> for StaffCategoryView {
    fn from(category: &Category) -> Self {
        let parts = category.sub_categories.iter().map(|part| SubCategoryTerms {
            slug: part.slug.clone(),
            name: part.name.clone(),
        });
        Self {
            slug: category.slug.clone(),
            name: category.name.clone(),
            description: category.description.clone(),
            position: category.position,
            sub_categories: parts.collect(),
            active: category.active,
            image: category.image.clone(),
            version: category.version,
        }
    }
}

impl CategoryTerms {
    /// Everything that is wrong with it, under `at`.
    fn problems(&self, at: &str) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        let mut expect = |is_good: bool, field: String, detail: &str| {
            if !is_good {
                let pointer = format!("{at}/{field}");
                wrong.push(FieldError::at(pointer, "invalid_field", detail));
            }
        };
        let is_name = |name: &str| is_text(name, 1, 100) && !name.trim().is_empty();
        let name_detail = "expected 1 to 100 characters";
        expect(is_name(&self.name), "name".to_owned(), name_detail);
        expect(
            is_text(&self.description, 0, 2000),
            "description".to_owned(),
            "expected at most 2000 characters",
        );
        let parts = &self.sub_categories;
        if parts.len() > SUB_CATEGORIES_MAX {
            expect(false, "sub_categories".to_owned(), "expected at most 50");
            return wrong;
        }
        for (place, part) in parts.iter().enumerate() {
            let is_again = parts[..place].iter().any(|other| other.slug == part.slug);
            expect(
                is_slug(&part.slug) && !is_again,
                format!("sub_categories/{place}/slug"),
                &format!("expected {SLUG}, and no other part's slug"),
            );
            expect(
                is_name(&part.name),
                format!("sub_categories/{place}/name"),
                name_detail,
            );
        }
        wrong
    }

    fn applied_to(self, before: Category, at: &str) -> Result<Category, ApiError> {
        let wrong = self.problems(at);
        if !wrong.is_empty() {
            return Err(ApiError::BadBody(wrong));
        }
        let parts = self.sub_categories.into_iter().map(|part| SubCategory {
            slug: part.slug,
            name: part.name.trim().to_owned(),
        });
        Ok(Category {
            name: self.name.trim().to_owned(),
            description: self.description,
            position: self.position,
            sub_categories: parts.collect(),
            active: self.active,
            ..before
        })
    }
}

pub(super) fn shown(status: StatusCode, category: &Category) -> Result<Reply, ApiError> {
    let mut reply = Reply::fresh(status, &StaffCategoryView::from(category))?;
    reply.etag = Some(format!("\"{}\"", category.version));
    Ok(reply)
}

pub(super) async fn required(call: &Call) -> Result<Category, ApiError> {
    let all = call.app.database.categories().await?;
    let found = all.into_iter().find(|one| one.slug == call.segment);
    found.ok_or(ApiError::NotFound)
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let all = call.app.database.categories().await?;
    let items = all.iter().map(StaffCategoryView::from).collect();
    Reply::fresh(StatusCode::OK, &StaffCategoryPage { items })
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(StatusCode::OK, &required(&call).await?)
}

pub(in crate::api) async fn create(call: Call) -> Result<Reply, ApiError> {
    let new: NewCategory = body::json(&call)?;
    if !is_slug(&new.slug) {
        return Err(wrong_field("/slug", &format!("expected {SLUG}")));
    }
    let blank = Category {
        slug: new.slug,
        legacy_id: None,
        name: String::new(),
        description: String::new(),
        position: 0,
        image: None,
        sub_categories: Vec::new(),
        active: true,
        version: 1,
    };
    let category = new.terms.applied_to(blank, "/terms")?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let made = database.put_category(&category, None, at).await?;
    shown(StatusCode::CREATED, &made)
}

pub(in crate::api) async fn replace(call: Call) -> Result<Reply, ApiError> {
    let terms: CategoryTerms = body::json(&call)?;
    let expected = expected_version(&call)?;
    let before = required(&call).await?;
    if before.version != expected {
        let actual = before.version;
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let parts = before.sub_categories.clone();
    let category = terms.applied_to(before, "")?;
    check_in_use(&call, &category, &parts).await?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let changed = database.put_category(&category, Some(expected), at).await?;
    shown(StatusCode::OK, &changed)
}

/// Refuses to archive a category, and to drop a part of one, that active products are shown under.
async fn check_in_use(
    call: &Call,
    category: &Category,
    parts_before: &[SubCategory],
) -> Result<(), ApiError> {
    let counts = call.app.database.category_counts().await?;
    let count = counts.iter().find(|one| one.category == category.slug);
    let products = count.map_or(0, |count| count.products);
    if !category.active && products > 0 {
        let detail =
            format!("{products} active products are in it; archive them or move them first.");
        return Err(conflict("category_in_use", detail));
    }
    let used = count.map_or(&[][..], |one| &one.by_sub_category);
    // Of a part that it never had nothing is dropped.
    let had = |slug: &str| parts_before.iter().any(|part| part.slug == slug);
    let is_dropped = |slug: &str| had(slug) && !category.has_part(slug);
    match used.iter().find(|(slug, _)| is_dropped(slug)) {
        Some((slug, products)) => {
            let detail = format!("{products} products are in the sub-category {slug}.");
            Err(conflict("sub_category_in_use", detail))
        }
        None => Ok(()),
    }
}
