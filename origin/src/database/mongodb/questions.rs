//! Questions that name their longest time to the server: whoever asked has gone after it, and the server stops working.

use mongodb::Collection;
use mongodb::action::{Aggregate, CountDocuments, Find, FindOne};
use mongodb::bson::Document;

use super::Mongo;

impl Mongo {
    /// Documents that a filter finds, within `query_timeout_ms`.
    pub(super) fn find<'a>(
        &self,
        collection: &'a Collection<Document>,
        filter: Document,
    ) -> Find<'a, Document> {
        collection.find(filter).max_time(self.0.query_timeout)
    }

    /// The first document that a filter finds, within `query_timeout_ms`.
    pub(super) fn find_one<'a>(
        &self,
        collection: &'a Collection<Document>,
        filter: Document,
    ) -> FindOne<'a, Document> {
        collection.find_one(filter).max_time(self.0.query_timeout)
    }

    /// How many documents a filter finds, within `query_timeout_ms`.
    pub(super) fn count<'a>(
        &self,
        collection: &'a Collection<Document>,
        filter: Document,
    ) -> CountDocuments<'a> {
        collection
            .count_documents(filter)
            .max_time(self.0.query_timeout)
    }

    /// What the steps of an aggregation make of the documents, within `query_timeout_ms`.
    pub(super) fn aggregate<'a>(
        &self,
        collection: &'a Collection<Document>,
        steps: impl IntoIterator<Item = Document>,
    ) -> Aggregate<'a> {
        collection.aggregate(steps).max_time(self.0.query_timeout)
    }
}
