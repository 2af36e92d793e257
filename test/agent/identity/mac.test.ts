import assert from "node:assert/strict";
import { chmodSync, lstatSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build, buildBinary } from "plist";
import type { Identity } from "../../../agent/identity/change.ts";
import { FIRST_BOOT_PATH } from "../../../agent/identity/first-boot-job.ts";
import { macFirstBoot } from "../../../agent/identity/mac-first-boot.ts";
import { macHiddenList } from "../../../agent/identity/mac-hidden-list.ts";
import { macNames } from "../../../agent/identity/mac-names.ts";
import { macKerberos, macNetworkInterfaces, macSshHostKeys } from "../../../agent/identity/mac-traces.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import { parsePropertyList } from "../../../images/property-list.ts";
import { carryOut, volumeRoot } from "./volume-root.ts";

const identity: Identity = { hostName: "imac-07.lab.example", mac: "00:1b:63:01:02:03", hardwareUuids: [] };
const configuration = "/Library/Preferences/SystemConfiguration";

function macRoot(t: { after(end: () => void): void }, version: string, files: Record<string, string | Uint8Array>) {
  const plist = build({ ProductName: "Mac OS X", ProductVersion: version });
  return volumeRoot(t, { "/System/Library/CoreServices/SystemVersion.plist": plist, ...files });
}

const list = {
  Model: "iMac4,1",
  Sets: { "0": { UserDefinedName: "Automatic" } },
  System: {
    Network: { HostNames: { LocalHostName: "master" } },
    System: { ComputerName: "Master of the lab", ComputerNameEncoding: 0 },
  },
};

for (const [form, made] of [
  ["an XML", (value: typeof list) => Buffer.from(build(value))],
  ["a binary", (value: typeof list) => Buffer.from(buildBinary(value))],
] as const) {
  test(`a Mac's names in ${form} list; owner, mode and dates of the file stay`, async (t) => {
    const root = macRoot(t, "10.8.5", { [`${configuration}/preferences.plist`]: made(list) });
    const file = join(root, configuration, "preferences.plist");
    chmodSync(file, 0o664);
    utimesSync(file, 1000, 2000);
    const { ino } = lstatSync(file);
    await carryOut(macNames, root, identity);
    assert.deepEqual(parsePropertyList(readFileSync(file)), {
      ...list,
      System: {
        Network: { HostNames: { LocalHostName: "imac-07" } },
        System: { ComputerName: "imac-07" },
      },
    });
    const stats = lstatSync(file);
    assert.deepEqual([stats.mode & 0o777, stats.mtimeMs, stats.ino], [0o664, 2_000_000, ino]);
  });
}

test("HostName and the name for Windows change only where the image has them", async (t) => {
  const named = { ...list, System: { ...list.System, System: { ComputerName: "x", HostName: "x.example" } } };
  const root = macRoot(t, "10.9", {
    [`${configuration}/preferences.plist`]: build(named),
    [`${configuration}/com.apple.smb.server.plist`]: Buffer.from(buildBinary({ NetBIOSName: "MASTER", Other: true })),
  });
  await carryOut(macNames, root, identity);
  const names = parsePropertyList(readFileSync(join(root, configuration, "preferences.plist"))) as typeof named;
  assert.deepEqual(names.System.System, { ComputerName: "imac-07", HostName: "imac-07.lab.example" });
  const smb = parsePropertyList(readFileSync(join(root, configuration, "com.apple.smb.server.plist")));
  assert.deepEqual(smb, { NetBIOSName: "IMAC-07", Other: true });
});

test("a Mac that was never named gets a list, and a broken list stays and is told", async (t) => {
  const fresh = macRoot(t, "10.5.8", { [`${configuration}/other.plist`]: "" });
  await carryOut(macNames, fresh, identity);
  assert.deepEqual(parsePropertyList(readFileSync(join(fresh, configuration, "preferences.plist"))), {
    System: { System: { ComputerName: "imac-07" }, Network: { HostNames: { LocalHostName: "imac-07" } } },
  });
  const broken = macRoot(t, "10.5.8", { [`${configuration}/preferences.plist`]: "<plist><dict><key>a" });
  const plan = await carryOut(macNames, broken, identity);
  assert.equal(plan.changes.length, 0);
  assert.match(plan.notes[0] ?? "", /preferences\.plist stays as it is/);
});

