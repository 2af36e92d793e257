import assert from "node:assert/strict";
import { test } from "node:test";
import { bootImageFinding } from "../../../cli/doctor/boot-image-check.ts";

const image = {
  architecture: "amd64",
  bootcast: "1.2.0",
  node: "24.1.0",
  kernel: "6.12",
  siteKey: "aa",
  files: [{ name: "vmlinuz", sizeBytes: 8e6, sha256: "" }],
} as const;
const here = { isWhole: true, keys: "aa", version: "1.2.0" };

test("boot image: as it was built, damaged, of another site, of another version", () => {
  assert.equal(bootImageFinding(image, here).status, "ok");
  assert.match(bootImageFinding(image, here).detail, /Linux 6\.12, Node 24\.1\.0, 8 MB/);
  assert.equal(bootImageFinding(image, { ...here, isWhole: false }).status, "fail");
  const foreign = bootImageFinding(image, { ...here, keys: "bb" });
  assert.equal(foreign.status, "fail");
  assert.match(foreign.detail, /other keys/);
  assert.equal(bootImageFinding(image, { ...here, keys: undefined }).status, "ok", "no key yet: nothing to compare");
  assert.equal(bootImageFinding(image, { ...here, version: "1.3.0" }).status, "warn");
  const arm = bootImageFinding({ ...image, architecture: "arm64" }, { ...here, isWhole: false });
  assert.match(arm.fix ?? "", /--arch amd64,arm64/);
});
