//! What machines and programmers ask.

use super::super::{docs, health, openapi, sitemap};
use super::{Method, Permission, Route, StatusCode, schema_of};

pub(super) static ROUTES: &[Route] = &[
    json!(
        "/api/health",
        health::Health,
        &[],
        health::show,
        "Whether the shop can work, its database included"
    ),
    json!(
        "/api/health/live",
        health::Live,
        &[],
        health::live,
        "Whether this process serves"
    ),
    other!(
        "/api/openapi.json",
        "application/json",
        openapi::show,
        "This description"
    ),
    other!(
        "/api/docs",
        "text/html",
        docs::show,
        "This description for people"
    ),
    other!(
        "/sitemap.xml",
        "application/xml",
        sitemap::sitemap,
        "Pages for search engines"
    ),
    other!(
        "/robots.txt",
        "text/plain",
        sitemap::robots,
        "What search engines may read"
    ),
];
