import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { imageReference } from "../../../cli/image/reference.ts";
import { progressText } from "../../../cli/terminal/progress.ts";
import { sampleDisk } from "../../images/sample-disk.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
after(() => rmSync(directory, { recursive: true }));
const golden = join(directory, "golden.raw");
writeFileSync(golden, sampleDisk("?ab0ab?").bytes);

function bootcast(...words: string[]) {
  return bootcastIn(join(directory, "data"), ...words);
}

function bootcastIn(dataDir: string, ...words: string[]) {
  const main = join(import.meta.dirname, "../../../cli/main.ts");
  const env = { ...process.env, BOOTCAST_DATA_DIR: dataDir, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

test("an image goes in, is listed, described, checked and comes out the same", () => {
  const made = JSON.parse(bootcast("image", "import", golden, "--name", "lab", "--notes", "n1", "--json").stdout);
  assert.deepEqual([made.name, made.version, made.diskBytes], ["lab", 1, 7 * 65536]);
  assert.match(
    bootcast("image", "import", golden, "--name", "lab").stdout,
    /^lab:2 {2}448\.0 KiB, 0 B new in the store/,
  );
  assert.match(bootcast("image", "list").stdout, /^IMAGE .*\nlab:1 .* n1\nlab:2 /);
  const list = JSON.parse(bootcast("image", "list", "--json").stdout);
  assert.deepEqual([list.images.length, list.images[0].notes, list.damaged], [2, "n1", []]);
  assert.match(bootcast("image", "info", "lab:1").stdout, /^lab:1\n.*\n {2}notes {7}n1\n/);
  assert.match(bootcast("image", "verify", "lab").stdout, /^lab:2 is sound/);
  const copy = join(directory, "copy.raw");
  assert.equal(bootcast("image", "export", "lab:1", copy).status, 0);
  assert(readFileSync(copy).equals(readFileSync(golden)));
});

test("what cannot be done is said in three lines, and the exit code says it, too", () => {
  const missing = bootcast("image", "info", "windows");
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^error: There is no image "windows"\. \[IMAGE_MISSING\]\n {2}why: .*\n {2}fix: /);
  assert.equal(bootcast("image", "import", golden).status, 2);
  assert.equal(bootcast("image", "info", "a:b:c").status, 2);
});

test("reading an empty data directory makes nothing there, no key above all", () => {
  const empty = join(directory, "empty");
  const list = bootcastIn(empty, "image", "list");
  assert.deepEqual([list.status, /^No images yet\./.test(list.stdout)], [0, true], list.stderr);
  for (const words of [
    ["info", "lab"],
    ["verify", "lab"],
    ["export", "lab", join(directory, "none.raw")],
  ]) {
    const { status, stderr } = bootcastIn(empty, "image", ...words);
    assert.equal(status, 1);
    assert.match(stderr, /\[SITE_KEY_ABSENT\]\n {2}why: .*\n {2}fix: /);
  }
  assert.equal(existsSync(empty), false);
});

test("reading images works without the private key", () => {
  const copied = join(directory, "copied");
  assert.equal(bootcastIn(copied, "image", "import", golden, "--name", "lab").status, 0);
  rmSync(join(copied, "keys", "site.key"));
  for (const words of [["list"], ["info", "lab"], ["verify", "lab"], ["export", "lab", join(directory, "out.raw")]]) {
    const { status, stderr } = bootcastIn(copied, "image", ...words);
    assert.equal(status, 0, stderr);
  }
  assert.equal(existsSync(join(copied, "keys", "site.key")), false);
});

test("help begins with examples", () => {
  assert.match(bootcast("image", "--help").stdout, /^Examples:\n {2}\$ bootcast image import /);
});

test("an image is named with or without its version", () => {
  assert.deepEqual(imageReference("lab-debian"), { name: "lab-debian" });
  assert.deepEqual(imageReference("lab-debian:12"), { name: "lab-debian", version: 12 });
  for (const text of ["", ":1", "a:", "a:0", "a:1:2", "a:-1"])
    assert.throws(() => imageReference(text), { code: "USAGE" });
});

test("progress says how far, how fast and how long", () => {
  const text = progressText("importing", 256 << 20, 1 << 30, 2000);
  assert.equal(text, "importing  25 %  256.0 MiB of 1.0 GiB, 128.0 MiB/s, 6 s left");
  assert.match(progressText("importing", 0, 100, 0), /0 B of 100 B, 0 B\/s$/);
});
