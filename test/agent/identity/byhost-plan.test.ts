import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  type ByHostFacts,
  type ByHostFile,
  countIds,
  idsFor,
  parseByHostName,
  planByHost,
} from "../../../agent/identity/byhost-plan.ts";
import { byHostIdOfUuid, hardwareUuidCandidates, hardwareUuidOf } from "../../../agent/identity/hardware-uuid.ts";
import { productVersion } from "../../../agent/identity/system-version.ts";

type Cases = {
  hardwareUuid: { systemIdHex?: string; hardwareUuid?: string; ioPlatformUuid?: string; byHostId?: string }[];
  rename: {
    files: string[];
    os: string;
    mac: string;
    uuid: string | null;
    expect?: Record<string, string>;
    expectDeleted?: string[];
    expectConflict?: boolean;
  }[];
};
const path = join(import.meta.dirname, "../../vectors/byhost.json");
const cases = JSON.parse(readFileSync(path, "utf8")) as Cases;

const MAC = "00:1b:63:01:02:03";
const MAC_ID = "001b63010203";
const UUID = "2B12FE1B-1090-593B-B740-2E45F371D1E4";
const OLD_UUID = "E3D2E3A9-0C8C-5D8A-2E7B-92C263FA9F9C";
const OLD_MAC_ID = "000d93aabbcc";

function facts(names: readonly string[], changes: Partial<ByHostFacts> = {}): ByHostFacts {
  return { osVersion: "10.8.5", mac: MAC, uuid: UUID, idCounts: countIds(names), ...changes };
}

const dated = (names: readonly string[]): ByHostFile[] => names.map((name, at) => ({ name, modifiedAtMs: at }));

/** What a directory holds after a plan was carried out. A renamed or copied file keeps its time, as on the volume. */
function after(files: readonly ByHostFile[], plan: ReturnType<typeof planByHost>): ByHostFile[] {
  const now = new Map(files.map(({ name, modifiedAtMs }) => [name, modifiedAtMs]));
  for (const name of plan.deletes) assert(now.delete(name), `${name} is deleted twice or was never there`);
  for (const { from, to } of plan.renames) {
    const modifiedAtMs = now.get(from);
    assert(modifiedAtMs !== undefined, `${from} is not there`);
    now.delete(from);
    assert(![...now.keys()].some((name) => name.toLowerCase() === to.toLowerCase()), `${to} would be overwritten`);
    now.set(to, modifiedAtMs);
  }
  for (const { from, to } of plan.copies) {
    const modifiedAtMs = now.get(from);
    assert(modifiedAtMs !== undefined && !now.has(to));
    now.set(to, modifiedAtMs);
  }
  return [...now].map(([name, modifiedAtMs]) => ({ name, modifiedAtMs }));
}

const namesOf = (files: readonly ByHostFile[]): string[] => files.map(({ name }) => name).sort();

for (const { systemIdHex, hardwareUuid, ioPlatformUuid, byHostId } of cases.hardwareUuid) {
  test(`hardware UUID: ${systemIdHex ?? ioPlatformUuid}`, () => {
    if (systemIdHex !== undefined) {
      const systemId = Buffer.from(systemIdHex, "hex");
      assert.equal(hardwareUuidOf(systemId), hardwareUuid);
      assert.equal(hardwareUuidCandidates(systemId)[0], hardwareUuid);
    }
    if (ioPlatformUuid !== undefined) assert.equal(byHostIdOfUuid(ioPlatformUuid), byHostId);
  });
}

for (const { files, os, mac, uuid, expect, expectDeleted, expectConflict } of cases.rename) {
  test(`by-host files of ${os}: ${files.join(", ")}`, () => {
    const plan = planByHost(dated(files), {
      osVersion: os,
      mac,
      uuid: uuid ?? undefined,
      idCounts: countIds(files),
    });
    if (expect !== undefined) {
      const renamed = new Map(plan.renames.map(({ from, to }) => [from, to]));
      const seen = Object.fromEntries(files.map((name) => [name, renamed.get(name) ?? name]));
      assert.deepEqual(seen, expect);
    }
    if (expectDeleted !== undefined) assert.deepEqual(plan.deletes, expectDeleted);
    assert.equal(plan.conflicts.length > 0, expectConflict === true);
  });
}

