import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { User } from "../../../server/access/users.ts";
import { BACKED_UP } from "../../../server/db/backup.ts";
import { openDatabase } from "../../../server/db/database.ts";
import { parseDatabaseUrl } from "../../../server/db/place.ts";
import { freeFinding, lookAtDataDisk, lookAtOwners, rateOf } from "../../../server/doctor/data-disk.ts";
import { type BackupTimes, backupFindings, backupTimes, lookAtDatabase } from "../../../server/doctor/database.ts";
import { lookAtImages } from "../../../server/doctor/images.ts";
import { lookAtSecrets, peopleFindings } from "../../../server/doctor/people.ts";
import { EventLog } from "../../../server/events.ts";
import { listedImages } from "../../../server/store/image-list.ts";
import { loadSiteKey } from "../../../server/store/keys.ts";
import { openStore } from "../../../server/store/store.ts";
import { verifyStore } from "../../../server/store/verify.ts";
import { addImage } from "../store/store-image.ts";

let dataDir: string;
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "bootcast-doctor-data-"));
});
after(() => rm(dataDir, { recursive: true, force: true }));

test("disk: how much is free against the largest image", () => {
  assert.equal(freeFinding("/d", 50e9, 20e9).status, "ok");
  assert.equal(freeFinding("/d", 10e9, 20e9).status, "warn");
  assert.equal(freeFinding("/d", 0.5e9, 0).status, "fail");
  assert.match(freeFinding("/d", 10e9, 20e9).fix ?? "", /image remove/);
});

test("backup: none is told after a week, an old one after a month; PostgreSQL's are others'", () => {
  const day = 24 * 3_600_000;
  const sqlite = { file: "/d/bootcast.db" };
  const statuses = (times: BackupTimes, nowMs: number) =>
    backupFindings(sqlite, times, nowMs).map(({ status }) => status);
  assert.deepEqual(statuses({ firstMs: undefined, lastMs: undefined }, 100 * day), ["skip"]);
  assert.deepEqual(statuses({ firstMs: 0, lastMs: undefined }, 6 * day), ["skip"]);
  assert.deepEqual(statuses({ firstMs: 0, lastMs: undefined }, 8 * day), ["warn"]);
  assert.deepEqual(statuses({ firstMs: 0, lastMs: 70 * day }, 100 * day), ["ok"]);
  assert.deepEqual(statuses({ firstMs: 0, lastMs: 60 * day }, 100 * day), ["warn"]);
  const postgres = parseDatabaseUrl("postgres://bootcast@db.school.example/bootcast")!;
  assert.deepEqual(backupFindings(postgres, { firstMs: 0, lastMs: undefined }, 100 * day), []);
  assert.match(lookAtDatabase(postgres).detail, /PostgreSQL, bootcast on db\.school\.example/);
  assert.equal(lookAtDatabase({ file: join(dataDir, "bootcast.db") }).status, "ok");
});

test("backup: the times come from the events", async () => {
  const db = await openDatabase(":memory:");
  try {
    assert.deepEqual(await backupTimes(db), { firstMs: undefined, lastMs: undefined });
    let nowMs = 1000;
    const events = new EventLog(db, () => nowMs);
    for (const kind of ["server.started", BACKED_UP, BACKED_UP, "server.started"]) {
      await events.change(({ record }) => record({ kind }));
      nowMs += 1000;
    }
    assert.deepEqual(await backupTimes(db), { firstMs: 1000, lastMs: 3000 });
  } finally {
    await db.destroy();
  }
});

test("disk: a slow one is told, and a trial leaves nothing behind", async () => {
  assert.equal(rateOf(5e6).status, "warn");
  assert.equal(rateOf(200e6).status, "ok");
  const site = { largestImageBytes: 0, isBusy: false };
  const probes = (await lookAtDataDisk(dataDir, site, new AbortController().signal)).map(({ probe }) => probe);
  assert.deepEqual(probes, ["free space", "disk"]);
  assert.deepEqual(await readdir(dataDir), []);
  const busy = await lookAtDataDisk(dataDir, { ...site, isBusy: true }, new AbortController().signal);
  assert.equal(busy.at(-1)!.status, "skip");
});

