//! Paths as the configuration names them: `*` stands for one segment, `/**` at the end for the path before it and everything
//! below.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crackers_shared::config_file::Problems;

/// Reports under `path` that there is no pattern, or one that is none.
pub fn check_all(patterns: &[String], path: &str, problems: &mut Problems) {
    problems.require(!patterns.is_empty(), path, "needs at least one path");
    for (index, pattern) in patterns.iter().enumerate() {
        check(pattern, format!("{path}.{index}"), problems);
    }
}

/// Reports a pattern under `path` that is none.
pub fn check(pattern: &str, path: String, problems: &mut Problems) {
    let inner = pattern.strip_suffix("/**").unwrap_or(pattern);
    let is_good = pattern.starts_with('/')
        && inner
            .split('/')
            .all(|segment| segment == "*" || !segment.contains('*'));
    problems.require(
        is_undisguised(pattern),
        path.as_str(),
        format!(
            "expected a path without disguise (%, \\, ;, an empty segment, . or ..), as requests are compared with it, got {pattern:?}"
        ),
    );
    problems.require(
        is_good,
        path,
        format!("expected a path such as /api/orders/*/payments or /api/cart/**, got {pattern:?}"),
    );
}

/// Whether it names a path as it is once all disguise is off, which is how requests are compared with it.
fn is_undisguised(pattern: &str) -> bool {
    let inner = pattern.strip_suffix("/**").unwrap_or(pattern);
    let mut segments = inner.split('/').skip(1);
    pattern == "/"
        || (!pattern.contains(['%', '\\', ';'])
            && segments.all(|segment| !matches!(segment, "" | "." | "..")))
}

/// Whether a path is one of those meant.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, goes_on) = match pattern.strip_suffix("/**") {
        Some(beginning) => (beginning, true),
        None => (pattern, false),
    };
    // Most name every segment.
    if !pattern.contains('*') {
        let behind = path.strip_prefix(pattern);
        return behind.is_some_and(|rest| rest.is_empty() || goes_on && rest.starts_with('/'));
    }
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match segments.next() {
            Some(segment) if wanted == "*" || wanted == segment => {}
            _ => return false,
        }
    }
    goes_on || segments.next().is_none()
}

/// Whether a path is one of those meant to anybody who might read it: as it is, or with its escapes, dots, backslashes and
/// empty segments undone. For rules that keep people out, whatever the origin makes of a path.
pub fn matches_however_read(pattern: &str, path: &str) -> bool {
    however_read(path, |path| matches(pattern, path))
}

/// Whether a path begins so to anybody who might read it, as in [`matches_however_read`].
pub fn begins_however_read(prefix: &str, path: &str) -> bool {
    however_read(path, |path| path.starts_with(prefix))
}

fn however_read(path: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    is_meant(path)
        || (is_odd(path) && is_meant(&plain(path)))
        // Somebody may undo the escapes of escapes, too.
        || (path.contains("%25") && is_meant(&plain(&plain(path))))
}

fn is_odd(path: &str) -> bool {
    let mut follows_slash = false;
    path.bytes().any(|byte| match byte {
        b'%' | b'\\' | b';' => true,
        b'/' | b'.' if follows_slash => true,
        _ => {
            follows_slash = byte == b'/';
            false
        }
    })
}

fn plain(path: &str) -> String {
    let decoded: Cow<'_, str> = percent_decode_str(path).decode_utf8_lossy();
    let mut kept = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        // What follows a semicolon are parameters to some (RFC 3986 3.3).
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_and_two_are_all_that_follow() {
        for (pattern, path, fits) in [
            ("/api/orders", "/api/orders", true),
            ("/api/orders", "/api/orders/", false),
            ("/api/orders", "/api/orders2", false),
            ("/api/orders/*/pay", "/api/orders/17/pay", true),
            ("/api/orders/*/pay", "/api/orders/17/18/pay", false),
            ("/api/orders/*/pay", "/api/orders/17", false),
            ("/api/cart/**", "/api/cart", true),
            ("/api/cart/**", "/api/cart/lines/3", true),
            ("/api/cart/**", "/api/cartoons", false),
            ("/**", "/", true),
            ("/**", "/anything/at/all", true),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_in_disguise_is_refused() {
        for (pattern, is_good) in [
            ("/", true),
            ("/**", true),
            ("/.well-known/**", true),
            ("/api/*/v1.2", true),
            ("/%61dmin", false),
            ("/admin;a=b", false),
            ("/api\\admin", false),
            ("//admin", false),
            ("//**", false),
            ("/api//**", false),
            ("/admin/", false),
            ("/api/./admin", false),
            ("/api/../**", false),
        ] {
            let mut problems = Problems::default();
            check(pattern, "admit.rules.0.paths.0".to_owned(), &mut problems);
            assert_eq!(problems.entries().is_empty(), is_good, "{pattern}");
            let mut said = problems.entries().iter();
            assert!(said.all(|(_, why)| why.contains("without disguise")));
        }
    }

    #[test]
    fn a_path_in_disguise_is_the_same_path() {
        for path in [
            "/api/admin/orders",
            "//api//admin/orders",
            "/api/%61dmin/orders",
            "/api/x/../admin/orders",
            "/api/x/%2e%2e/admin",
            "/api/./admin",
            "/api\\admin",
            "/api%5cadmin",
            "/api%2fadmin",
            "/api/%2561dmin",
            "/api;a=b/admin;c/orders",
        ] {
            assert!(matches_however_read("/api/admin/**", path), "{path}");
        }
        for path in [
            "/api/administration",
            "/api",
            "/x/api/admin",
            "/api/%ff/admin",
        ] {
            assert!(!matches_however_read("/api/admin/**", path), "{path}");
        }
        for path in [
            "/api/auth/otp",
            "//api/auth/otp",
            "/api/%61uth/otp",
            "/x/../api/%2561uth/otp",
        ] {
            assert!(begins_however_read("/api/auth/", path), "{path}");
        }
        assert!(!begins_however_read("/api/auth/", "/api/%2fauthors"));
    }
}
