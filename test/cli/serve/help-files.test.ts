import assert from "node:assert/strict";
import { test } from "node:test";
import { helpFiles } from "../../../cli/serve/help-files.ts";

test("a server of a checkout has the help pages, made of its documents", async () => {
  const files = await helpFiles();
  const pageOf = (path: string) => String(files.find((file) => file.path === path)?.content);
  assert.match(pageOf("index.html"), /<title>bootcast/);
  assert.match(pageOf("commands.html"), /bootcast setup/);
  assert.match(pageOf("help.css"), /color-scheme/);
  const [picture] = files.filter(({ path }) => path.endsWith(".png"));
  assert.deepEqual(picture?.content.slice(1, 4), Buffer.from("PNG"));
});
