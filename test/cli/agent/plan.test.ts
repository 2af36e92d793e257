import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { macEntries, macFile } from "../../agent/identity/mac-disk.ts";
import { FileDisk } from "../../images/disk-fit/file-disk.ts";
import { bootcast } from "../program.ts";

const who = ["--host-name", "imac-07", "--mac", "00:1B:63:01:02:03"];
const uuid = ["--hardware-uuid", "2b12fe1b-1090-593b-b740-2e45f371d1e4"];

test("agent --plan says what every module would change on a disk, and changes nothing", async (t) => {
  const { path } = await macFile(t, macEntries("10.8.5"));
  const before = readFileSync(path);
  const text = await bootcast(["agent", "--plan", "--disk", path, ...who, ...uuid]);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^As imac-07, 00:1b:63:01:02:03:/);
  assert.match(
    text.stdout,
    /whole, hfsplus\n {4}mac-names\n {6}write \/Library\/Preferences\/.*: the Mac is named imac-07/,
  );
  assert.match(
    text.stdout,
    /rename \/Users\/dora\/.*\.000d93aabbcc\.plist to .*2B12FE1B-1090-593B-B740-2E45F371D1E4\.plist/,
  );
  assert.match(text.stdout, /This is only a plan: nothing was changed\.\n$/);
  const json = await bootcast(["agent", "--plan", "--disk", path, ...who, ...uuid, "--json"]);
  const [disk] = (JSON.parse(json.stdout) as { disks: { volumes: { plans: { module: string }[] }[] }[] }).disks;
  assert(disk?.volumes[0]?.plans.some(({ module }) => module === "byhost"));
  assert.deepEqual(readFileSync(path), before);
});

test("agent --plan says how a larger disk would be filled", async (t) => {
  const disk = FileDisk.make(t, 64, "label: gpt\nsize=60MiB, type=swap, name=pages\n");
  disk.grow(128);
  const before = readFileSync(disk.path);
  const { stdout, code, stderr } = await bootcast(["agent", "--plan", "--disk", disk.path, ...who, ...uuid]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /the partition table is written for this disk\n {2}Nothing grew.*nothing that is known here\.\n/,
  );
  assert.deepEqual(readFileSync(disk.path), before);
});

test("agent --plan: what cannot be meant is a usage error, and a disk that is not there is told", async () => {
  for (const words of [
    ["--host-name", "no host", ...uuid],
    ["--host-name", "lab-07", "--mac", "1:2"],
    ["--host-name", "lab-07", "--hardware-uuid", "x"],
  ])
    assert.equal((await bootcast(["agent", "--plan", "--disk", "/nowhere", ...words])).code, 2, words.join(" "));
  const missing = await bootcast(["agent", "--plan", "--disk", "/nowhere", ...who]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /ENOENT/);
});
