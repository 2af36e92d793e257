import type { HttpServer } from "../http/http.ts";

/**
 * What browsers are told with every answer: pages load nothing from elsewhere, run no inline script, are in nobody's
 * frame, and tell nobody where they were.
 *
 * No Strict-Transport-Security: it would take away the way past the warning about an authority that the browser does
 * not know yet, and there is no plain page to be protected from.
 */
const headers: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
};

export function securityHeaders(http: HttpServer): void {
  http.addHook("onSend", async (request, reply) => {
    void reply.headers(headers);
    // What the API says is for the one who asked, now.
    if (request.url.startsWith("/api/") && !reply.hasHeader("cache-control")) {
      void reply.header("cache-control", "no-store");
    }
  });
}
