import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../../agent/contract.ts";
import { isRefusal, refuseFixedDisk } from "../../../cli/restore/refusals.ts";
import { refuseUnfit } from "../../../cli/restore/target.ts";
import { Fault } from "../../../fault.ts";

const disk: Disk = {
  path: "/dev/sdb",
  sizeBytes: 64e9,
  sectorBytes: 512,
  model: "Some disk",
  serial: "S1",
  wwn: "naa.5",
  transport: "sata",
  isRemovable: false,
  isReadOnly: false,
  usedBy: [],
};

function refusal(what: () => void): string | undefined {
  try {
    what();
    return undefined;
  } catch (error) {
    assert(error instanceof Fault && isRefusal(error), String(error));
    return error.code;
  }
}

for (const [name, image, wanted] of [
  ["that fits", { diskBytes: 64e9, dataBytes: 1, sectorBytes: 512 }, undefined],
  ["that is too large", { diskBytes: 64e9 + 512, dataBytes: 1, sectorBytes: 512 }, "TARGET_TOO_SMALL"],
  ["with other sectors", { diskBytes: 1e9, dataBytes: 1, sectorBytes: 4096 }, "TARGET_SECTORS"],
  ["without a partition table", { diskBytes: 1e9, dataBytes: 1 }, undefined],
] as const) {
  test(`an image ${name}: ${wanted ?? "taken"}`, () =>
    assert.equal(
      refusal(() => refuseUnfit(disk, image)),
      wanted,
    ));
}

for (const [name, more, named, wanted] of [
  ["a USB stick", { transport: "usb", isRemovable: true }, undefined, undefined],
  ["a USB disk that says it is fixed", { transport: "usb" }, undefined, undefined],
  ["a card in a reader", { isRemovable: true }, undefined, undefined],
  ["an inner disk", {}, undefined, "TARGET_FIXED"],
  ["an inner disk under another's name", {}, "S2", "TARGET_FIXED"],
  ["an inner disk by its path alone", {}, "/dev/sdb", "TARGET_FIXED"],
  ["an inner disk by its serial number", {}, "S1", undefined],
  ["a disk without a serial number, by its WWN", { serial: "" }, "naa.5", undefined],
  ["one in use, which is refused for that", { usedBy: ["/"] }, undefined, undefined],
] as const) {
  test(`a boot stick of ${name}: ${wanted ?? "not refused"}`, () =>
    assert.equal(
      refusal(() =>
        refuseFixedDisk(
          "/dev/sdb",
          { ...disk, ...more, usedBy: [], ...("usedBy" in more ? { usedBy: [...more.usedBy] } : {}) },
          named,
        ),
      ),
      wanted,
    ));
}
