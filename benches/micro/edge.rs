//! Parts of the edge: a cache key, a route, a head, the compression of an answer that is kept.

use std::hint::black_box;

use crackers_proxy::accept::head;
use crackers_proxy::cache::{encodings, key};
use crackers_proxy::config::{Config, DEFAULTS};
use criterion::{Criterion, criterion_group, criterion_main};

const HEAD: &[u8] = b"GET /api/products?category=rockets&sort=price&limit=24 HTTP/1.1\r\nHost: shop.example.in\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ta-IN,en;q=0.8\r\nCookie: session=abcdef\r\n\
    Sec-Fetch-Mode: cors\r\nReferer: https://shop.example.in/catalogue/rockets\r\n\r\n";

fn edge(criterion: &mut Criterion) {
    let config: Config = serde_yaml::from_str(DEFAULTS).expect("the defaults parse");
    let path = "/api/products";
    let route = config.cache.route(path).expect("products are kept");
    let query = Some("category=rockets&sort=price&limit=24");
    criterion.bench_function("edge/cache_key", |bench| {
        bench.iter(|| {
            key::of(
                "http",
                "shop.example.in",
                black_box(path),
                black_box(query),
                route,
            )
        });
    });
    criterion.bench_function("edge/cache_route", |bench| {
        bench.iter(|| config.cache.route(black_box(path)))
    });
    criterion.bench_function("edge/judge_head", |bench| {
        bench.iter(|| head::judge(black_box(HEAD), 1 << 20))
    });
    // A page of products, about 13 kB.
    let list = include_bytes!("list.json");
    let levels = (config.cache.gzip_level, config.cache.brotli_level);
    criterion.bench_function("edge/compress", |bench| {
        bench.iter(|| encodings::compress(black_box(list), levels));
    });
}

criterion_group!(benches, edge);
criterion_main!(benches);
