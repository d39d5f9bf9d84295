//! The way from a request to its handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

use super::context::RequestContext;
use super::error::ApiError;
use super::parameters::Query;
use super::permission::{self, Asker};
use super::response::{Reply, failure, finish};
use super::routes::{Call, Route, routes};
use super::staff;
use crate::accept::{self, Body};
use crate::app::App;
use crate::assets;

/// The routes, ready for look-up: all methods of a path together.
pub struct Router(matchit::Router<Vec<&'static Route>>);

impl Router {
    /// The table, ready for look-up.
    ///
    /// # Panics
    /// Never: the table is constant, and a test makes a router of it.
    pub fn new() -> Self {
        let mut by_path: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
        for route in routes() {
            by_path.entry(route.path).or_default().push(route);
        }
        let mut router = matchit::Router::new();
        for (path, routes) in by_path {
            router
                .insert(path, routes)
                .expect("the patterns of the table do not collide");
        }
        Self(router)
    }

    /// The most bytes of a body that this address takes.
    pub fn body_bytes_max(&self, method: &Method, path: &str, config: &accept::Config) -> usize {
        let found = self.0.at(path).ok();
        let mut routes = found.iter().flat_map(|found| found.value.iter());
        match routes.find(|route| route.method == *method) {
            Some(route) if route.takes_picture => config.picture_bytes_max,
            Some(route) if route.takes_sheet => config.sheet_bytes_max,
            _ => config.body_bytes_max,
        }
    }

    /// The routes of a path, and the segment that their pattern leaves open.
    fn find(&self, path: &str) -> Option<(&[&'static Route], String)> {
        let found = self.0.at(path).ok()?;
        let segment = found.params.iter().next().map_or("", |(_, value)| value);
        let segment = percent_encoding::percent_decode_str(segment)
            .decode_utf8()
            .ok()?;
        Some((found.value, segment.into_owned()))
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// What customers may send to a shop that only lets them look: it changes nothing, lets staff in, ends the sender's own session,
/// which somebody else may have, or says that money is there, for which the order would expire otherwise.
const READ_ONLY_TAKES: &[&str] = &[
    "/api/cart/quote",
    "/api/orders/track",
    "/api/admin/login",
    "/api/auth/logout",
    "/api/auth/sessions",
    "/api/payments/webhook",
    "/api/track/{token}/payment",
    "/api/track/{token}/payment/proof",
    "/api/orders/{id}/payments",
    "/api/orders/{id}/payments/proof",
    "/api/track/{token}/gateway/confirm",
    "/api/orders/{id}/gateway/confirm",
];

/// Refuses what customers send while staff let them only look.
async fn check_read_only(app: &App, route: &Route, call: &Call) -> Result<(), ApiError> {
    let is_of_staff = matches!(call.asker, Asker::Staff(..));
    if is_of_staff || READ_ONLY_TAKES.contains(&route.path) {
        return Ok(());
    }
    let shop = app.shop_settings().await?;
    if shop.is_some_and(|shop| shop.read_only) {
        return Err(ApiError::ReadOnly);
    }
    Ok(())
}

/// The methods of a path, as `Allow` lists them.
fn allowed(routes: &[&Route]) -> String {
    let mut methods: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

/// Answers a request, whatever it is.
pub async fn answer(
    app: Arc<App>,
    context: RequestContext,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let begun = app.clock.now_microseconds();
    let (route, result) = dispatch(&app, &context, &headers, body).await;
    let response = match result {
        Ok(reply) => finish(&app, &context, &headers, reply),
        Err(error) => failure(&app, &context, &error),
    };
    let status = response.status();
    app.metrics
        .requests
        .with_label_values(&[route, status.as_str()])
        .inc();
    let microseconds = app.clock.now_microseconds() - begun;
    let seconds = app.metrics.request_seconds.with_label_values(&[route]);
    seconds.observe(
        std::time::Duration::from_micros(microseconds.max(0).unsigned_abs()).as_secs_f64(),
    );
    response
}

/// The route's name for the metrics, and what came of it.
async fn dispatch(
    app: &Arc<App>,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Bytes,
) -> (&'static str, Result<Reply, ApiError>) {
    let reads = context.method == Method::GET || context.method == Method::HEAD;
    let Some((routes, segment)) = app.router.find(&context.path) else {
        if context.path.starts_with("/api/") {
            return ("unknown", Err(ApiError::NotFound));
        }
        if !reads {
            let allowed = "GET, HEAD".to_owned();
            return ("assets", Err(ApiError::MethodNotAllowed(allowed)));
        }
        return ("assets", assets::answer(app, &context.path).await);
    };
    let wanted = if reads { &Method::GET } else { &context.method };
    let Some(route) = routes.iter().find(|route| route.method == *wanted) else {
        return ("other", Err(ApiError::MethodNotAllowed(allowed(routes))));
    };
    let query = match Query::read(&context.query, route.parameters) {
        Ok(query) => query,
        Err(error) => return (route.path, Err(error)),
    };
    let asker = match permission::check(app, route.permission, headers, reads).await {
        Ok(asker) => asker,
        Err(error) => return (route.path, Err(error)),
    };
    let call = Call {
        asker,
        request_id: context.request_id.clone(),
        app: Arc::clone(app),
        headers: headers.clone(),
        body,
        segment,
        query,
    };
    if !reads && let Err(error) = check_read_only(app, route, &call).await {
        return (route.path, Err(error));
    }
    let writes = !reads && matches!(call.asker, Asker::Staff(..));
    if writes
        && let Err(error) =
            staff::write_down(&call, format!("{} {}", context.method, context.path)).await
    {
        return (route.path, Err(error));
    }
    let answered = (route.handler)(call).await;
    if !reads {
        app.written.notify_one();
    }
    let succeeded = answered.map(|reply| Reply {
        status: if reply.status == StatusCode::OK {
            route.status
        } else {
            reply.status
        },
        ..reply
    });
    (route.path, succeeded)
}

#[cfg(test)]
mod tests {
    use crackers_shared::session_cookie::{CUSTOMER_COOKIE, STAFF_COOKIE};

    use super::*;
    use crate::commerce::accounts::{Session, Subject};
    use crate::commerce::records::Writes;
    use crate::commerce::staff::{Role, StaffMember};

    /// What the browser of somebody who has logged in sends.
    async fn logged_in(app: &App, cookie: &str, subject: Subject) -> HeaderMap {
        let now = app.clock.now();
        let session = Session::begun(subject, now);
        let writes = Writes::default().with(&session).unwrap();
        app.database.write_records(&writes, now).await.unwrap();
        let cookie = format!("{cookie}={}", session.cookie(&app.session_keys));
        let cookie = (http::header::COOKIE, cookie.parse().unwrap());
        HeaderMap::from_iter([cookie])
    }

    /// Everybody there is, with what their browsers send.
    async fn everybody(app: &App) -> Vec<(&'static str, HeaderMap)> {
        let customer = Subject::Customer("meena".to_owned());
        let customer = logged_in(app, CUSTOMER_COOKIE, customer).await;
        let mut all = vec![("nobody", HeaderMap::new()), ("customer", customer)];
        for (name, role) in [
            ("moderator", Role::Moderator),
            ("admin", Role::Admin),
            ("super_admin", Role::SuperAdmin),
        ] {
            let now = app.clock.now();
            let member = StaffMember::new(name, name, role, "a long enough password", now);
            let writes = Writes::default().with(&member).unwrap();
            app.database.write_records(&writes, now).await.unwrap();
            let staff = Subject::Staff(member.id);
            all.push((name, logged_in(app, STAFF_COOKIE, staff).await));
        }
        all
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_may_use_a_route_is_that_of_the_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::in_folder(folder.path(), |_| ()).await;
        let everybody = everybody(&app).await;
        let mut table = BTreeMap::new();
        for route in routes() {
            let mut may = Vec::new();
            for (who, headers) in &everybody {
                match permission::check(&app, route.permission, headers, true).await {
                    Ok(_) => may.push(*who),
                    Err(ApiError::NotLoggedIn | ApiError::NotPermitted(_)) => {}
                    Err(error) => unreachable!("{} as {who}: {error}", route.path),
                }
            }
            table.insert(format!("{} {}", route.method, route.path), may.join(", "));
        }
        insta::assert_yaml_snapshot!(table);
    }

    #[test]
    fn the_table_is_that_of_the_snapshot() {
        let rows: Vec<_> = routes()
            .map(|route| {
                format!(
                    "{} {} {:?} {}",
                    route.method, route.path, route.permission, route.content_type
                )
            })
            .collect();
        insta::assert_yaml_snapshot!(rows);
    }

    #[test]
    fn a_literal_path_goes_before_a_pattern() {
        let router = Router::new();
        assert_eq!(
            router.find("/api/products/suggest").unwrap().0[0].path,
            "/api/products/suggest"
        );
        let (routes, segment) = router.find("/api/products/a%20b").unwrap();
        assert_eq!(
            (routes[0].path, segment.as_str()),
            ("/api/products/{id}", "a b")
        );
    }
}
