import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { pagePaths, pageRoutes } from "../../../server/web/routes.ts";
import { AccessSite } from "../access-site.ts";

const html = "<!doctype html><p>bootcast</p>";
let site: AccessSite;
let reads = 0;
let isBroken = true;

before(async () => {
  site = await AccessSite.open(({ http }) =>
    pageRoutes(http, async () => {
      reads += 1;
      if (isBroken) throw new Error("not there yet");
      return pagePaths.map((path) => ({ path, content: Buffer.from(path === "/" ? html : `content of ${path}`) }));
    }),
  );
});
after(() => site.close());

const get = (url: string, headers: Record<string, string> = {}) =>
  site.http.inject({ method: "GET", url, headers: { host: "bootcast:8443", ...headers } });

test("what could not be read once is read again when somebody asks", async () => {
  assert.equal((await get("/")).statusCode, 500);
  isBroken = false;
  assert.equal((await get("/")).body, html);
});

test("the pages come without a login, with the rules that browsers keep, and are read once", async () => {
  for (const path of pagePaths) {
    const { statusCode, headers, body } = await get(path);
    assert.equal(statusCode, 200);
    assert(body.length > 0);
    assert.match(String(headers["content-security-policy"]), /default-src 'none'.*script-src 'self'/);
    assert.equal(headers["cache-control"], "no-cache");
    assert.equal(headers["x-content-type-options"], "nosniff");
  }
  assert.match(String((await get("/page.js")).headers["content-type"]), /^text\/javascript/);
  assert.equal(reads, 2, "one that failed, and one");
});

test("who has a file already gets nothing again, and its tag is another one when it is packed", async () => {
  const plain = await get("/page.js");
  const packed = await get("/page.js", { "accept-encoding": "br, gzip" });
  assert.deepEqual([plain.headers["content-encoding"], packed.headers["content-encoding"]], [undefined, "gzip"]);
  assert.equal(gunzipSync(packed.rawPayload).toString(), plain.body);
  assert.notEqual(plain.headers.etag, packed.headers.etag);
  assert.equal(packed.headers["vary"], "accept-encoding");
  const tag = String(packed.headers.etag);
  for (const known of [tag, `W/${tag}`, `"other", ${tag}`]) {
    const again = await get("/page.js", { "accept-encoding": "gzip", "if-none-match": known });
    assert.deepEqual([again.statusCode, again.body, again.headers.etag], [304, "", tag], known);
  }
  assert.equal((await get("/page.js", { "if-none-match": tag })).statusCode, 200, "of the other encoding");
});

for (const [header, isPacked] of [
  ["gzip", true],
  ["deflate, gzip;q=0.5", true],
  ["gzip;q=0", false],
  ["gzip;q=0.0", false],
  ["br", false],
  ["x-gzip", false],
  ["", false],
] as const) {
  test(`"accept-encoding: ${header}" is answered ${isPacked ? "packed" : "as it is"}`, async () => {
    const { headers } = await get("/", { "accept-encoding": header });
    assert.equal(headers["content-encoding"] === "gzip", isPacked);
  });
}

test("nothing else is there, and nothing is changed by asking", async () => {
  assert.equal((await get("/page.ts")).statusCode, 401, "what is not there is told to whoever may look");
  assert.equal((await site.ask("POST", "/")).status, 401);
});
