import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { byHost, byHostDirectories } from "../../../agent/identity/byhost.ts";
import { applyChanges } from "../../../agent/identity/change.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";

const OLD = "000d93aabbcc";
const UUID = "2B12FE1B-1090-593B-B740-2E45F371D1E4";
const SWAPPED = "AAAAAAAA-1090-593B-B740-2E45F371D1E4";
const identity = { hostName: "imac-3", mac: "00:1b:63:01:02:03", hardwareUuids: [UUID, SWAPPED] };

function macRoot(t: { after(end: () => void): void }, version: string, files: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), "bootcast-byhost-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const plist = `<plist><dict><key>ProductVersion</key>\n\t<string>${version}</string></dict></plist>`;
  const all = { "/System/Library/CoreServices/SystemVersion.plist": plist };
  for (const path of [...Object.keys(all), ...files]) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), path.endsWith("SystemVersion.plist") ? plist : `bytes of ${path}`);
  }
  return root;
}

const places = [
  "/Users/anna/Library/Preferences/ByHost",
  "/Users/anna/Library/Containers/com.apple.mail/Data/Library/Preferences/ByHost",
  "/Library/Preferences/ByHost",
  "/private/var/root/Library/Preferences/ByHost",
  "/private/var/db/locationd/Library/Preferences/ByHost",
  "/System/Library/User Template/English.lproj/Library/Preferences/ByHost",
  "/Library/User Template/English.lproj/Library/Preferences/ByHost",
];

test("by-host directories are found in all seven kinds of places, and nowhere else", async (t) => {
  const elsewhere = [
    "/Users/anna/Documents/Library/ByHost/x",
    "/Users/anna/Library/Caches/Preferences/ByHost/x",
    "/Users/anna/Documents/Old Mac/Library/Preferences/ByHost/x",
  ];
  const root = macRoot(t, "10.8", [...places.map((place) => `${place}/a.plist`), ...elsewhere]);
  symlinkSync("anna", join(root, "Users/link"));
  assert.deepEqual((await byHostDirectories(new VolumeFiles(root))).sort(), [...places].sort());
});

test("renames keep inode and bytes, and a second run does nothing", async (t) => {
  const files = places.slice(0, 3).map((place) => `${place}/com.apple.screensaver.${OLD}.plist`);
  const root = macRoot(t, "10.8.5", [...files, `${places[0]}/com.apple.dock.plist.lockfile`, `${places[0]}/notes.txt`]);
  const volume = new VolumeFiles(root);
  const inode = lstatSync(join(root, files[0]!)).ino;
  const plan = await byHost.plan(volume, identity);
  await applyChanges(volume, plan?.changes ?? []);
  const name = `com.apple.screensaver.${UUID}.plist`;
  assert.deepEqual(readdirSync(join(root, places[0]!)).sort(), [name, "notes.txt"].sort());
  assert.equal(lstatSync(join(root, places[0]!, name)).ino, inode);
  assert.equal(readFileSync(join(root, places[0]!, name), "utf8"), `bytes of ${files[0]}`);
  assert.deepEqual((await byHost.plan(volume, identity))?.changes, []);
});

test("10.4 takes the Ethernet address", async (t) => {
  const root = macRoot(t, "10.4.11", [`${places[0]}/com.apple.dock.${OLD}.plist`]);
  const volume = new VolumeFiles(root);
  await applyChanges(volume, (await byHost.plan(volume, identity))?.changes ?? []);
  assert.deepEqual(readdirSync(join(root, places[0]!)), ["com.apple.dock.001b63010203.plist"]);
});

test("the spelling of the UUID that the volume has seen on this machine before is the right one", async (t) => {
  const root = macRoot(t, "10.8", [
    `${places[0]}/a.${SWAPPED}.plist`,
    `${places[2]}/b.${OLD}.plist`,
    `${places[3]}/b.${OLD}.plist`,
  ]);
  const volume = new VolumeFiles(root);
  await applyChanges(volume, (await byHost.plan(volume, identity))?.changes ?? []);
  assert.deepEqual(readdirSync(join(root, places[2]!)), [`b.${SWAPPED}.plist`]);
});

test("a Mac whose UUID is unknown keeps its files, and each is reported", async (t) => {
  const root = macRoot(t, "10.8", [`${places[0]}/a.${OLD}.plist`]);
  const plan = await byHost.plan(new VolumeFiles(root), { ...identity, hardwareUuids: [] });
  assert.deepEqual(plan?.changes, []);
  assert.equal(plan?.notes.length, 1);
});

test("a volume without macOS is left alone", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "bootcast-byhost-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "Library/Preferences/ByHost"), { recursive: true });
  assert.equal(await byHost.plan(new VolumeFiles(root), identity), undefined);
});
