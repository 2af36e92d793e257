import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type HelpFile, renderHelp, slugOf, targetOf } from "../../../scripts/help/render.ts";

let files: HelpFile[];
let pages: { readonly path: string; readonly content: string }[];
before(async () => {
  files = await renderHelp();
  pages = files.flatMap(({ path, content }) =>
    path.endsWith(".html") && typeof content === "string" ? [{ path, content }] : [],
  );
});

test("links of documents lead to pages, anchors stay", () => {
  assert.equal(targetOf("BOOTING.md#loader", "README.md"), "/help/BOOTING#loader");
  assert.equal(targetOf("docs/measured.md", "README.md"), "/help/docs/measured");
  assert.equal(targetOf("../README.md", "docs/measured.md"), "/help");
  assert.equal(targetOf("measured.md", "docs/drivers.md"), "/help/docs/measured");
  assert.equal(targetOf("docs/demo.svg", "README.md"), "/help/docs/demo.svg");
  assert.equal(targetOf("https://example.org/a.md", "README.md"), "https://example.org/a.md");
  assert.equal(targetOf("#words", "README.md"), "#words");
  assert.equal(slugOf("What works, and what does not yet"), "what-works-and-what-does-not-yet");
});

test("every link and picture of every page leads to something that is there", () => {
  const idsOf = ({ content }: HelpFile) =>
    new Set([...String(content).matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
  const byAddress = new Map(
    files.map((file) => [`/help/${file.path.replace(/\.html$/, "")}`.replace(/\/index$/, ""), file]),
  );
  let count = 0;
  for (const page of pages) {
    for (const [, target = ""] of page.content.matchAll(/ (?:href|src)="([^"]+)"/g)) {
      if (/^(https?:|mailto:|data:,$)/.test(target) || target === "/") continue;
      count += 1;
      const [address = "", anchor] = target.split("#");
      const found = address === "" ? page : byAddress.get(address);
      assert(found !== undefined, `${page.path}: ${target}`);
      if (anchor !== undefined) assert(idsOf(found).has(anchor), `${page.path}: ${target}`);
    }
  }
  assert(count > 50, `${count} links`);
});

test("pages load nothing from elsewhere, run nothing, and can be read by anybody", () => {
  for (const { path, content } of pages) {
    assert.doesNotMatch(content, /<(script|style|iframe|object)|\son\w+=| style="/i, path);
    assert.doesNotMatch(content, / src="(?!\/help\/)/, path);
    assert.match(content, /^<!doctype html>\n<html lang="en">/, path);
    assert.match(content, /<h1 /, path);
    assert.equal(content.match(/aria-current="page"/g)?.length, 1, path);
    for (const [image] of content.matchAll(/<img[^>]*>/g)) assert.match(image, / alt="[^"]+"/, path);
  }
});

test("the page of commands has every command with its help", async () => {
  const page = pages.find(({ path }) => path === "commands.html")!.content;
  const { commands } = await import("../../../cli/commands.ts");
  for (const { name } of commands) assert(page.includes(`id="bootcast-${name}"`), name);
  assert.match(page, /Usage: bootcast image keys/);
});
