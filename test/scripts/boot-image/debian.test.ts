import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePackages } from "../../../scripts/boot-image/debian.ts";

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
