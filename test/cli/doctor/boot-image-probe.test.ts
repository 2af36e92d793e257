import assert from "node:assert/strict";
import { test } from "node:test";
import { extrasOf } from "../../../cli/doctor/boot-image-probe.ts";

test("the doctor says where the boot image is not what the settings say", () => {
  const image = { architecture: "amd64" } as const;
  assert.deepEqual(
    extrasOf(image, () => false),
    [],
  );
  assert.deepEqual(
    extrasOf({ ...image, extras: ["dropbear-bin", "wpasupplicant"] }, () => true),
    [],
  );
  const [missing] = extrasOf(image, (setting) => setting === "boot.wired_8021x");
  assert.deepEqual(
    [missing?.status, missing?.detail],
    ["warn", "boot.wired_8021x is set, but it was built without 802.1X"],
  );
  const [open, ...none] = extrasOf({ ...image, extras: ["dropbear-bin"] }, () => false);
  assert.match(open?.detail ?? "", /it has remote shell, though boot\.remote_shell is not set/);
  assert.match(open?.fix ?? "", /boot-image build/);
  assert.deepEqual(none, []);
});
