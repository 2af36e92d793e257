import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inLanguage, languageFor } from "../../../../server/web/page/texts/language.ts";
import { texts } from "../../../../server/web/page/texts.ts";

type Tree = { readonly [name: string]: unknown };

function* textsIn(tree: Tree, path = ""): Generator<[path: string, text: readonly string[]]> {
  for (const [name, value] of Object.entries(tree)) {
    const own = path === "" ? name : `${path}.${name}`;
    if (Array.isArray(value)) yield [own, value];
    else if (typeof value === "function") {
      const makeText = value as (...values: unknown[]) => readonly string[];
      for (const values of [
        [1, 1, 1],
        [12, 12, 12],
      ])
        yield [`${own}(${values[0]})`, makeText(...values)];
      if (!own.includes("hosts")) yield [`${own}(words)`, makeText("one", "two", "three")];
    } else yield* textsIn(value as Tree, own);
  }
}

test("every text is there in every language", () => {
  let count = 0;
  for (const [path, text] of textsIn(texts)) {
    count += 1;
    assert.equal(text.length, 2, path);
    for (const words of text) {
      assert(typeof words === "string" && words.trim() !== "", path);
      assert.doesNotMatch(words, /undefined|NaN|\[object/, path);
    }
  }
  assert(count > 250, `${count} texts`);
});

test("no page's text has the name of another page's", async () => {
  const folder = join(import.meta.dirname, "../../../../server/web/page/texts");
  const modules = await Promise.all(readdirSync(folder).map((name) => import(join(folder, name)) as Promise<Tree>));
  const names = modules
    .flatMap((module) => Object.entries(module).filter(([name]) => name.endsWith("Texts")))
    .flatMap(([, tree]) => Object.keys(tree as Tree));
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
  assert.deepEqual(names.toSorted(), Object.keys(texts).toSorted());
});

test("the language is the first that the browser prefers and we know", () => {
  assert.equal(languageFor(["de-AT", "en"]), "de");
  assert.equal(languageFor(["fr-FR", "de"]), "de");
  assert.equal(languageFor(["en-GB", "de"]), "en");
  assert.equal(languageFor(["pl"]), "en");
  assert.equal(languageFor([]), "en");
  assert.equal(inLanguage(texts.room, "de"), "Raum");
});

test("every text is used, and people read no words from elsewhere", () => {
  const room = join(import.meta.dirname, "../../../../server/web/page");
  const sources = readdirSync(room, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("texts"))
    .map((name) => [name, readFileSync(join(room, name), "utf8")] as const);
  const all = sources.map(([, text]) => text).join("\n");
  const unused = Object.keys(texts).filter(
    (name) => !new RegExp(`texts\\.${name}\\b`).test(all) && !["tiles", "rows"].includes(name),
  );
  assert.deepEqual(unused, []);
  for (const [name, text] of sources) {
    // Words between tags that are not in braces.
    for (const [, words] of text.matchAll(/>\s*([A-Z][a-z]+ [a-z]+[^<{]*)</g)) assert.fail(`${name}: "${words}"`);
  }
});
