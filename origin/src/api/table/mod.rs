//! The table of routes: method, path, who may, what it takes and gives. One file for each area.

/// A row for a public GET that answers JSON of type `$kind`.
macro_rules! json {
    ($path:literal, $kind:ty, $parameters:expr, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::GET,
            permission: Permission::Public,
            summary: $summary,
            parameters: $parameters,
            body: None,
            takes_picture: false,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::OK,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a public GET that answers something else.
macro_rules! other {
    ($path:literal, $content_type:literal, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::GET,
            permission: Permission::Public,
            summary: $summary,
            parameters: &[],
            body: None,
            takes_picture: false,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::OK,
            content_type: $content_type,
            schema: None,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a public POST that takes JSON of type `$body` and answers JSON of type `$kind`.
macro_rules! post {
    ($path:literal, $body:ty => $status:ident $kind:ty, needs_key: $needs_key:literal, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::POST,
            permission: Permission::Public,
            summary: $summary,
            parameters: &[],
            body: Some(schema_of::<$body>),
            takes_picture: false,
            takes_sheet: false,
            needs_key: $needs_key,
            status: StatusCode::$status,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for an account's or staff's own: never kept, JSON both ways.
macro_rules! own {
    ($method:ident $path:literal, $permission:expr, $parameters:expr, $($body:ty)? => $status:ident $kind:ty, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::$method,
            permission: $permission,
            summary: $summary,
            parameters: $parameters,
            body: own!(@schema $($body)?),
            takes_picture: false,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::$status,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
    (@schema) => { None };
    (@schema $body:ty) => { Some(schema_of::<$body>) };
}

/// A row that takes a picture and answers JSON of type `$kind`, never kept.
macro_rules! picture {
    ($method:ident $path:literal, $permission:expr => $status:ident $kind:ty, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::$method,
            permission: $permission,
            summary: $summary,
            parameters: &[],
            body: None,
            takes_picture: true,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::$status,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a file or a stream that not everybody sees.
macro_rules! private_file {
    ($path:literal, $permission:expr, $content_type:literal, $handler:path, $summary:literal) => {
        private_file!($path, $permission, &[], $content_type, $handler, $summary)
    };
    ($path:literal, $permission:expr, $parameters:expr, $content_type:expr, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::GET,
            permission: $permission,
            summary: $summary,
            parameters: $parameters,
            body: None,
            takes_picture: false,
            takes_sheet: false,
            needs_key: false,
            status: StatusCode::OK,
            content_type: $content_type,
            schema: None,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a POST of a sheet that answers JSON of type `$kind`, never kept.
macro_rules! sheet {
    ($path:literal, $permission:expr, $parameters:expr => $kind:ty, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::POST,
            permission: $permission,
            summary: $summary,
            parameters: $parameters,
            body: None,
            takes_picture: false,
            takes_sheet: true,
            needs_key: false,
            status: StatusCode::OK,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
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

use super::parameters::{CURSOR, LIMIT, Parameter};
use super::permission::Permission;
use super::routes::Route;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Which page of a list that is in order of number or time.
const PAGE: &[Parameter] = &[CURSOR, LIMIT];

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
