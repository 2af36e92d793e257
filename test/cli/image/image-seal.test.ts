import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sampleDisk } from "../../images/sample-disk.ts";
import { bootcast, type Ended } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
after(() => rmSync(directory, { recursive: true }));
const dataDir = join(directory, "data");
const keyFile = join(directory, "usb", "store.key");
const env = { BOOTCAST_DATA_DIR: dataDir };

const image = (...words: string[]) => bootcast(["image", ...words], env);

async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await image(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function refused(...words: string[]): Promise<string> {
  return refusalOf(await image(...words));
}

function refusalOf({ code, stderr }: Ended): string {
  assert.notEqual(code, 0);
  return /\[([A-Z_]+)\]\n {2}why/.exec(stderr)?.[1] ?? stderr;
}

const disk = sampleDisk("?ab0ab?".padEnd(40, "?"));
const golden = join(directory, "golden.raw");
writeFileSync(golden, disk.bytes);
const withKey = ["--store-key", keyFile];

test("a store is sealed, and everything works with the key and nothing without", async () => {
  await done("import", golden, "--name", "lab");
  const backup = join(directory, "backup");
  cpSync(join(dataDir, "store"), backup, { recursive: true });
  const [shown, ...refusals] = await Promise.all([
    done("keys", "show"),
    refused("keys", "seal"),
    refused("keys", "seal", "--store-key", join(dataDir, "store", "key")),
    refused("keys", "reseal", ...withKey),
  ]);
  assert.match(shown, /\nThe store is not sealed\n$/);
  assert.deepEqual(refusals, ["USAGE", "STORE_KEY_PLACE", "STORE_NOT_SEALED"]);

  const sealed = JSON.parse(await done("keys", "seal", ...withKey, "--json"));
  assert.deepEqual([sealed.isKeyMade, sealed.changedPacks > 0, sealed.samePacks], [true, true, 0]);
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  const again = await done("keys", "seal", ...withKey);
  assert.match(again, /: 0 changed, \d+ were so already\.\nNow set images\.store_key = ".*store\.key"/);
  assert.match(
    await done("keys", "show", ...withKey),
    new RegExp(`\n${sealed.sealedWith}  seals the store, in ${keyFile}\n`),
  );

  const target = join(directory, "out.raw");
  const restore = ["restore", "--source", "lab", "--target", target, "--erase", "--noprompt"];
  const serve = [
    "serve",
    "--set",
    "network.dhcp=off",
    "--set",
    "tftp.port=0",
    "--set",
    "http.port=0",
    "--set",
    "https.port=0",
  ];
  const readers = [
    ["image", "verify"],
    ["image", "export", "lab", target],
    ["image", "cat", "lab"],
    ["image", "import", golden, "--name", "lab"],
    restore,
    ["stream", "--source", "lab", "--interface", "127.0.0.1"],
    serve,
  ];
  const ends = await Promise.all(readers.map((words) => bootcast(words, env)));
  for (const [index, end] of ends.entries())
    assert.equal(refusalOf(end), "STORE_KEY_MISSING", readers[index]!.join(" "));
  assert.equal(readdirSync(directory).includes("out.raw"), false);
  await Promise.all([["list"], ["tag", "lab:1", "--notes", "sealed"], ["sweep"]].map((words) => done(...words)));

  assert.match(await done("import", golden, "--name", "lab", ...withKey), /^lab:2 .* 0 B new in the store/);
  await done("export", "lab", target, ...withKey);
  assert.deepEqual(readFileSync(target), Buffer.from(disk.bytes));
  const restored = await bootcast([...restore, ...withKey], env);
  assert.equal(restored.code, 0, restored.stderr);
  assert.deepEqual(readFileSync(target), Buffer.from(disk.bytes));

  // A pack that went bad comes from a copy that was made before the store was sealed.
  const packs = join(dataDir, "store", "packs");
  const [folder] = readdirSync(packs);
  const [pack] = readdirSync(join(packs, folder!));
  truncateSync(join(packs, folder!, pack!), 50);
  assert.equal(await refused("verify", ...withKey), "IMAGE_DAMAGED");
  await done("verify", "--from", backup, ...withKey);
  assert.equal(readFileSync(join(packs, folder!, pack!)).toString("latin1", 0, 8), "bootseal");
});

test("another key, a key that others may read, and a new key", async () => {
  const other = join(directory, "other.key");
  writeFileSync(other, `bootcast-store-key-1 ${createHash("sha256").update("other").digest("base64")}\n`, {
    mode: 0o600,
  });
  assert.equal(await refused("verify", "--store-key", other), "STORE_KEY_WRONG");
  assert.equal(await refused("keys", "seal", "--store-key", other), "STORE_KEY_WRONG");
  chmodSync(other, 0o644);
  assert.equal(await refused("verify", "--store-key", other), "KEY_EXPOSED");
  // A disk that is not plugged in: no second key is made in its place.
  renameSync(keyFile, `${keyFile}.away`);
  assert.equal(await refused("keys", "seal", ...withKey), "STORE_KEY_MISSING");
  assert.deepEqual(readdirSync(join(keyFile, "..")), ["store.key.away"]);
  renameSync(`${keyFile}.away`, keyFile);

  const copy = join(directory, "old-copy");
  cpSync(join(dataDir, "store"), copy, { recursive: true });
  const before = JSON.parse(await done("keys", "show", "--json")).store.sealedWith;
  const resealed = JSON.parse(await done("keys", "reseal", ...withKey, "--json"));
  assert.notEqual(resealed.sealedWith, before);
  assert.match(await done("verify", ...withKey), /^The store is sound/);
  // The copy from before is read with the key from before, which stayed in the file.
  rmSync(join(dataDir, "store", "packs"), { recursive: true });
  await done("verify", "--from", copy, ...withKey);
  assert.match(await done("verify", ...withKey), /^The store is sound/);
  assert.equal(
    await refused("verify", "--from", copy, "--from-key", `${keyFile}.none`, ...withKey),
    "STORE_KEY_MISSING",
  );
  await done("verify", "--from", copy, "--from-key", keyFile, ...withKey);
});

test("unsealed only when that is confirmed; then no key is needed, and one that is still set is told", async () => {
  assert.equal(await refused("keys", "unseal", ...withKey, "--no-input"), "CONFIRM_MISSING");
  assert.match(
    await done("keys", "unseal", ...withKey, "--confirm", "unseal"),
    /^The packs of the store are plain: \d+ changed\./,
  );
  assert.match(await done("verify"), /^The store is sound/);
  assert.equal(await refused("import", golden, "--name", "lab", ...withKey), "STORE_NOT_SEALED");
  await done("import", golden, "--name", "lab");
});

test("damaged packs are named, and the command says that it is not done", async () => {
  const packs = join(dataDir, "store", "packs");
  const [folder] = readdirSync(packs);
  const [pack] = readdirSync(join(packs, folder!));
  truncateSync(join(packs, folder!, pack!), 100);
  const { code, stderr } = await image("keys", "seal", ...withKey);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`pack ${pack!.slice(0, 64)} \\[PACK_DAMAGED\\]`));
  assert.match(stderr, /\[SEAL_INCOMPLETE\]/);
  assert.match(await done("keys", "show"), /"bootcast image keys seal" goes on with it/);
});
