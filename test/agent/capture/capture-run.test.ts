import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseCaptureDisk } from "../../../agent/capture/disk.ts";
import {
  type AgentState,
  capturePermitText,
  type Disk,
  type Order,
  permitText,
  type Report,
  type ReportAnswer,
} from "../../../agent/contract.ts";
import type { AgentPorts } from "../../../agent/ports.ts";
import { runAgent } from "../../../agent/run.ts";
import { Fault } from "../../../fault.ts";
import { room as agentRoom, broken, disk, statesOf } from "../run-room.ts";

const order: Order = {
  kind: "capture",
  deployId: "12",
  image: "lab-07",
  hostName: "lab-07",
  mostDiskBytes: disk.sizeBytes,
  keepFreeBlocks: false,
  reason: "Session 12.",
};

const stop: ReportAnswer = { proceed: false, reason: "stopped by anna" };

type Scene = {
  orders?: Order[];
  answer?: (report: Report) => ReportAnswer | Fault;
  change?: (ports: AgentPorts) => Partial<AgentPorts>;
};

/** A machine with one disk, on which every port that could change it fails the test. */
function room(scene: Scene = {}) {
  const { answer, change } = scene;
  const made = agentRoom({
    orders: scene.orders ?? [order],
    ...(answer === undefined ? {} : { answer }),
    change: (usual, { happened }) => {
      const changes = (what: string) => () => {
        happened.push(`CHANGES THE DISK: ${what}`);
        throw new Error(what);
      };
      const ports: AgentPorts = {
        ...usual,
        inventory: (network) => ({ ...usual.inventory(network), contract: 2 }),
        describe: changes("describe"),
        challenge: () => "c".repeat(64),
        localDisk: changes("localDisk"),
        look: changes("look"),
        erase: changes("erase"),
        receive: changes("receive"),
        verify: changes("verify"),
        fit: changes("fit"),
        name: changes("name"),
        runScript: changes("runScript"),
        finish: changes("finish"),
        async capture({ beforeFinish, onOpen, onProgress }) {
          onOpen();
          happened.push("capture");
          onProgress({ percent: 50, detail: "1 GiB of 2 GiB" });
          await beforeFinish("all is sent");
          return { image: "lab-07", imageVersion: 4, warnings: ["Partition 1 is not clean."] };
        },
      };
      return { ...ports, ...change?.(ports) };
    },
  });
  return {
    ...made,
    /** Without the reports, which have a list of their own. */
    get happened() {
      return made.happened.filter((line) => !line.startsWith("report ") && line !== "mdns");
    },
  };
}

type Room = ReturnType<typeof room>;

function assertOnlyRead({ happened }: Room): void {
  assert.deepEqual(
    happened.filter((line) => line.startsWith("CHANGES")),
    [],
  );
}

test("from the order to the reboot: the disk is asked for, read, and left alone", async () => {
  const all = room();
  assert.equal(await runAgent(all.ports), "done");
  const expected: AgentState[] = ["waiting", "preflight", "capturing", "finishing", "rebooting", "done"];
  assert.deepEqual(statesOf(all.reports), expected);
  assert.deepEqual(
    all.happened.filter((line) => !line.startsWith("screen")),
    ["permit", "capture", "reboot"],
  );
  const last = all.reports.at(-1);
  assert.equal(last?.detail, "lab-07 is captured as lab-07 version 4");
  assert.deepEqual([last?.deployId, typeof last?.timings?.["capturing"]], ["12", "number"]);
  assert(all.happened.includes("screen finishing: Partition 1 is not clean."));
  assertOnlyRead(all);
});

test("whatever the server answers, a capture order changes no disk", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("proceed", "stop", "lost", "permit"), { maxLength: 12 }),
      fc.constantFrom("done", "fails", "cancelled"),
      async (answers, capture) => {
        const queue = [...answers];
        const all = room({
          answer: () => {
            const next = queue.shift();
            if (next === "stop") return stop;
            if (next === "lost") return new Fault("SERVER_UNREACHABLE", broken);
            return { proceed: true, reason: "", ...(next === "permit" && { permit: "x" }) };
          },
          change: (ports) => ({
            capture: async (request) => {
              if (capture === "fails") throw broken;
              if (capture === "cancelled") throw new Fault("DEPLOY_CANCELLED", broken);
              return ports.capture(request);
            },
          }),
        });
        await runAgent(all.ports);
        assertOnlyRead(all);
        const allowed = ["waiting", "preflight", "capturing", "finishing", "rebooting", "done", "failed"];
        assert(all.reports.every(({ state }) => allowed.includes(state)));
        assert(all.failures.every(({ disk: state }) => state === "untouched"));
      },
    ),
    { numRuns: 60 },
  );
});

