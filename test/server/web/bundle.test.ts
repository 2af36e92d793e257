import assert from "node:assert/strict";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type BundledPages, bundlePages } from "../../../scripts/pages/bundle.ts";
import { pagePaths } from "../../../server/web/routes.ts";

/** The order of the pages: all of it together, packed. */
const MOST_BYTES = 80_000;

let pages: BundledPages;
let textOf: (path: string) => string;

before(async () => {
  pages = await bundlePages();
  const texts = new Map(pages.files.map(({ path, content }) => [path, Buffer.from(content).toString()]));
  textOf = (path) => texts.get(path) ?? "";
});

test("the bundle is what the server serves", () => {
  assert.deepEqual(pages.files.map(({ path }) => path).toSorted(), [...pagePaths].toSorted());
});

test(`all of it together is under ${MOST_BYTES / 1000} kB`, (t) => {
  const sizes = pages.files.map(({ path, content }) => [path, gzipSync(content, { level: 9 }).length] as const);
  const sum = sizes.reduce((total, [, bytes]) => total + bytes, 0);
  t.diagnostic(`${sum} bytes: ${sizes.map(([path, bytes]) => `${path} ${bytes}`).join(", ")}`);
  assert(sum < MOST_BYTES, `${sum} bytes`);
});

test("it is made of its own sources and Preact, and of nothing that the server runs", () => {
  const strangers = pages.sources.filter(
    (path) => !/^server\/web\/page\//.test(path) && !/^node_modules\/(preact|@preact\/signals(-core)?)\//.test(path),
  );
  assert.deepEqual(strangers, []);
});

test("it names no place outside", () => {
  for (const path of pagePaths) {
    const found = textOf(path).match(/(https?:)?\/\/[\w-]+\.[\w.-]+[\w/]*/g) ?? [];
    // Names of XML, which nobody asks for.
    assert.deepEqual(
      found.filter((url) => !url.startsWith("http://www.w3.org/")),
      [],
      path,
    );
  }
});

test("nothing in it breaks the policy that it comes with", () => {
  const html = textOf("/");
  assert.doesNotMatch(html, /<style|style=|\son\w+=|javascript:|<script(?![^>]*src=)/i);
  assert.doesNotMatch(textOf("/page.js"), /\beval\(|new Function\(/);
  for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert(
      pagePaths.some((known) => known === path),
      `${path} is served`,
    );
  }
});
