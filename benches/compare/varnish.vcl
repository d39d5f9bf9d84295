vcl 4.1;
# A peer with the same duties but a limit: cache, compression once, an access log (varnishncsa, counted with it), who asks and under which id, and the
# fields that keep browsers safe.
backend origin { .host = "127.0.0.1"; .port = "@ORIGIN@"; }
sub vcl_recv {
  set req.http.X-Request-Id = req.xid;
  set req.http.X-Forwarded-Proto = "http";
  set req.http.X-Forwarded-Host = req.http.Host;
  set req.http.Forwarded = "for=" + client.ip + {";host=""} + req.http.Host + {"";proto=http"};
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
sub vcl_deliver {
  set resp.http.X-Request-Id = req.xid;
  set resp.http.Content-Security-Policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
  set resp.http.Cross-Origin-Opener-Policy = "same-origin";
  set resp.http.Cross-Origin-Resource-Policy = "same-origin";
  set resp.http.Origin-Agent-Cluster = "?1";
  set resp.http.Referrer-Policy = "strict-origin-when-cross-origin";
  set resp.http.X-Content-Type-Options = "nosniff";
  set resp.http.X-DNS-Prefetch-Control = "off";
  set resp.http.X-Download-Options = "noopen";
  set resp.http.X-Frame-Options = "DENY";
  set resp.http.X-Permitted-Cross-Domain-Policies = "none";
  set resp.http.X-XSS-Protection = "0";
}
