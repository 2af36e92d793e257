import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sourcesOf } from "../../../scripts/boot-image/archive.ts";
import { parsePackages } from "../../../scripts/boot-image/debian.ts";
import { isAtLeastGrub212 } from "../../../scripts/boot-image/grub-loaders.ts";
import { foreignPackages } from "../../../scripts/boot-image/npm-package.ts";

test("what apt-cache prints becomes packages; alternatives count as their first", () => {
  // Shortened from `apt-cache show --no-all-versions` on Debian 12.
  const text = `Package: fdisk
Source: util-linux
Version: 2.38.1-5+deb12u3
Pre-Depends: libc6 (>= 2.34), libfdisk1 (>= 2.38)
Depends: libreadline8 (>= 6.0) | libedit2, install-info:any
Size: 141320
Description: collection of partitioning utilities
 Depends: is here only a word of the description.
SHA256: a7bf5a6fee968c3bebeb37b13396ed195c59459e4631271bb3acac0d9cf42491

Package: installed-by-hand
Version: 1
Status: install ok installed

`;
  assert.deepEqual(parsePackages(text), [
    {
      name: "fdisk",
      version: "2.38.1-5+deb12u3",
      sha256: "a7bf5a6fee968c3bebeb37b13396ed195c59459e4631271bb3acac0d9cf42491",
      sizeBytes: 141320,
      depends: ["libc6", "libfdisk1", "libreadline8", "install-info"],
    },
  ]);
  assert.deepEqual(parsePackages(""), []);
});

test("another release comes from the archives that this machine has, signed by Debian", () => {
  const targets = [
    "Packages|main|nodistro|. nodistro|https://packages.example/node/",
    "Packages|main|bookworm-security|Debian|http://security.example/debian-security/",
    "Packages|main|bookworm|Debian|http://example.test/debian/",
  ].join("\n");
  const trust = "[arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
  assert.equal(
    sourcesOf(targets, { suite: "trixie", architecture: "arm64" }),
    `deb ${trust} http://example.test/debian/ trixie main non-free-firmware
deb ${trust} http://security.example/debian-security/ trixie-security main non-free-firmware
`,
  );
  assert.equal(
    sourcesOf("Packages|main|noble|Ubuntu|http://example.test/ubuntu/", { suite: "trixie", architecture: "amd64" }),
    undefined,
  );
});

test("GRUB 2.12 and later is taken from this machine's own release", () => {
  const isNew = (version: string) => isAtLeastGrub212({ name: "grub-efi-amd64-signed", version });
  assert(isNew("1+2.12+9+deb13u2") && isNew("1+2.14~rc1+1") && isNew("1+3.0+1") && isNew("2.12-9+deb13u2"));
  assert(!isNew("1+2.06+13+deb12u2") && !isNew("2.06-13+deb12u2") && !isNew("unknown"));
  assert(isAtLeastGrub212({ name: "memtest86+", version: "6.10-4" }));
});

test("the packages for other machines are those of package-lock.json", async () => {
  const lock = JSON.parse(await readFile(join(import.meta.dirname, "../../../package-lock.json"), "utf8"));
  for (const { name, version, integrity } of Object.values(foreignPackages)) {
    const locked = lock.packages[`node_modules/${name}`];
    assert.deepEqual({ version: locked.version, integrity: locked.integrity }, { version, integrity });
  }
});