test("nothing is sent to a server that cannot prove the order; its permit to erase is no proof", async () => {
  const asked: string[] = [];
  const all = room({
    change: () => ({
      checkPermit: (text) => {
        asked.push(text);
        throw broken;
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert(!all.happened.includes("capture"));
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
  const about = { challenge: "c".repeat(64), mac: "52:54:00:00:00:07", deployId: "12", image: "lab-07" };
  assert.deepEqual(asked, [capturePermitText(about)]);
});

test("no text is both a permit to erase and one to capture", () => {
  const word = fc.string({ maxLength: 70 });
  const about = fc.record({ challenge: word, mac: word, deployId: word, image: word });
  fc.assert(
    fc.property(about, about, fc.nat(), (one, other, imageVersion) => {
      assert.notEqual(capturePermitText(one), permitText({ ...other, imageVersion }));
      const isSame = JSON.stringify(one) === JSON.stringify(other);
      assert.equal(capturePermitText(one) === capturePermitText(other), isSame);
    }),
  );
});

for (const state of ["preflight", "capturing", "finishing"] as const) {
  test(`an order that is taken back in ${state} ends in waiting, and the next one is carried out`, async () => {
    let stops = 1;
    const all = room({
      orders: [order, { ...order, deployId: "13" }],
      answer: (report) => (report.state === state && stops-- > 0 ? stop : { proceed: true, reason: "" }),
      change: (ports) => ({
        capture: async (request) => {
          const captured = await ports.capture(request);
          request.signal.throwIfAborted();
          return captured;
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "done");
    assert.deepEqual([all.failures, all.reports.at(-1)?.deployId], [[], "13"]);
    assertOnlyRead(all);
  });
}

test("when the capture fails the screen says that the disk was not touched, and the machine restarts", async () => {
  const all = room({ change: () => ({ capture: async () => Promise.reject(broken) }) });
  assert.equal(await runAgent(all.ports), "failed");
  assert.deepEqual(all.failures, [{ code: "BROKEN", disk: "untouched" }]);
  assert.equal(all.reports.at(-1)?.fault?.code, "BROKEN");
  assert.equal(all.happened.at(-1), "reboot");
});

test("another disk under the chosen one's name is not sent", async () => {
  let looks = 0;
  const all = room({
    change: (ports) => ({
      inventory: (network) => {
        looks += 1;
        const isPermitted = all.happened.includes("permit");
        return { ...ports.inventory(network), disks: [isPermitted ? { ...disk, serial: "another" } : disk] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert(looks > 2 && !all.happened.includes("capture"));
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("another disk that takes the chosen one's name while it is opened is not sent", async () => {
  let isSwapped = false;
  const all = room({
    change: (ports) => ({
      inventory: (network) => ({
        ...ports.inventory(network),
        disks: [isSwapped ? { ...disk, serial: "another" } : disk],
      }),
      capture: async (request) => {
        isSwapped = true;
        return ports.capture(request);
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assert(!all.happened.includes("capture"));
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("one disk is chosen: fixed, free, no larger than ordered; it may be read-only", () => {
  const choose = (...disks: Disk[]) => chooseCaptureDisk(disks, disk.sizeBytes).path;
  const other = { ...disk, path: "/dev/vdb", serial: "disk-8" };
  assert.equal(choose(disk), "/dev/vda");
  assert.equal(choose({ ...disk, isReadOnly: true }), "/dev/vda");
  assert.equal(choose({ ...other, transport: "usb" }, disk), "/dev/vda");
  const refused: [Disk[], RegExp][] = [
    [[], /no disk at all/],
    [[disk, other], /2 disks could be captured/],
    [[{ ...disk, sizeBytes: disk.sizeBytes + 512 }], /larger than the 1\.0 GiB that were ordered/],
    [[{ ...disk, isRemovable: true }], /removable/],
    [[{ ...disk, sizeBytes: 0 }], /no medium/],
    [[{ ...disk, usedBy: ["/mnt"] }], /in use \(\/mnt\)/],
  ];
  for (const [disks, words] of refused) {
    assert.throws(() => choose(...disks), { code: "DISK_REFUSED", message: words });
  }
});
