//! The only `impl ProxyHttp`.
