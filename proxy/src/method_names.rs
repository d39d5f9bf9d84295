//! Methods as the configuration names them.

use http::Method;

use crackers_shared::config_file::Problems;

/// Reports under `path` what no request's method is: methods are told apart by large and small letters (RFC 9110 9.1), and all
/// that are known are written large.
pub(crate) fn check(methods: &[String], path: &str, problems: &mut Problems) {
    for (index, method) in methods.iter().enumerate() {
        let is_method = Method::from_bytes(method.as_bytes()).is_ok();
        problems.require(
            is_method && !method.bytes().any(|byte| byte.is_ascii_lowercase()),
            format!("{path}.{index}"),
            format!("{method:?} is no method: they are written large"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_written_small_or_is_no_token_is_refused() {
        for (method, is_good) in [
            ("GET", true),
            ("M-SEARCH", true),
            ("get", false),
            ("Get", false),
            ("GET ", false),
            ("", false),
        ] {
            let mut problems = Problems::default();
            check(&[method.to_owned()], "admit.methods", &mut problems);
            assert_eq!(problems.entries().is_empty(), is_good, "{method:?}");
        }
    }
}
