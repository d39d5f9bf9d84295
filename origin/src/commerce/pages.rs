//! Pages that staff write: terms, privacy, safety, about, shipping. A page is blocks of plain text, so that nothing that is
//! typed there can become markup anywhere.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes::page_tag;
use super::records::{Kept, Stored, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// The most blocks of a page.
const BLOCKS_MAX: usize = 200;
/// The most items of a list.
const ITEMS_MAX: usize = 50;
/// The most characters of a paragraph.
const PARAGRAPH_CHARACTERS_MAX: usize = 2000;
/// The most characters of a heading, and of a page's title.
const HEADING_CHARACTERS_MAX: usize = 150;
/// The most characters of a list's item.
const ITEM_CHARACTERS_MAX: usize = 500;

/// The pages there are.
pub const SLUGS: [&str; 5] = ["about", "privacy", "safety", "shipping", "terms"];

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// Begins a part.
    Heading {
        /// Plain text, 1 to 150 characters.
        text: String,
    },
    /// Running text.
    Paragraph {
        /// Plain text, 1 to 2000 characters.
        text: String,
    },
    /// Things one under the other.
    List {
        /// Plain text each, 1 to 500 characters; 1 to 50 of them.
        items: Vec<String>,
    },
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Page {
    /// One of [`SLUGS`].
    pub slug: String,
    /// Plain text, 1 to 150 characters.
    pub title: String,
    /// 1 to 200 of them.
    pub blocks: Vec<Block>,
    /// When staff last wrote it; `None` for the text that comes with the program.
    pub updated_at: Option<Timestamp>,
}

impl Kept for Page {
    const KIND: &'static str = "page";

    fn id(&self) -> &str {
        &self.slug
    }
}

impl Page {
    /// The text that comes with the program; `None` for a page that there is not.
    pub fn default_of(slug: &str) -> Option<Self> {
        let text = match slug {
            "about" => include_str!("pages/about.json"),
            "privacy" => include_str!("pages/privacy.json"),
            "safety" => include_str!("pages/safety.json"),
            "shipping" => include_str!("pages/shipping.json"),
            "terms" => include_str!("pages/terms.json"),
            _ => return None,
        };
        // The texts are compiled in, and a test reads each.
        serde_json::from_str(text).ok()
    }

    /// Everything that is wrong with it: JSON pointers, and what would be accepted.
    pub fn wrong(&self) -> Vec<(String, &'static str)> {
        let mut wrong = Vec::new();
        let mut expect = |is_good: bool, pointer: String, expected| {
            if !is_good {
                wrong.push((pointer, expected));
            }
        };
        let is_heading = |text: &str| is_text(text, HEADING_CHARACTERS_MAX);
        expect(
            is_heading(&self.title),
            "/title".to_owned(),
            "expected 1 to 150 characters",
        );
        expect(
            (1..=BLOCKS_MAX).contains(&self.blocks.len()),
            "/blocks".to_owned(),
            "expected 1 to 200 blocks",
        );
        for (place, block) in self.blocks.iter().take(BLOCKS_MAX).enumerate() {
            match block {
                Block::Heading { text } => expect(
                    is_heading(text),
                    format!("/blocks/{place}/text"),
                    "expected 1 to 150 characters",
                ),
                Block::Paragraph { text } => expect(
                    is_text(text, PARAGRAPH_CHARACTERS_MAX),
                    format!("/blocks/{place}/text"),
                    "expected 1 to 2000 characters",
                ),
                Block::List { items } => expect(
                    (1..=ITEMS_MAX).contains(&items.len())
                        && items.iter().all(|item| is_text(item, ITEM_CHARACTERS_MAX)),
                    format!("/blocks/{place}/items"),
                    "expected 1 to 50 items of 1 to 500 characters",
                ),
            }
        }
        wrong
    }
}

fn is_text(text: &str, most: usize) -> bool {
    let count = text.chars().count();
    !text.trim().is_empty() && count <= most && !text.chars().any(char::is_control)
}

/// The page as staff wrote it, or as it comes with the program, in version 0; `None` for a page that there is not.
///
/// # Errors
/// What the database fails with.
pub async fn page(database: &Database, slug: &str) -> Answer<Option<Stored<Page>>> {
    let Some(value) = Page::default_of(slug) else {
        return Ok(None);
    };
    let written = database.get::<Page>(slug).await?;
    Ok(Some(written.unwrap_or(Stored { version: 0, value })))
}

/// Writes a page in the place of the one of this version; says which version it is now.
///
/// # Errors
/// [`DatabaseError::VersionConflict`] where somebody else wrote it in between, or what the database fails with.
pub async fn put_page(
    database: &Database,
    page: &Page,
    expected: i64,
    at: Timestamp,
) -> Answer<i64> {
    let writes = Writes::default().change("page", &page.slug, vec![page_tag(&page.slug)]);
    let writes = if expected == 0 {
        writes.with(page)?
    } else {
        let before = Stored {
            version: expected,
            value: page.clone(),
        };
        writes.replace(&before)?
    };
    match database.write_records(&writes, at).await {
        Err(DatabaseError::AlreadyExists(_)) => {
            let found = database.get::<Page>(&page.slug).await?;
            let actual = found.map_or(0, |found| found.version);
            Err(DatabaseError::VersionConflict { expected, actual })
        }
        done => done.map(|()| expected + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_text_that_staff_could_have_written() {
        for slug in SLUGS {
            let page = Page::default_of(slug).unwrap();
            assert_eq!((page.slug.as_str(), page.wrong()), (slug, Vec::new()));
        }
        assert_eq!(Page::default_of("imprint"), None);
    }

    #[test]
    fn every_wrong_place_of_a_page_is_named() {
        let text = |text: &str| text.to_owned();
        let page = Page {
            slug: text("about"),
            title: text(" "),
            blocks: vec![
                Block::Heading {
                    text: "x".repeat(151),
                },
                Block::Paragraph {
                    text: text("a\u{7}"),
                },
                Block::List { items: Vec::new() },
            ],
            updated_at: None,
        };
        let wrong: Vec<_> = page.wrong().into_iter().map(|(place, _)| place).collect();
        assert_eq!(
            wrong,
            [
                "/title",
                "/blocks/0/text",
                "/blocks/1/text",
                "/blocks/2/items"
            ]
        );
    }
}