test("names: dots in and before the domain, both forms of ids, and what is none", () => {
  assert.deepEqual(parseByHostName(".GlobalPreferences.000d93aabbcc.plist"), {
    domain: ".GlobalPreferences",
    id: OLD_MAC_ID,
  });
  assert.equal(parseByHostName(`com.apple.dock.${UUID}.plist`)?.domain, "com.apple.dock");
  for (const name of [
    "com.apple.dock.plist",
    "com.apple.dock.000D93AABBCC.plist",
    `a.${UUID}.plist.AbCdEf1`,
    ".plist",
  ]) {
    assert.equal(parseByHostName(name), undefined, name);
  }
});

test("the id that a release looks for", () => {
  const mac = MAC;
  assert.deepEqual(idsFor({ osVersion: "10.3.9", mac, uuid: UUID }), { id: MAC_ID });
  assert.deepEqual(idsFor({ osVersion: "10.4.11", mac, uuid: UUID }), { id: MAC_ID });
  assert.deepEqual(idsFor({ osVersion: "10.5.8", mac, uuid: UUID }), { id: UUID, copyId: MAC_ID });
  assert.deepEqual(idsFor({ osVersion: "10.5", mac, uuid: undefined }), { id: MAC_ID });
  assert.deepEqual(idsFor({ osVersion: "10.6.8", mac, uuid: UUID }), { id: UUID });
  assert.deepEqual(idsFor({ osVersion: "14.2", mac, uuid: UUID.toLowerCase() }), { id: UUID });
  assert.equal(idsFor({ osVersion: "10.6", mac, uuid: undefined }), undefined);
  assert.equal(idsFor({ osVersion: undefined, mac, uuid: UUID }), undefined);
  const fromMac = "00000000-0000-1000-8000-001B63010203";
  assert.deepEqual(idsFor({ osVersion: "10.6", mac, uuid: fromMac }), { id: MAC_ID });
});

test("a newer file of another machine becomes the live one, the older one is kept aside", () => {
  const names = [`com.apple.dock.${UUID}.plist`, `com.apple.dock.${OLD_UUID}.plist`];
  const plan = planByHost(dated(names), facts(names));
  assert.deepEqual(plan.renames, [
    { from: names[0], to: `${names[0]}.bootcast-old` },
    { from: names[1], to: names[0] },
  ]);
  assert.deepEqual(plan.conflicts, [{ live: names[0], aside: `${names[0]}.bootcast-old` }]);
});

test("an older file of another machine keeps its id and is reported", () => {
  const names = [`com.apple.dock.${OLD_UUID}.plist`, `com.apple.dock.${UUID}.plist`];
  const plan = planByHost(dated(names), facts(names));
  assert.deepEqual(plan.renames, []);
  assert.deepEqual(plan.conflicts, [{ live: names[1], aside: names[0] }]);
});

test("what was moved aside before is not overwritten", () => {
  const live = `com.apple.dock.${UUID}.plist`;
  const names = [live, `com.apple.dock.${OLD_UUID}.plist`, `${live}.bootcast-old`];
  const plan = planByHost(dated(names), facts(names));
  assert.deepEqual(plan.renames[0], { from: live, to: `${live}.bootcast-old-2` });
});

test("10.5 gets both names", () => {
  const names = [`com.apple.dock.${OLD_MAC_ID}.plist`];
  const plan = planByHost(dated(names), facts(names, { osVersion: "10.5.8" }));
  assert.deepEqual(
    namesOf(after(dated(names), plan)),
    [`com.apple.dock.${MAC_ID}.plist`, `com.apple.dock.${UUID}.plist`].sort(),
  );
});

test("10.5 gets the other name when the image was made on this very machine", () => {
  for (const id of [MAC_ID, UUID]) {
    const names = [`com.apple.dock.${id}.plist`];
    const plan = planByHost(dated(names), facts(names, { osVersion: "10.5.8" }));
    assert.deepEqual(
      namesOf(after(dated(names), plan)),
      [`com.apple.dock.${MAC_ID}.plist`, `com.apple.dock.${UUID}.plist`].sort(),
    );
  }
});

