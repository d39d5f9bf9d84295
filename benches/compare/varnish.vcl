vcl 4.1;
# A peer with the same duties but a limit: cache, compression once, an access log (varnishncsa, counted with it).
backend origin { .host = "127.0.0.1"; .port = "@ORIGIN@"; }
sub vcl_recv {
  if (req.url ~ "^/api/health") { return (pass); }
}
sub vcl_backend_response {
  unset beresp.http.CDN-Cache-Control;
  unset beresp.http.Cache-Tag;
  if (beresp.status == 200 && !bereq.uncacheable) {
    set beresp.ttl = 300s;
    if (beresp.http.Content-Type ~ "json|text|javascript|svg") { set beresp.do_gzip = true; }
    return (deliver);
  }
}
