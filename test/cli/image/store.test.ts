import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDatabase } from "../../../server/db/database.ts";
import { sampleDisk } from "../../images/sample-disk.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
after(() => rmSync(directory, { recursive: true }));
const dataDir = join(directory, "data");

function bootcast(...words: string[]) {
  const main = join(import.meta.dirname, "../../../cli/main.ts");
  const env = { ...process.env, BOOTCAST_DATA_DIR: dataDir, NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "image", ...words], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

function imported(name: string, cells: string): void {
  const path = join(directory, "golden.raw");
  writeFileSync(path, sampleDisk(cells).bytes);
  const { status, stderr } = bootcast("import", path, "--name", name);
  assert.equal(status, 0, stderr);
}

imported("lab", "?ab0ab?");
imported("lab", "?ab0ac?");

test("list, diff and tag: what each version takes, what changed, and other names", () => {
  assert.match(bootcast("list").stdout, /^IMAGE .* USED .* OWN .*\nlab:1 .* never\nlab:2 .*\nThe packs of all images/);
  assert.match(bootcast("diff", "lab:1", "lab:2").stdout, /^lab:1 ► lab:2\n {2}whole disk {3}64\.0 KiB changed/);
  assert.match(bootcast("diff", "lab:1", "lab:1").stdout, /are the same disk/);
  assert.match(bootcast("tag", "lab:1", "--alias", "stable", "--notes", "for June").stdout, /"stable" means lab:1/);
  const { images } = JSON.parse(bootcast("list", "--json").stdout);
  assert.deepEqual([images[0].aliases, images[0].notes, images[1].sharedBytes > 0], [["stable"], "for June", true]);
  assert.match(bootcast("info", "stable").stdout, /^lab:1\n/);
  assert.equal(bootcast("tag", "lab:1").status, 2);
});

test("verify: the whole store, which images a bad pack hurts, and a repair", () => {
  const copy = join(directory, "copy");
  cpSync(dataDir, copy, { recursive: true });
  assert.match(bootcast("verify").stdout, /^The store is sound: 2 image versions/);
  const packs = join(dataDir, "store", "packs");
  const [folder] = readdirSync(packs);
  const [pack] = readdirSync(join(packs, folder!));
  truncateSync(join(packs, folder!, pack!), 50);
  const bad = bootcast("verify");
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /\[PACK_DAMAGED\]: hurts lab:[12].*\n/);
  assert.match(bad.stderr, /\[IMAGE_DAMAGED\]\n {2}why: .*\n {2}fix: /);
  // Programs are told which ones, too.
  const told = JSON.parse(bootcast("verify", "--json").stdout);
  assert.deepEqual(
    told.hurt.map(({ isRepaired, fault }: { isRepaired: boolean; fault: { code: string } }) => [
      isRepaired,
      fault.code,
    ]),
    [[false, "PACK_DAMAGED"]],
  );
  const repaired = bootcast("verify", "--from", copy);
  assert.equal(repaired.status, 0, repaired.stderr);
  assert.match(repaired.stderr, /; repaired/);
  assert.match(bootcast("verify", "lab:1").stdout, /^lab:1 is sound/);
  assert.match(bootcast("verify", "--from", directory).stderr, /\[STORE_MISSING\]/);
});

test("remove: confirmed, not while an alias or an order holds it", async () => {
  assert.match(bootcast("remove", "lab:1", "--no-input").stderr, /\[CONFIRM_MISSING\]\n {2}why: This removes images/);
  assert.match(bootcast("remove", "lab:1", "--confirm", "lab:1").stderr, /\[IMAGE_ALIASED\]/);
  assert.match(bootcast("remove", "stable", "--confirm", "stable").stderr, /alias of lab:1/);
  assert.equal(bootcast("tag", "lab:1", "--remove-alias", "stable").status, 0);
  const db = await openDatabase(join(dataDir, "bootcast.db"));
  const order = { kind: "deploy", image: "lab", image_version: 1, to_any: 0, wait_for: 1, max_wait_ms: 0 };
  await db
    .insertInto("deploys")
    .values({
      ...order,
      state: "active",
      created_at_ms: 0,
      ended_at_ms: null,
      notes: "",
      keep_free_blocks: 0,
      most_disk_bytes: 0,
    })
    .execute();
  assert.match(bootcast("remove", "lab:1", "--confirm", "lab:1").stderr, /\[IMAGE_ORDERED\]/);
  await db.updateTable("deploys").set({ state: "done" }).execute();
  await db.destroy();
  const removed = JSON.parse(bootcast("remove", "lab:1", "--confirm", "lab:1", "--now", "--json").stdout);
  // lab:2 was made of its packs.
  assert.deepEqual([removed.removed, removed.removedPacks], [["lab:1"], 0]);
  assert.match(bootcast("sweep").stdout, /^0 packs freed/);
  assert.match(bootcast("verify", "lab").stdout, /^lab:2 is sound/);
});

test("keys: a new one leaves what was signed before valid, and says what is to be done", () => {
  const before = JSON.parse(bootcast("keys", "show", "--json").stdout);
  const rotated = bootcast("keys", "rotate", "--confirm", "rotate");
  assert.match(rotated.stdout, /bootcast boot-image build/);
  assert.match(bootcast("keys", "show").stdout, new RegExp(`signs images here\\n${before.fingerprint} {2}trusted`));
  assert.match(bootcast("verify", "lab").stdout, /^lab:2 is sound/);
  imported("lab", "?ab0ad?");
  assert.match(bootcast("verify").stdout, /^The store is sound: 2 image versions/);
  const file = join(directory, "own.pub");
  writeFileSync(file, before.pem);
  assert.match(bootcast("keys", "trust", file).stdout, /are accepted/);
  assert.match(bootcast("keys", "trust", join(directory, "none")).stderr, /\[FILE_MISSING\]/);
});
