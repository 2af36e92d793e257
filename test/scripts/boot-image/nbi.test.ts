import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { build } from "plist";
import { eligibleImages } from "../../../bsdp/net-boot-choice.ts";
import { fatProgram, nbiEfis, nbiKeys, nbiScript } from "../../../scripts/boot-image/nbi.ts";
import { NbiLibrary } from "../../../server/boot/nbi-library.ts";

const run = promisify(execFile);
let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "bootcast-nbi-build-"));
});
after(() => rm(home, { recursive: true, force: true }));

for (const efi of nbiEfis) {
  test(`the plist of our bundle for ${efi}: read by Python, and by ourselves as Apple's server does`, async () => {
    const keys = nbiKeys({ index: 4160, name: "bootcast", efi, version: "1.2.3" });
    const folder = join(home, efi, "bootcast.nbi");
    await mkdir(join(folder, "i386"), { recursive: true });
    const path = join(folder, "NBImageInfo.plist");
    await writeFile(path, build(keys));
    await writeFile(join(folder, "i386/booter"), "the booter");
    const script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    const { stdout } = await run("python3", ["-c", script, path]);
    assert.deepEqual(JSON.parse(stdout), keys);

    const library = new NbiLibrary({ folders: [join(home, efi)], httpPort: () => 8440, now: () => 0 });
    await library.scan();
    const [image] = library.images;
    assert(image !== undefined);
    assert.equal(image.type, "BootFileOnly");
    const isFor = (systemId: string) => {
      const found = eligibleImages([image], { arch: "i386", systemId, mac: "00:03:93:01:02:03" });
      return typeof found !== "string";
    };
    // A Core Duo of 2006, which no 64-bit kernel runs on; 32-bit EFI with a 64-bit processor; a Mac of 2013.
    assert.equal(isFor("iMac4,1"), false);
    assert.equal(isFor("MacPro2,1"), efi !== "x64");
    assert.equal(isFor("iMac14,3"), efi !== "ia32");
  });
}

test("BSDPy stops without these keys", () => {
  const keys = nbiKeys({ index: 4160, name: "bootcast", efi: "x64", version: "1.2.3" });
  for (const key of ["Description", "DisabledSystemIdentifiers", "EnabledSystemIdentifiers", "IsDefault"]) {
    assert(key in keys, key);
  }
});

test("GRUB's own parser takes the script, which asks every card and then the server by address and port", async () => {
  const path = join(home, "grub.cfg");
  await writeFile(path, nbiScript("http://10.77.0.1:8440"));
  await run("grub-script-check", [path]);
  const text = await readFile(path, "utf8");
  assert.match(text, /net_bootp efinet0; then\n\s+set mac=\$net_efinet0_dhcp_mac/);
  assert.match(text, /net_bootp efinet5; then/);
  assert.match(text, /\(http,10\.77\.0\.1:8440\)\/boot\/grub\.cfg\?mac=\$mac"/);
  assert.doesNotMatch(text, /net_default_mac/, "a Mac's firmware sets no default card");
});

test("the fat program is what grub-glue-efi makes of the same two", async () => {
  const [ia32, x64] = [Buffer.alloc(3001, 1), Buffer.alloc(5002, 2)];
  await writeFile(join(home, "ia32.efi"), ia32);
  await writeFile(join(home, "x64.efi"), x64);
  const glue = join(home, "glue.efi");
  await run("grub-glue-efi", [
    "--input32",
    join(home, "ia32.efi"),
    "--input64",
    join(home, "x64.efi"),
    "--output",
    glue,
  ]);
  assert.deepEqual(fatProgram(ia32, x64), await readFile(glue));
});
