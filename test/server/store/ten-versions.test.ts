import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { diffImages } from "../../../images/diff.ts";
import type { Manifest } from "../../../images/manifest.ts";
import { openFileSource } from "../../../server/images/file-source.ts";
import { checkImage } from "../../../server/store/image-check.ts";
import { exportImage } from "../../../server/store/image-export.ts";
import { importImage } from "../../../server/store/image-import.ts";
import { StoreKeyFile } from "../../../server/store/key-file.ts";
import { changeSeal } from "../../../server/store/seal.ts";
import { openStore } from "../../../server/store/store.ts";
import { storeUsage } from "../../../server/store/usage.ts";
import { testKey } from "../../images/test-keys.ts";

// A lab image over ten weeks. It changes as updates change one: whole packages, whose files became a little longer.

const PACKAGES = 150;
const FILES_OF_PACKAGE = 20;
/** 2 % of all files. */
const PACKAGES_CHANGED = 3;
const VERSIONS = 10;

const keys = testKey(1);
const siteKey = { ...keys, fingerprint: "", trusted: [keys.publicKey] };

test("ten versions of a disk, 2 % of its files changed in each, take less than 1.35 of one, sealed as well, and diff says so", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "bootcast-"));
  t.after(() => rm(directory, { recursive: true }));
  const disk = join(directory, "disk.raw");
  await makeDisk(join(directory, "content"), disk);
  // In memory where there is room: each pack is synced.
  const room = await statfs("/dev/shm").then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  const storeDirectory = await mkdtemp(join(room > 512 * 1024 * 1024 ? "/dev/shm" : directory, "bootcast-store-"));
  t.after(() => rm(storeDirectory, { recursive: true, force: true }));
  const store = await openStore(storeDirectory, siteKey.trusted);
  const versions: Manifest[] = [];
  let firstBytes = 0;
  for (let version = 1; version <= VERSIONS; version += 1) {
    if (version > 1) await changeDisk(directory, disk, version);
    const source = await openFileSource(disk);
    const options = { store, siteKey, source, name: "lab", notes: "", now: version };
    const { manifest } = await importImage(options).finally(() => source.close());
    versions.push(manifest);
    firstBytes ||= (await storeUsage(store)).storedBytes;
  }
  const { storedBytes, images } = await storeUsage(store);
  const ratio = storedBytes / firstBytes;
  assert(ratio < 1.35, `ten versions take ${ratio.toFixed(3)} of one`);
  assert(images.every((image) => image.sharedBytes > image.storedBytes / 2));

  let addedBytes = 0;
  for (const [at, after] of versions.entries()) {
    if (at === 0) continue;
    const diff = diffImages(versions[at - 1]!, after);
    assert(!diff.isSame && diff.partitions.length === 0 && diff.sendBytes === diff.newBytes);
    const { changedBytes, addedBytes: added } = diff.bytes;
    const share = (changedBytes + added) / diff.bytes.sameBytes;
    assert(share > 0.01 && share < 0.06, `version ${at + 1} is ${(share * 100).toFixed(1)} % new`);
    addedBytes += diff.newBytes;
  }
  // What the steps added is what the store grew by, but for a pack that comes back after it was not used.
  assert(addedBytes >= storedBytes - firstBytes && addedBytes < (storedBytes - firstBytes) * 1.1);
  // A stream of the last version carries little that nobody needs.
  const last = images.at(-1)!;
  assert(last.storedBytes < firstBytes * 1.15, `${last.storedBytes} of ${firstBytes} are sent`);

  const copy = join(directory, "copy.raw");
  await exportImage(store, versions.at(-1)!, copy, { format: "raw" });
  assert.doesNotThrow(() => execFileSync("e2fsck", ["-fn", copy], { stdio: "pipe" }), "the last version is whole");
  const target = join(directory, "out");
  execFileSync("debugfs", ["-R", `dump /package-${changedPackages(10)[0]}/file-0 ${target}`, copy], { stdio: "pipe" });
  assert((await readFile(target)).equals(content(changedPackages(10)[0]!, 0, 10)));

  // The same store sealed: nothing is larger, the next import finds every pack, and the disk is the same.
  const keys = new StoreKeyFile(join(directory, "store.key"), storeDirectory);
  await keys.make();
  const sealed = await openStore(storeDirectory, siteKey.trusted, { keys });
  const { changedPacks, badPacks } = await changeSeal(sealed, (await keys.keys())[0]!.id);
  assert(changedPacks > 100 && badPacks.length === 0);
  const source = await openFileSource(disk);
  const options = { store: sealed, siteKey, source, name: "lab", notes: "", now: VERSIONS + 1 };
  const { writtenBytes, manifest: same } = await importImage(options).finally(() => source.close());
  assert.equal(writtenBytes, 0);
  assert.equal((await storeUsage(sealed)).storedBytes, storedBytes);
  assert.deepEqual(same.root, versions.at(-1)!.root);
  assert.deepEqual(await checkImage(sealed, same), []);
  t.diagnostic(
    `${ratio.toFixed(3)} of one version; the last one is sent as ${(last.storedBytes / firstBytes).toFixed(3)} of it`,
  );
});

async function makeDisk(folder: string, disk: string): Promise<void> {
  for (let one = 0; one < PACKAGES; one += 1) {
    await mkdir(join(folder, `package-${one}`), { recursive: true });
    for (let file = 0; file < FILES_OF_PACKAGE; file += 1) {
      await writeFile(join(folder, `package-${one}`, `file-${file}`), content(one, file, 1));
    }
  }
  const options = ["-q", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,root_owner=0:0", "-d", folder];
  execFileSync("mke2fs", [...options, disk, "260M"], { stdio: "pipe" });
}

/** Removes the files of some packages and writes their next ones, as an update does. */
async function changeDisk(directory: string, disk: string, version: number): Promise<void> {
  const commands: string[] = [];
  for (const one of changedPackages(version)) {
    for (let file = 0; file < FILES_OF_PACKAGE; file += 1) {
      const path = join(directory, `new-${one}-${file}`);
      await writeFile(path, content(one, file, version));
      commands.push(`rm /package-${one}/file-${file}`, `write ${path} /package-${one}/file-${file}`);
    }
  }
  const script = join(directory, "commands");
  await writeFile(script, `${commands.join("\n")}\n`);
  execFileSync("debugfs", ["-w", "-f", script, disk], { stdio: "pipe" });
}

function changedPackages(version: number): number[] {
  return Array.from({ length: PACKAGES_CHANGED }, (_, at) => (version * 37 + at * 53) % PACKAGES);
}

/** 8 to 136 KiB, most of them small, half of it text-like; another version has some bytes more in front. */
function content(one: number, file: number, version: number): Buffer {
  const seed = createHash("sha256").update(`${one}/${file}`).digest();
  const length = 8192 + (seed.readUInt16BE(0) & 0x1_ffff) * (seed[2]! & 1) + (seed.readUInt16BE(3) >> 1);
  const bytes = Buffer.alloc(length);
  for (let at = 0, step = 0; at < length; at += 32, step += 1) {
    const isText = Math.floor(at / 4096) % 2 === 0;
    const block = isText ? seed : createHash("sha256").update(seed).update(String(step)).digest();
    block.copy(bytes, at, 0, Math.min(32, length - at));
  }
  return Buffer.concat([Buffer.from(`version ${version}\n`), bytes]);
}
