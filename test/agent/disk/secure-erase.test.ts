import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../../agent/contract.ts";
import { encodeNvmeCommand, nvmeOffer, nvmeSanitizeState } from "../../../agent/disk/nvme-commands.ts";
import type { NvmeDevices } from "../../../agent/disk/nvme-device.ts";
import { ataOffer, ataSanitizeState, destroy, secureCommand, secureEraseOf } from "../../../agent/disk/secure-erase.ts";
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

/** An answer to "identify controller" (NVMe Base 2.0, figure 275). */
function controller(sanicap: number, oacs: number, namespaces: number): Buffer {
  const answer = Buffer.alloc(4096);
  answer.writeUInt16LE(oacs, 256);
  answer.writeUInt32LE(sanicap, 328);
  answer.writeUInt32LE(namespaces, 516);
  return answer;
}

/** Controllers that answer so, and what each was asked: opcode, namespace, dword 10. */
function nvmeOf(answer: (opcode: number) => Uint8Array): NvmeDevices & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async send(path, commandFor) {
      const { opcode, namespaceId, dword10 } = commandFor(1);
      asked.push([path, ...[opcode, namespaceId, dword10].map((number) => number.toString(16))].join(" "));
      return answer(opcode);
    },
  };
}

const noNvme = { send: () => Promise.reject(new Error("no NVMe disk is to be asked")) };
const noTools = { run: () => Promise.reject(new Error("no tool is to be started")) };

test("what an NVMe controller offers, by its bits", () => {
  assert.equal(nvmeOffer(controller(3, 2, 1)), "nvme-sanitize-block");
  assert.equal(nvmeOffer(controller(1, 2, 1)), "nvme-sanitize-crypto");
  assert.equal(nvmeOffer(controller(0x80000000, 2, 1)), "nvme-format");
  assert.equal(nvmeOffer(controller(0, 0, 1)), undefined);
  // A second namespace may be there without being attached; and who does not say how many there can be is not believed.
  for (const namespaces of [0, 2, 128]) assert.equal(nvmeOffer(controller(3, 2, namespaces)), undefined);
  for (const short of [0, 517, 4095]) assert.equal(nvmeOffer(controller(3, 2, 1).subarray(0, short)), undefined);
});

test("a controller with a second disk behind it is not sanitized", async () => {
  const nvme = nvmeOf(() => controller(2, 0, 1));
  const machine = { tools: noTools, nvme };
  const [one, two, other] = [disk("/dev/nvme0n1", "nvme"), disk("/dev/nvme0n2", "nvme"), disk("/dev/nvme1n1", "nvme")];
  assert.equal(await secureEraseOf(one, [one, other], machine), "nvme-sanitize-block");
  assert.equal(await secureEraseOf(one, [one, two, other], machine), undefined);
  assert.equal(await secureEraseOf(disk("/dev/vda", "virtio"), [], machine), undefined);
  assert.deepEqual(nvme.asked, ["/dev/nvme0n1 6 0 1"]);
  const silent = { send: () => Promise.reject(new Error("it is gone")) };
  assert.equal(await secureEraseOf(one, [one], { tools: noTools, nvme: silent }), undefined);
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
  const log = (status: number) => Buffer.from([0xff, 0xff, status, 1, ...new Uint8Array(508)]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((status) => nvmeSanitizeState(log(status))),
    ["failed", "done", "underway", "failed", "done", "failed"],
  );
  assert.equal(nvmeSanitizeState(log(1).subarray(0, 511)), "failed");
});

test("NVMe: sanitize begins, is waited for and believed at its end; a format keeps sectors and protection", async () => {
  const signal = new AbortController().signal;
  const said: string[] = [];
  const wait = { signal, onWait: (line: string) => void said.push(line) };
  const one = disk("/dev/nvme0n1", "nvme");
  for (const [how, action, last, isDone] of [
    ["nvme-sanitize-block", 2, 1, true],
    ["nvme-sanitize-crypto", 4, 3, false],
  ] as const) {
    let looks = 0;
    const nvme = nvmeOf(() => {
      looks += 1;
      return Buffer.from([0, 0, looks < 4 ? 2 : last, ...new Uint8Array(509)]);
    });
    const run = destroy(how, one, { tools: noTools, nvme, clock: fakeClock() }, wait);
    if (isDone) await run;
    else await assert.rejects(run, { code: "ERASE_FAILED" });
    assert.deepEqual(nvme.asked.slice(0, 2), [`/dev/nvme0n1 84 0 ${action}`, "/dev/nvme0n1 2 ffffffff 7f0081"]);
    assert.equal(nvme.asked.length, 4);
  }
  // Each time when it begins, and while it is waited for; a format answers at its end, so that is told every half minute.
  assert.equal(said.length, 6);

  const namespace = Buffer.alloc(4096);
  // Format 1 with metadata among the data, and 1 in the number's higher bits; protection of type 3 in the first bytes.
  namespace[26] = 0x31;
  namespace[29] = 0x0b;
  const nvme = nvmeOf(() => namespace);
  await destroy("nvme-format", one, { tools: noTools, nvme, clock: fakeClock() }, wait);
  assert.deepEqual(nvme.asked, ["/dev/nvme0n1 6 1 0", "/dev/nvme0n1 80 1 1371"]);
});

test("an NVMe command as the kernel takes it, from linux/nvme_ioctl.h", () => {
  const command = { opcode: 0x80, namespaceId: 1, dword10: 0x1371, answerBytes: 4096, timeoutMs: 3_600_000 };
  const bytes = Buffer.from(encodeNvmeCommand(command, 0x7f12_3456_7000));
  assert.equal(
    bytes.toString("hex"),
    `8000000001000000${"00".repeat(16)}007056341` +
      `27f0000${"00000000"}00100000${"71130000"}${"00".repeat(20)}80ee360000000000`,
  );
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
    const run = destroy(
      "ata-sanitize-block",
      disk("/dev/sda", "sata"),
      { tools, nvme: noNvme, clock: fakeClock() },
      wait,
    );
    if (isDone) await run;
    else await assert.rejects(run, { code: "ERASE_FAILED" });
    assert.equal(ran[0], "hdparm --yes-i-know-what-i-am-doing --sanitize-block-erase /dev/sda");
    assert.equal(said.length, 3);
    assert.match(said[0] ?? "", /is told to erase itself .* must keep its power/);
  }
});

test("every command names this disk and no other", () => {
  for (const how of [
    "ata-sanitize-block",
    "ata-sanitize-crypto",
    "ata-sanitize-overwrite",
    "mmc-secure-discard",
  ] as const) {
    assert.equal(secureCommand(how, disk("/dev/sdq", "sata")).at(-1), "/dev/sdq");
  }
});
