import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { pino } from "pino";
import { planDisk } from "../../../agent/disk/plan-disk.ts";
import { describeChange, type Identity } from "../../../agent/identity/change.ts";
import { identityModules } from "../../../agent/identity/modules.ts";
import { nameVolumes } from "../../../agent/volumes/name-volumes.ts";
import { parsePropertyList } from "../../../images/property-list.ts";
import { checkedVolume } from "../../images/hfs-plus/checked-volume.ts";
import { macEntries, macFile, OLD_MAC_ID, OLD_UUID, people } from "./mac-disk.ts";

const UUID = "2B12FE1B-1090-593B-B740-2E45F371D1E4";
const identity: Identity = { hostName: "imac-07", mac: "00:1b:63:01:02:03", hardwareUuids: [UUID] };
const tools = {
  async run(command: string): Promise<string> {
    throw new Error(`${command} is not needed`);
  },
};
const vectors = join(import.meta.dirname, "../../vectors/hfs-plus");

/** Names a volume, and proves that it did what the plan said, and does nothing the second time. */
async function named(device: { path: string; sizeBytes: number }, who = identity) {
  const before = readFileSync(device.path);
  const [plan, ...others] = await planDisk(device.path, identityModules, who, {
    tools,
    log: pino({ level: "silent" }),
  });
  assert.deepEqual(others, []);
  assert.deepEqual(readFileSync(device.path), before, "planning only reads");
  const done: string[] = [];
  const log = pino(
    { level: "info" },
    { write: (line: string) => void done.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const volume = { device: device.path, number: 0, sizeBytes: device.sizeBytes, fileSystem: "hfsplus", type: "" };
  const machine = { tools, log, mountDirectory: "/nowhere" };
  const result = await nameVolumes([volume], identityModules, who, machine);
  assert.deepEqual(
    done,
    plan?.plans.flatMap(({ changes }) => changes.map(describeChange)),
    "the plan is what was done",
  );
  const after = readFileSync(device.path);
  const found = checkedVolume(after);
  assert.equal((await nameVolumes([volume], identityModules, who, machine)).changes, 0);
  assert.deepEqual(readFileSync(device.path), after, "a second time not a byte changes");
  return { result, found, before: checkedVolume(before) };
}

const byHostFolders = [
  ...people.map((name) => `/Users/${name}/Library/Preferences/ByHost`),
  "/private/var/root/Library/Preferences/ByHost",
  "/Library/Preferences/ByHost",
  "/Users/anna/Library/Containers/com.apple.Notes/Data/Library/Preferences/ByHost",
];

for (const [version, ids] of [
  ["10.4.11", ["001b63010203"]],
  ["10.5.8", [UUID, "001b63010203"]],
  ["10.8.5", [UUID]],
] as const) {
  test(`a Mac with ${version} and four users is given its host's identity; what stays is as it was`, async (t) => {
    const device = await macFile(t, macEntries(version));
    const { result, found, before } = await named(device);
    assert(result.modules.includes("byhost") && result.modules.includes("mac-names"));
    for (const folder of byHostFolders) {
      const names = [...found.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1));
      const domains = ["com.apple.screensaver", ".GlobalPreferences", "com.apple.dock", "com.apple.menuextra.clock"];
      const expected = domains.flatMap((domain) => ids.map((id) => `${domain}.${id}.plist`));
      assert.deepEqual(names.sort(), [...expected, "com.example.plain.plist"].sort(), folder);
      for (const domain of domains) {
        const [old] = [OLD_MAC_ID, OLD_UUID].flatMap((id) => before.get(`${folder}/${domain}.${id}.plist`) ?? []);
        for (const id of ids) {
          const now = found.get(`${folder}/${domain}.${id}.plist`);
          assert.deepEqual(now?.content, old?.content);
          assert.deepEqual(now?.record.subarray(12, 48), old?.record.subarray(12, 48), "times, owner, mode");
        }
      }
    }
    const preferences = "/Library/Preferences/SystemConfiguration/preferences.plist";
    assert.deepEqual(parsePropertyList(found.get(preferences)!.content!), {
      Model: "iMac4,1",
      System: {
        Network: { HostNames: { LocalHostName: "imac-07" } },
        System: { ComputerName: "imac-07", HostName: "imac-07" },
      },
    });
    assert.deepEqual(
      found.get(preferences)?.record.subarray(12, 48),
      before.get(preferences)?.record.subarray(12, 48),
      "owner, mode and times of a file that is written",
    );
    const hasKerberos = version === "10.4.11";
    for (const gone of [
      "/private/etc/ssh_host_rsa_key",
      "/Library/Preferences/SystemConfiguration/NetworkInterfaces.plist",
    ])
      assert.equal(found.has(gone), false, gone);
    assert.equal(found.has("/private/var/db/krb5kdc"), hasKerberos);
    assert.equal(found.has("/Library/LaunchDaemons/org.bootcast.first-boot.plist"), version !== "10.4.11");
    const isInvisible = (path: string) => (found.get(path)!.record.readUInt16BE(56) & 0x4000) !== 0;
    for (const path of ["/bin", "/etc", "/private", "/mach_kernel"])
      assert.equal(isInvisible(path), version === "10.4.11", path);
    assert.equal(found.has("/.hidden"), version === "10.4.11");
    const untouched = [...before].filter(([path]) => found.get(path)?.record.equals(before.get(path)!.record));
    assert(untouched.length > 20);
    for (const [path, { content }] of untouched) assert.deepEqual(found.get(path)?.content, content, path);
    // 7-Zip reads what was written without a complaint, and the same names.
    const listed = execFileSync("7zz", ["l", "-slt", "-thfs", device.path], { encoding: "utf8" });
    for (const name of [`com.apple.dock.${ids[0]}.plist`, "com.example.plain.plist"])
      assert.equal(listed.split(name).length - 1, byHostFolders.length, name);
  });
}

test("two machines' files of one domain: the newer one is live, the other one is kept aside or keeps its id", async (t) => {
  const folder = "/Users/anna/Library/Preferences/ByHost";
  const file = (domain: string, id: string, seconds: number) => ({
    path: `${folder}/${domain}.${id}.plist`,
    content: `${domain} of ${id}`,
    uid: 501,
    seconds,
  });
  const device = await macFile(t, [
    ...macEntries("10.8.5"),
    file("com.apple.finder", UUID, 1_000_000_000),
    file("com.apple.finder", OLD_UUID, 1_100_000_000),
    file("com.apple.mail", UUID, 1_100_000_000),
    file("com.apple.mail", OLD_UUID, 1_000_000_000),
    file("com.apple.ical", OLD_UUID, 1_000_000_000),
    file("com.apple.ical", OLD_MAC_ID, 1_100_000_000),
  ]);
  const { found, result } = await named(device);
  const text = (name: string) => found.get(`${folder}/${name}`)?.content?.toString();
  assert.equal(text(`com.apple.finder.${UUID}.plist`), `com.apple.finder of ${OLD_UUID}`);
  assert.equal(text(`com.apple.finder.${UUID}.plist.bootcast-old`), `com.apple.finder of ${UUID}`);
  assert.equal(text(`com.apple.mail.${UUID}.plist`), `com.apple.mail of ${UUID}`);
  assert.equal(text(`com.apple.mail.${OLD_UUID}.plist`), `com.apple.mail of ${OLD_UUID}`);
  assert.equal(text(`com.apple.ical.${UUID}.plist`), `com.apple.ical of ${OLD_MAC_ID}`);
  assert.equal(text(`com.apple.ical.${OLD_UUID}.plist`), `com.apple.ical of ${OLD_UUID}`);
  assert(result.notes.some((note) => note.includes("com.apple.finder") && note.includes("is the newer one")));
});

test("where the Hardware UUID is not known, the Mac does at its first start what cannot be done before", async (t) => {
  const device = await macFile(t, macEntries("10.11.6"));
  const { result, found } = await named(device, { ...identity, hardwareUuids: [] });
  const job = found.get("/Library/LaunchDaemons/org.bootcast.first-boot.plist");
  assert.equal(job!.record.readUInt16BE(42), 0o100644);
  assert.deepEqual([job!.record.readUInt32BE(32), job!.record.readUInt32BE(36)], [0, 0], "root's");
  assert.match(JSON.stringify(parsePropertyList(job!.content!)), /"RunAtLoad":true.*ioreg/);
  assert(
    result.notes.some((note) =>
      /At its first start this Mac itself will do: rename its by-host preferences/.test(note),
    ),
  );
  assert(found.has(`/Users/ben/Library/Preferences/ByHost/com.apple.dock.${OLD_UUID}.plist`));
});

test("volumes that others made: a journal that is empty, a case-sensitive one, a file in five pieces", async (t) => {
  for (const name of ["tiger", "tigerj", "hfsx", "many"]) {
    const device = await macFile(t, gunzipSync(readFileSync(join(vectors, `${name}.img.gz`))));
    const { result, found } = await named(device, { ...identity, hardwareUuids: [] });
    assert(result.changes > 5, name);
    assert(
      [...found.keys()].some((path) => path.endsWith(".001b63010203.plist")),
      name,
    );
    execFileSync("7zz", ["t", "-thfs", device.path], { stdio: "ignore" });
  }
});

test("a volume that is no Mac's root is left as it is, to the byte", async (t) => {
  const device = await macFile(t, gunzipSync(readFileSync(join(vectors, "macos-hfsplus.raw.gz"))));
  const before = readFileSync(device.path);
  const volume = { device: device.path, number: 0, sizeBytes: device.sizeBytes, fileSystem: "hfsplus", type: "" };
  const machine = { tools, log: pino({ level: "silent" }), mountDirectory: "/nowhere" };
  const { changes, systems } = await nameVolumes([volume], identityModules, identity, machine);
  assert.deepEqual({ changes, systems }, { changes: 0, systems: [] });
  assert.deepEqual(readFileSync(device.path), before);
});

test("a volume that was not unmounted, or whose trees are damaged, is left as it is, and why is told", async (t) => {
  const sound = gunzipSync(readFileSync(join(vectors, "tiger.img.gz")));
  const dirty = Buffer.from(sound);
  dirty.writeUInt32BE(dirty.readUInt32BE(1028) & ~0x100, 1028);
  const damaged = Buffer.from(sound);
  const catalogAt = sound.readUInt32BE(1024 + 272 + 16) * sound.readUInt32BE(1064);
  damaged.fill(0xff, catalogAt + 8192 + 100, catalogAt + 8192 + 4000);
  for (const [bytes, why] of [
    [dirty, /not unmounted cleanly/],
    [damaged, /was left as it is/],
  ] as const) {
    const device = await macFile(t, bytes);
    const volume = { device: device.path, number: 2, sizeBytes: device.sizeBytes, fileSystem: "hfsplus", type: "" };
    const machine = { tools, log: pino({ level: "silent" }), mountDirectory: "/nowhere" };
    const { changes, notes } = await nameVolumes([volume], identityModules, identity, machine);
    assert.equal(changes, 0);
    assert.match(notes.join("\n"), why);
    assert.deepEqual(readFileSync(device.path), bytes);
    assert(statSync(device.path).size > 0);
  }
});
