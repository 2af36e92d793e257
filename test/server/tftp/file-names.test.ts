import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { pathOfName } from "../../../server/tftp/file-names.ts";

const names: readonly [sent: string, path: string, why: string][] = [
  ["undionly.kpxe", "undionly.kpxe", "plain"],
  ["/undionly.kpxe", "undionly.kpxe", "iPXE's leading slash"],
  ["//x64///snponly.efi", "x64/snponly.efi", "shim's double slash"],
  ["./x64/./snponly.efi", "x64/snponly.efi", "dot parts"],
  ["\\Boot\\x64\\wdsmgfw.efi", "Boot/x64/wdsmgfw.efi", "Windows"],
  ["/private/tftpboot/NetBoot/booter", "NetBoot/booter", "Macs"],
  ["tftpboot/pxelinux.0", "pxelinux.0", "the usual root of other servers"],
  ["tftpboot/tftpboot/x", "tftpboot/x", "prefixes are taken off once"],
  ["10.77.0.1/boot.efi", "boot.efi", "the server's address"],
  ["tftp://10.77.0.1/x64/snponly.efi", "x64/snponly.efi", "an URL"],
  ["/tftp://boot.lab/x64/snponly.efi", "x64/snponly.efi", "an URL behind a slash"],
  ["undionly.kpxe\xff", "undionly.kpxe", "an old PXE ROM that reads the end option"],
  ["undionly.kpxe\xff\x43\x06", "undionly.kpxe", "and some options behind it"],
  ["undionly.kpxe   ", "undionly.kpxe", "trailing spaces"],
  ["s\xc3\xbcd.efi", "süd.efi", "UTF-8"],
  ["..x/...", "..x/...", "dots that climb nowhere"],
  ["", "", "nothing"],
  ["/", "", "the directory itself"],
];

for (const [sent, path, why] of names) {
  test(`tftp name: ${JSON.stringify(sent)} (${why})`, () => assert.equal(pathOfName(sent), path));
}

for (const sent of [
  "../etc/passwd",
  "x/../../etc/passwd",
  "\\..\\etc\\passwd",
  "..",
  "tftp://h/../x",
  "x64/..",
  "a\x07b",
  "a\nb",
  "a\n",
  "\tboot.efi\t",
]) {
  test(`tftp name: ${JSON.stringify(sent)} is refused`, () => {
    assert.throws(() => pathOfName(sent), { code: "TFTP_NAME_REFUSED" });
  });
}

test("tftp name: whatever is sent, the path stays below the root or is refused", () => {
  const parts = fc.constantFrom(
    "..",
    ".",
    "/",
    "\\",
    "//",
    "tftpboot",
    "private",
    "tftp:",
    "10.0.0.1",
    "a",
    "\xff",
    " ",
    "\x00",
  );
  const names = fc.oneof(
    fc.array(parts).map((list) => list.join("")),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(names, (sent) => {
      let path: string;
      try {
        path = pathOfName(sent);
      } catch (error) {
        assert(error instanceof Fault);
        return;
      }
      assert(!path.startsWith("/") && !path.includes("\\"));
      assert(path === "" || path.split("/").every((part) => part !== "" && part !== "." && part !== ".."), path);
    }),
  );
});
