//! The table of routes: method, path, who may, what it takes and gives. One file for each area.

/// A row, and what it takes and gives.
macro_rules! row {
    ($method:ident $path:literal, $permission:expr, $handler:path, $summary:literal $(, $set:ident($($value:expr),*))*) => {
        Route::new(Method::$method, $path, $permission, $summary, |call| Box::pin($handler(call)))
            $(.$set($($value),*))*
    };
}

/// A row for a public GET that answers JSON of type `$kind`.
macro_rules! json {
    ($path:literal, $kind:ty, $parameters:expr, $handler:path, $summary:literal) => {
        row!(GET $path, Permission::Public, $handler, $summary, asked_by($parameters),
            answers(StatusCode::OK, schema_of::<$kind>))
    };
}

/// A row for a public GET that answers something else.
macro_rules! other {
    ($path:literal, $content_type:literal, $handler:path, $summary:literal) => {
        row!(GET $path, Permission::Public, $handler, $summary, answers_with($content_type))
    };
}

/// A row for a public POST that takes JSON of type `$body` and answers JSON of type `$kind`.
macro_rules! post {
    ($path:literal, $body:ty => $status:ident $kind:ty, needs_key: $needs_key:literal, $handler:path, $summary:literal) => {
        row!(POST $path, Permission::Public, $handler, $summary, takes(schema_of::<$body>), keyed($needs_key),
            answers(StatusCode::$status, schema_of::<$kind>))
    };
}

/// A row for an account's or staff's own: never kept, JSON both ways.
macro_rules! own {
    ($method:ident $path:literal, $permission:expr, $parameters:expr, $($body:ty)? => $status:ident $kind:ty, $handler:path, $summary:literal) => {
        row!($method $path, $permission, $handler, $summary, asked_by($parameters),
            answers(StatusCode::$status, schema_of::<$kind>) $(, takes(schema_of::<$body>))?)
    };
}

/// A row that takes a picture and answers JSON of type `$kind`, never kept.
macro_rules! picture {
    ($method:ident $path:literal, $permission:expr => $status:ident $kind:ty, $handler:path, $summary:literal) => {
        row!($method $path, $permission, $handler, $summary, takes_picture(),
            answers(StatusCode::$status, schema_of::<$kind>))
    };
}

/// A row for a file or a stream that not everybody sees.
macro_rules! private_file {
    ($path:literal, $permission:expr, $content_type:literal, $handler:path, $summary:literal) => {
        private_file!($path, $permission, &[], $content_type, $handler, $summary)
    };
    ($path:literal, $permission:expr, $parameters:expr, $content_type:expr, $handler:path, $summary:literal) => {
        row!(GET $path, $permission, $handler, $summary, asked_by($parameters), answers_with($content_type))
    };
}

/// A row for a POST of a sheet that answers JSON of type `$kind`, never kept.
macro_rules! sheet {
    ($path:literal, $permission:expr, $parameters:expr => $kind:ty, $handler:path, $summary:literal) => {
        row!(POST $path, $permission, $handler, $summary, asked_by($parameters), takes_sheet(),
            answers(StatusCode::OK, schema_of::<$kind>))
    };
}

mod account;
mod catalogue;
mod customer;
mod papers;
mod payments;
mod pictures;
mod service;
mod staff;
mod system;

use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::parameters::{CURSOR, LIMIT, NUMBER_CURSOR, Parameter};
use super::permission::Permission;
use super::routes::Route;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Which page of a list that is in order of number or time.
const PAGE: &[Parameter] = &[CURSOR, LIMIT];
/// The same of a list in order of number.
const NUMBER_PAGE: &[Parameter] = &[NUMBER_CURSOR, LIMIT];

/// Every route of the API. HEAD comes with GET.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [
        catalogue::ROUTES,
        customer::ROUTES,
        account::ROUTES,
        service::ROUTES,
        payments::ROUTES,
        papers::ROUTES,
        pictures::ROUTES,
        staff::ROUTES,
        system::ROUTES,
    ]
    .into_iter()
    .flatten()
}
