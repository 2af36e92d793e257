import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Identity } from "../../../agent/identity/change.ts";
import {
  checkHive,
  registryKeys,
  registryNumber,
  registryText,
  withRegistryTexts,
} from "../../../agent/identity/registry-hive.ts";
import { VolumeFiles } from "../../../agent/identity/volume-files.ts";
import { editsFor, windowsRegistry } from "../../../agent/identity/windows-registry.ts";
import { decoded, encoded } from "../../../agent/identity/windows-system.ts";
import { nameInUnattend, windowsUnattend } from "../../../agent/identity/windows-unattend.ts";
import { Fault } from "../../../fault.ts";
import { emptyHive } from "./empty-hive.ts";
import { carryOut, volumeRoot } from "./volume-root.ts";

const identity: Identity = { hostName: "lab-07.example.org", mac: "52:54:00:00:00:07", hardwareUuids: [] };

/** A SYSTEM hive that hivex made: what names a Windows, in two control sets, among other values. */
const systemHive = (() => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-hive-"));
  const path = join(directory, "SYSTEM");
  writeFileSync(path, emptyHive());
  const down = (...names: string[]) => names.flatMap((name) => [`add ${name}`, `cd ${name}`]);
  const set = (name: string) => [
    "cd \\",
    ...down(name, "Control", "ComputerName", "ComputerName"),
    ...["setval 2", "@", "string:mnmsrvc", "ComputerName", "string:MASTER"],
    ...["cd \\", `cd ${name}`, ...down("Services", "Tcpip", "Parameters")],
    ...["setval 4", "Hostname", "string:master", "NV Hostname", "string:master"],
    ...["Domain", "string:", "DeadGWDetectDefault", "dword:1"],
  ];
  const script = [
    ...set("ControlSet001"),
    ...set("ControlSet002"),
    "cd \\",
    ...down("Select"),
    "setval 1",
    "Current",
    "dword:1",
    "commit",
  ];
  writeFileSync(join(directory, "script"), `${script.join("\n")}\n`);
  try {
    execFileSync("hivexsh", ["-w", "-f", join(directory, "script"), path]);
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
})();