test("up to 10.4 a fixed name in hostconfig changes, an automatic one stays", async (t) => {
  const files = {
    [`${configuration}/preferences.plist`]: build(list),
    "/private/etc/hostconfig": "A=1\nHOSTNAME=master\nB=2\n",
  };
  const tiger = macRoot(t, "10.4.11", files);
  await carryOut(macNames, tiger, identity);
  assert.equal(readFileSync(join(tiger, "private/etc/hostconfig"), "utf8"), "A=1\nHOSTNAME=imac-07.lab.example\nB=2\n");
  const automatic = macRoot(t, "10.4.11", { ...files, "/private/etc/hostconfig": "HOSTNAME=-AUTOMATIC-\n" });
  const plan = await carryOut(macNames, automatic, identity);
  assert.deepEqual(
    plan.changes.map((change) => "path" in change && change.path),
    [`${configuration}/preferences.plist`],
  );
  const newer = macRoot(t, "10.6", files);
  await carryOut(macNames, newer, identity);
  assert.equal(readFileSync(join(newer, "private/etc/hostconfig"), "utf8"), files["/private/etc/hostconfig"]);
});

test("cards, adapters and leases of the old Mac go", async (t) => {
  const traces = [
    `${configuration}/NetworkInterfaces.plist`,
    "/private/var/db/NetworkInterfaces.xml",
    "/Library/Preferences/com.apple.Bluetooth.plist",
    "/private/var/db/dhcpclient/leases/en0-1,0:1b:63:1:2:3",
  ];
  const root = macRoot(t, "10.6.8", {
    ...Object.fromEntries(traces.map((path) => [path, "old"])),
    [`${configuration}/preferences.plist`]: "stays",
  });
  const plan = await carryOut(macNetworkInterfaces, root, identity);
  assert.deepEqual(
    plan.changes.map((change) => "path" in change && change.path),
    traces,
  );
});

test("the local Kerberos goes from 10.5 to 10.9, and nowhere else", async (t) => {
  const files = {
    "/private/var/db/krb5kdc/principal.LKDC": "secret",
    "/private/etc/krb5.keytab": "secret",
    "/private/var/db/dslocal/nodes/Default/config/KerberosKDC.plist": "x",
    "/private/var/db/dslocal/nodes/Default/users/anna.plist": "stays",
  };
  for (const version of ["10.5", "10.9.5"]) {
    const root = macRoot(t, version, { ...files, "/Library/LaunchDaemons/x": "" });
    const job = await carryOut(macFirstBoot, root, identity);
    assert.match(job.notes[0] ?? "", /At its first start this Mac itself will do: make its local Kerberos/);
    assert.match(readFileSync(join(root, FIRST_BOOT_PATH), "utf8"), /configureLocalKDC/);
    const plan = await carryOut(macKerberos, root, identity);
    assert.equal(plan.changes.length, 3);
  }
  for (const version of ["10.4.11", "10.10", "13.1"]) {
    assert.equal(await macKerberos.plan(new VolumeFiles(macRoot(t, version, files)), identity), undefined, version);
  }
});

test("SSH host keys of both places go, and what only looks like them stays", async (t) => {
  const keys = [
    "/private/etc/ssh_host_key",
    "/private/etc/ssh_host_rsa_key.pub",
    "/private/etc/ssh/ssh_host_ed25519_key",
  ];
  const others = ["/private/etc/ssh/sshd_config", "/private/etc/ssh_host_notes"];
  const root = macRoot(t, "10.11", Object.fromEntries([...keys, ...others].map((path) => [path, "x"])));
  const plan = await carryOut(macSshHostKeys, root, identity);
  assert.deepEqual(plan.changes.map((change) => "path" in change && change.path).sort(), [...keys].sort());
});

test("Tiger gets the list of what its Finder hides where it is missing; a list that is there stays", async (t) => {
  const root = macRoot(t, "10.4.11", {});
  await carryOut(macHiddenList, root, identity);
  assert.match(readFileSync(join(root, ".hidden"), "utf8"), /^bin\n[\s\S]*\nprivate\n/);
  assert.equal(lstatSync(join(root, ".hidden")).mode & 0o777, 0o444);
  const own = macRoot(t, "10.4.11", { "/.hidden": "mine\n" });
  assert.deepEqual((await carryOut(macHiddenList, own, identity)).changes, []);
  assert.equal(await macHiddenList.plan(new VolumeFiles(macRoot(t, "10.5", {})), identity), undefined);
});

test("no module of the Mac finds anything on a Linux", async (t) => {
  const files = new VolumeFiles(volumeRoot(t, { "/etc/os-release": "ID=debian\n" }));
  for (const module of [macNames, macNetworkInterfaces, macKerberos, macSshHostKeys, macHiddenList]) {
    assert.equal(await module.plan(files, identity), undefined);
  }
});
