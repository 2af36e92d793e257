import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../../agent/contract.ts";
import {
  ataOffer,
  ataSanitizeState,
  destroy,
  nvmeOffer,
  nvmeSanitizeState,
  secureCommand,
  secureEraseOf,
} from "../../../agent/disk/secure-erase.ts";
import { fakeClock } from "../fake-clock.ts";

const disk = (path: string, transport: Disk["transport"]): Disk => ({
  ...{ path, transport, sizeBytes: 1e12, sectorBytes: 512, model: "", serial: "", wwn: "" },
  ...{ isRemovable: false, isReadOnly: false, usedBy: [] },
});

/** The lines of "hdparm -I" that count, as it prints them. */
const identity = (...lines: string[]) =>
  `Commands/features:\n\tEnabled\tSupported:\n${lines.map((line) => `\t${line}\n`).join("")}`;

test("what an ATA disk offers: the feature set and a command of it, both enabled", () => {
  const set = "   *\tSANITIZE feature set";
  assert.equal(
    ataOffer(identity(set, "   *\tBLOCK_ERASE_EXT command", "   *\tOVERWRITE_EXT command")),
    "ata-sanitize-block",
  );
  assert.equal(ataOffer(identity(set, "   *\tCRYPTO_SCRAMBLE_EXT command")), "ata-sanitize-crypto");
  assert.equal(ataOffer(identity(set, "   *\tOVERWRITE_EXT command")), "ata-sanitize-overwrite");
  assert.equal(ataOffer(identity(set)), undefined);
  assert.equal(ataOffer(identity("   *\tBLOCK_ERASE_EXT command")), undefined);
  assert.equal(ataOffer(identity("    \tSANITIZE feature set", "   *\tBLOCK_ERASE_EXT command")), undefined);
  assert.equal(ataOffer(""), undefined);
});

test("what an NVMe controller offers, by its bits", () => {
  const offer = (sanicap: number, oacs: number) => nvmeOffer(JSON.stringify({ sanicap, oacs, nn: 1 }));
  assert.equal(offer(3, 2), "nvme-sanitize-block");
  assert.equal(offer(1, 2), "nvme-sanitize-crypto");
  assert.equal(offer(0x80000000, 2), "nvme-format");
  assert.equal(offer(0, 0), undefined);
  // A second namespace may be there without being attached; and who does not say how many there can be is not believed.
  for (const nn of [0, 2, 128, "1", undefined])
    assert.equal(nvmeOffer(JSON.stringify({ sanicap: 3, oacs: 2, nn })), undefined);
  for (const text of ["", "null", "[]", "{", "nvme: no such device"]) assert.equal(nvmeOffer(text), undefined);
});

test("a controller with a second disk behind it is not sanitized", async () => {
  const tools = { run: async () => JSON.stringify({ sanicap: 2, nn: 1 }) };
  const [one, two, other] = [disk("/dev/nvme0n1", "nvme"), disk("/dev/nvme0n2", "nvme"), disk("/dev/nvme1n1", "nvme")];
  assert.equal(await secureEraseOf(one, [one, other], tools), "nvme-sanitize-block");
  assert.equal(await secureEraseOf(one, [one, two, other], tools), undefined);
  assert.equal(await secureEraseOf(disk("/dev/vda", "virtio"), [], tools), undefined);
});

test("how far it is: in the words of each tool", () => {
  assert.equal(
    ataSanitizeState("    State:    SD0 Sanitize Idle\n    Last Sanitize Operation Completed Without Error\n"),
    "done",
  );
  assert.equal(
    ataSanitizeState("    State:    SD2 Sanitize operation In Process\n    Progress: 0x8000 (50%)\n"),
    "underway",
  );
  assert.equal(ataSanitizeState("    State:    SD1 Sanitize Frozen\n"), "failed");
  assert.equal(ataSanitizeState("Last Sanitize Command completed unsuccessfully"), "failed");
  const words = (status: string) => `{"nvme0":{"sprog":65535,"sstat":{"global_erased":1,"status":"${status}"}}}`;
  assert.equal(nvmeSanitizeState(words("(1) Most Recent Sanitize Command Completed Successfully.")), "done");
  assert.equal(nvmeSanitizeState(words("(2) Sanitize in Progress.")), "underway");
  assert.equal(nvmeSanitizeState(words("(3) Most Recent Sanitize Command Failed.")), "failed");
  assert.equal(nvmeSanitizeState('{"nvme0":{"sprog":65535,"sstat":257}}'), "done");
  assert.equal(nvmeSanitizeState("{}"), "failed");
});

test("it begins, is waited for, and its end is believed only when the device says so", async () => {
  for (const [last, isDone] of [
    ["Completed Without Error", true],
    ["completed unsuccessfully", false],
  ] as const) {
    const ran: string[] = [];
    let asked = 0;
    const tools = {
      async run(command: string, args: readonly string[]) {
        ran.push([command, ...args].join(" "));
        if (!args.includes("--sanitize-status")) return "";
        asked += 1;
        return asked < 3
          ? "State:    SD2 Sanitize operation In Process"
          : `State: SD0 Sanitize Idle\n Last Sanitize ${last}`;
      },
    };
    const said: string[] = [];
    const wait = { signal: new AbortController().signal, onWait: (line: string) => void said.push(line) };
    const run = destroy("ata-sanitize-block", disk("/dev/sda", "sata"), { tools, clock: fakeClock() }, wait);
    if (isDone) await run;
    else await assert.rejects(run, { code: "ERASE_FAILED" });
    assert.equal(ran[0], "hdparm --yes-i-know-what-i-am-doing --sanitize-block-erase /dev/sda");
    assert.equal(said.length, 2);
  }
});

test("every command names this disk or its own controller, and no other", () => {
  for (const how of ["nvme-sanitize-block", "nvme-sanitize-crypto", "nvme-format"] as const) {
    assert.match(secureCommand(how, disk("/dev/nvme3n1", "nvme")).join(" "), /^nvme \w+ \/dev\/nvme3(n1)? /);
  }
  for (const how of [
    "ata-sanitize-block",
    "ata-sanitize-crypto",
    "ata-sanitize-overwrite",
    "mmc-secure-discard",
  ] as const) {
    assert.equal(secureCommand(how, disk("/dev/sdq", "sata")).at(-1), "/dev/sdq");
  }
});