test("images: packs that are gone are counted, with the way to get them back", async () => {
  const key = await loadSiteKey(dataDir);
  const store = await openStore(join(dataDir, "store"), key.trusted);
  const look = (about = { nowMs: 0, verifyDays: 90 }) => lookAtImages(store, about, new AbortController().signal);
  assert.equal((await look())[0]!.status, "skip", "none yet");
  await addImage(store, "lab", "abcd", key.privateKey);
  assert.deepEqual(
    (await look()).map(({ status, detail }) => [status, detail]),
    [["ok", "All packs of 1 image are there."]],
  );

  const { createdAtMs } = (await store.readSummary("lab", 1)).tag;
  const later = createdAtMs + 91 * 86_400_000;
  const [stale] = await look({ nowMs: later, verifyDays: 90 });
  assert.deepEqual([stale!.probe, stale!.status], ["verified", "warn"]);
  assert.match(stale!.detail, /for 90 days, .*: lab:1\.$/);
  assert.match(stale!.fix!, /^bootcast image verify lab:1 /);
  assert.equal((await look({ nowMs: later, verifyDays: 0 }))[0]!.status, "ok", "nobody is to be warned");
  await verifyStore(store, { now: later });
  assert.deepEqual((await listedImages(store, () => undefined))[0]!.verified, { atMs: later, badPacks: 0 });
  assert.equal((await look({ nowMs: later, verifyDays: 90 }))[0]!.status, "ok");

  for await (const digest of store.packDigests()) await rm(store.packPath(digest));
  const [found] = await look();
  assert.equal(found!.probe, "image lab:1");
  assert.match(found!.detail, /^(\d+) of its \1 packs are gone\.$/);
  await writeFile(store.manifestPath("lab", 1), "nothing");
  assert.match((await look())[0]!.detail, /manifest cannot be read/);
});

const person = (more: Partial<User>): User => ({
  name: "mueller",
  role: "admin",
  hasPassword: true,
  hasLink: false,
  createdAtMs: 0,
  ...more,
});

test("people: nobody can log in; a link lies about", () => {
  const statuses = (users: User[], nowMs: number) => peopleFindings(users, nowMs).map(({ status }) => status);
  assert.deepEqual(statuses([], 0), ["warn"]);
  assert.deepEqual(statuses([person({ hasPassword: false, hasLink: true })], 0), ["warn"]);
  assert.deepEqual(statuses([person({ role: "viewer" })], 0), ["warn"]);
  assert.deepEqual(statuses([person({})], 0), ["ok"]);
  const users = [person({}), person({ name: "guest", hasPassword: false, hasLink: true })];
  assert.deepEqual(statuses(users, 3_600_000), ["ok"], "a fresh one is for somebody who is on the way");
  const [old] = peopleFindings(users, 25 * 3_600_000);
  assert.match(old!.fix ?? "", /bootcast user remove guest/);
});

test("secrets: a key that others may read fails, with the command", async () => {
  await loadSiteKey(dataDir);
  assert.equal((await lookAtSecrets(dataDir))[0]!.status, "ok");
  await chmod(join(dataDir, "keys/site.key"), 0o644);
  const [found] = await lookAtSecrets(dataDir);
  assert.equal(found!.status, "fail");
  assert.equal(found!.fix, `sudo chmod go= ${join(dataDir, "keys/site.key")}`);
});

test("owner: what root left behind is told, with the command", {
  skip: process.getuid?.() === 0 ? false : "Only root can give files away.",
}, async () => {
  const folder = join(dataDir, "owned");
  await mkdir(join(folder, "store/packs/ab"), { recursive: true });
  const user = { uid: 4711, name: "bootcast" };
  for (const path of ["", "store", "store/packs"]) await chown(join(folder, path), user.uid, user.uid);
  const [found] = await lookAtOwners(folder, user);
  assert.equal(found!.status, "fail");
  assert.match(found!.detail, /store\/packs\/ab do not belong to bootcast/);
  assert.equal(found!.fix, `sudo chown -R bootcast: ${folder}`);
  await chown(join(folder, "store/packs/ab"), user.uid, user.uid);
  assert.equal((await lookAtOwners(folder, user))[0]!.status, "ok");
});