/** What hivex reads in a key. */
function seenByHivex(hive: Uint8Array, key: string): string {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-hive-"));
  try {
    writeFileSync(join(directory, "SYSTEM"), hive);
    return execFileSync("hivexget", [join(directory, "SYSTEM"), key], { encoding: "utf8" });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const COMPUTER = "\\ControlSet001\\Control\\ComputerName\\ComputerName";
const PARAMETERS = "\\ControlSet002\\Services\\Tcpip\\Parameters";

test("a hive is read: keys, texts and numbers, names in any case, and what is not there", () => {
  checkHive(systemHive);
  assert.deepEqual(registryKeys(systemHive, []).sort(), ["ControlSet001", "ControlSet002", "Select"]);
  const parameters = ["controlset002", "SERVICES", "Tcpip", "Parameters"];
  assert.equal(registryText(systemHive, parameters, "nv hostname"), "master");
  assert.equal(registryText(systemHive, parameters, "DeadGWDetectDefault"), undefined);
  assert.equal(registryNumber(systemHive, parameters, "DeadGWDetectDefault"), 1);
  assert.equal(registryText(systemHive, ["None", "Deeper"], "x"), undefined);
});

for (const name of ["lab", "master", "lab-07", "quite-a-long-name-of-a-host-with-many-letters"]) {
  test(`a Windows is named ${name}: hivex reads it, and every other value as before`, () => {
    const renamed = withRegistryTexts(systemHive, editsFor(systemHive, name));
    assert.equal(seenByHivex(renamed, COMPUTER), `"@"="mnmsrvc"\n"ComputerName"="${name.toUpperCase()}"\n`);
    const expected = `"Hostname"="${name}"\n"NV Hostname"="${name}"\n`;
    assert.equal(
      seenByHivex(renamed, PARAMETERS),
      seenByHivex(systemHive, PARAMETERS).replace(/"Hostname"[\s\S]*?"\n"NV Hostname".*\n/, expected),
    );
    checkHive(renamed);
    assert.equal(withRegistryTexts(renamed, editsFor(renamed, name)), renamed, "a second time nothing changes");
  });
}

test("names one after the other: each is read, by hivex too", () => {
  let hive: Buffer = systemHive;
  for (let round = 1; round <= 40; round += 1) {
    const name = `host-${"x".repeat(round)}`;
    hive = withRegistryTexts(hive, editsFor(hive, name));
    assert.equal(registryText(hive, ["ControlSet001", "Services", "Tcpip", "Parameters"], "Hostname"), name);
  }
  assert.match(seenByHivex(hive, PARAMETERS), new RegExp(`"Hostname"="host-${"x".repeat(40)}"`));
});

test("a hive that Windows left open is not touched, and a damaged one is refused or read, never worse", () => {
  const dirty = Buffer.from(systemHive);
  dirty.writeUInt32LE(dirty.readUInt32LE(4) + 1, 4);
  dirty.writeUInt32LE((dirty.readUInt32LE(508) ^ dirty.readUInt32LE(4) ^ systemHive.readUInt32LE(4)) >>> 0, 508);
  assert.throws(() => checkHive(dirty), { code: "HIVE_DIRTY" });
  const tried = (bytes: Buffer) => {
    try {
      withRegistryTexts(bytes, editsFor(bytes, "lab-07"));
    } catch (error) {
      assert(error instanceof Fault && error.code === "HIVE_DAMAGED", String(error));
    }
  };
  for (let cut = 0; cut < systemHive.length; cut += 61) tried(Buffer.from(systemHive.subarray(0, cut)));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(systemHive.length - 513), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (flips) => {
        const broken = Buffer.from(systemHive);
        // Not in the first block, whose sum would give it away.
        for (const [at, value] of flips) broken[512 + at] = value;
        tried(broken);
      },
    ),
    { numRuns: 1000 },
  );
});

const registry = { "/Windows/System32/config/SYSTEM": systemHive, "/Windows/SysWOW64/x": "" };
const generalised = "[State]\r\nImageState=IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE\r\n";

test("a Windows that was not generalised is renamed in its registry, with a warning about SID and MachineGuid", async (t) => {
  const root = volumeRoot(t, {
    ...registry,
    "/Windows/Setup/State/State.ini": "[State]\r\nImageState=IMAGE_STATE_COMPLETE\r\n",
  });
  const plan = await carryOut(windowsRegistry, root, identity);
  assert.match(plan.notes.join(), /not generalised: all clones have its SID and MachineGuid/);
  assert.match(seenByHivex(readFileSync(join(root, "Windows/System32/config/SYSTEM")), COMPUTER), /"LAB-07"/);
  assert.equal(await windowsUnattend.plan(new VolumeFiles(root), identity), undefined);
});

test("folders in another case are found, and a name that is too long is cut and told", async (t) => {
  const root = volumeRoot(t, { "/WINDOWS/system32/Config/system": systemHive });
  const plan = await carryOut(windowsRegistry, root, { ...identity, hostName: "classroom-west-07" });
  assert.match(plan.notes[0] ?? "", /15 letters: "classroom-west-07" is cut to "classroom-west"/);
});

test("a generalised Windows gets its name by an answer file, and its registry stays", async (t) => {
  const root = volumeRoot(t, {
    ...registry,
    "/Windows/Setup/State/State.ini": encoded(generalised, "utf16le-bom"),
    "/Windows/Panther/x": "",
  });
  await carryOut(windowsUnattend, root, identity);
  assert.equal(await windowsRegistry.plan(new VolumeFiles(root), identity), undefined);
  const made = readFileSync(join(root, "Windows/Panther/unattend.xml"), "utf8");
  assert.match(
    made,
    /<settings pass="specialize"><component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64"[^>]*><ComputerName>lab-07</,
  );
});

const answers = `<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
  <!-- <settings pass="specialize"><component name="Microsoft-Windows-Shell-Setup"></component></settings> -->
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64"><TimeZone>UTC</TimeZone></component>
  </settings>
  <settings pass="specialize" wasPassProcessed="true">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" language="neutral">
      <ComputerName>*</ComputerName>
      <ProductKey>AAAAA</ProductKey>
    </component>
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="x86" />
  </settings>
</unattend>
`;

test("a real answer file: the name in every component of specialize, all else as it was", async (t) => {
  const expected = answers
    .replace(' wasPassProcessed="true"', "")
    .replace("<ComputerName>*</ComputerName>", "<ComputerName>lab-07</ComputerName>")
    .replace('"x86" />', '"x86"><ComputerName>lab-07</ComputerName></component>');
  for (const encoding of ["utf8", "utf8-bom", "utf16le-bom"] as const) {
    const root = volumeRoot(t, {
      ...registry,
      "/Windows/Setup/State/State.ini": generalised,
      "/Windows/System32/Sysprep/Unattend.XML": encoded(answers, encoding),
    });
    await carryOut(windowsUnattend, root, identity);
    const now = readFileSync(join(root, "Windows/System32/Sysprep/Unattend.XML"));
    assert.deepEqual(decoded(now), { text: expected, encoding });
  }
});

for (const [what, text, expected] of [
  [
    "no pass",
    "<unattend></unattend>",
    /^<unattend><settings pass="specialize"><component [^>]*"arm64"[^>]*><ComputerName>n<.*<\/settings>\n<\/unattend>$/,
  ],
  [
    "no component",
    "<unattend><settings pass='specialize'></settings></unattend>",
    /<settings pass='specialize'><component [^>]*><ComputerName>n<\/ComputerName><\/component><\/settings>/,
  ],
  [
    "no name",
    '<unattend><settings pass="specialize"><component name="Microsoft-Windows-Shell-Setup"><A/></component></settings></unattend>',
    /Setup"><ComputerName>n<\/ComputerName><A\/>/,
  ],
  [
    "an empty name",
    '<unattend><settings pass="specialize"><component name="Microsoft-Windows-Shell-Setup"><ComputerName/></component></settings></unattend>',
    /Setup"><ComputerName>n<\/ComputerName><\/component>/,
  ],
] as const) {
  test(`an answer file with ${what}`, () => {
    const named = nameInUnattend(text, "n", "arm64");
    assert.match(named ?? "", expected);
    assert.equal(nameInUnattend(named ?? "", "n", "arm64"), named);
  });
}

test("what is no answer file stays, and is told", async (t) => {
  assert.equal(nameInUnattend("<xml/>", "n", "x86"), undefined);
  const root = volumeRoot(t, {
    ...registry,
    "/Windows/Setup/State/State.ini": generalised,
    "/Windows/Panther/unattend.xml": "text",
  });
  assert.match((await carryOut(windowsUnattend, root, identity)).notes[0] ?? "", /no answer file/);
});