test("the master's file is taken, not the newest, when the master is known", () => {
  const names = [`com.apple.dock.${OLD_MAC_ID}.plist`, "com.apple.dock.001124334455.plist"];
  const known = planByHost(dated(names), facts(names, { masterId: OLD_MAC_ID }));
  assert.deepEqual(known.renames, [{ from: names[0], to: `com.apple.dock.${UUID}.plist` }]);
  assert.deepEqual(
    known.skipped.map(({ name }) => name),
    [names[1]],
  );
  const doubled = [...names, ...names.map((name) => name.replace("dock", "menu"))];
  const unknown = planByHost(dated(names), facts(doubled));
  assert.deepEqual(
    unknown.renames.map(({ from }) => from),
    [names[1]],
  );
});

test("a last word of the domain that only looks like an id stays", () => {
  // A group address (ab is odd), and one id among several that occurs only once.
  const names = [
    "com.example.abcdefabcdef.plist",
    `a.${OLD_MAC_ID}.plist`,
    `b.${OLD_MAC_ID}.plist`,
    "c.001124334455.plist",
  ];
  const plan = planByHost(dated(names), facts(names));
  assert.deepEqual(
    plan.renames.map(({ from }) => from),
    [names[1], names[2]],
  );
  assert.deepEqual(
    plan.skipped.map(({ name }) => name),
    [names[0], names[3]],
  );
});

test("without the new id nothing is renamed, but locks and neighbours still go", () => {
  const names = [`a.${OLD_UUID}.plist`, "a.plist.lockfile", `com.apple.Bluetooth.${OLD_UUID}.plist`];
  const plan = planByHost(dated(names), facts(names, { uuid: undefined }));
  assert.deepEqual(plan.renames, []);
  assert.deepEqual(plan.deletes, [names[1], names[2]]);
  assert.equal(plan.skipped.length, 1);
});

const nameOfFile = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("com.apple.dock", ".GlobalPreferences", "com.apple.Dock", "com.apple.Bluetooth", "a.b"),
      fc.constantFrom(OLD_MAC_ID, MAC_ID, UUID, UUID.toLowerCase(), OLD_UUID, "abcdefabcdef", "001124334455"),
      fc.constantFrom(".plist", ".plist.bootcast-old", ".plist.lockfile", ".plist.x1"),
    )
    .map(([domain, id, end]) => `${domain}.${id}${end}`),
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((name) => !name.includes("/")),
);

test("any directory: nothing is overwritten or lost, and a second run touches nothing of the first", () => {
  const directory = fc.uniqueArray(nameOfFile, { maxLength: 10, selector: (name) => name.toLowerCase() });
  const releases = fc.constantFrom("10.4.11", "10.5.8", "10.6", "13.1", undefined);
  fc.assert(
    fc.property(
      directory,
      releases,
      fc.constantFrom(UUID, undefined),
      fc.infiniteStream(fc.nat(5)),
      (names, os, uuid, ages) => {
        const files = names.map((name) => ({ name, modifiedAtMs: ages.next().value as number }));
        const all = facts(names, { osVersion: os, uuid });
        const plan = planByHost(files, all);
        const now = after(files, plan);
        assert.equal(now.length, names.length - plan.deletes.length + plan.copies.length);
        const second = planByHost(now, { ...all, idCounts: countIds(namesOf(now)) });
        assert.deepEqual(second.deletes, []);
        // A file that stayed may be looked at again (what was deleted can have been the other id of the volume), but
        // never one that was renamed, and nothing else is copied.
        const again = new Set(second.renames.map(({ to }) => to));
        assert(
          second.copies.every(({ from }) => again.has(from)),
          JSON.stringify([plan, second]),
        );
        const renamed = new Set(plan.renames.map(({ to }) => to));
        assert(!second.renames.some(({ from }) => renamed.has(from)), JSON.stringify([plan, second]));
      },
    ),
  );
});

test("the version of macOS, and anything else", () => {
  const plist = `<?xml version="1.0"?><plist version="1.0"><dict><key>ProductName</key><string>Mac OS X</string>
	<key>ProductVersion</key>
	<string>10.4.11</string></dict></plist>`;
  assert.equal(productVersion(plist), "10.4.11");
  for (const end of [0, 40, plist.length - 40]) assert.equal(productVersion(plist.slice(0, end)), undefined);
  assert.equal(productVersion("<key>ProductVersion</key><string>../../etc</string>"), undefined);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const version = productVersion(`<key>ProductVersion</key><string>${text}</string>`);
      assert(version === undefined || /^[\d.]+$/.test(version));
    }),
  );
});
