import assert from "node:assert/strict";
import { test } from "node:test";
import { type Disk, type OrderTerms, permitText } from "../../agent/contract.ts";
import { diskIdentity } from "../../agent/disk/identity.ts";
import { runAgent } from "../../agent/run.ts";
import { assertUntouched, disk, heldPart, looks, order, room, terms } from "./run-room.ts";

test("another disk under the chosen one's name is not opened", async () => {
  const all = room({
    change: (ports, { happened }) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        return !happened.includes("permit") ? inventory : { ...inventory, disks: [{ ...disk, serial: "another" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("another disk that takes the chosen one's name while the disks are looked at, or while it is opened, is not erased", async () => {
  for (const when of ["looks", "opening"]) {
    let isSwapped = false;
    const all = room({
      change: (ports, { happened }) => ({
        inventory: (network) => {
          const inventory = ports.inventory(network);
          return isSwapped ? { ...inventory, disks: [{ ...disk, serial: "another" }] } : inventory;
        },
        // They are asked one after the other, each for up to half a minute.
        async examine(disks) {
          if (when === "looks" && happened.includes("permit")) isSwapped = true;
          return disks;
        },
        localDisk(...named) {
          const target = ports.localDisk(...named);
          return {
            ...target,
            async open() {
              isSwapped = true;
              await target.open();
            },
          };
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "failed");
    assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }], when);
    for (const word of ["erase", "disk write"]) assert(!all.happened.includes(word), `${word}, ${when}`);
    assert(all.happened.includes("disk close"));
  }
});

test("a second disk that comes late makes the choice a person's, not the first one's", async () => {
  const all = room({
    change: (ports) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        const isLate = ports.clock.now() < 1500;
        return isLate ? inventory : { ...inventory, disks: [disk, { ...disk, path: "/dev/vdb", serial: "disk-8" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_REFUSED", disk: "untouched" }]);
  assert(!all.happened.includes("permit"), "the server was not even asked");
});

test("a second disk that appears after the choice makes it a person's: nothing is erased", async () => {
  const all = room({
    change: (ports, { happened }) => ({
      inventory: (network) => {
        const inventory = ports.inventory(network);
        return !happened.includes("permit")
          ? inventory
          : { ...inventory, disks: [disk, { ...disk, path: "/dev/vdb", serial: "disk-8" }] };
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_REFUSED", disk: "untouched" }]);
});

const encrypted: Disk["holds"] = [{ number: 2, kind: "luks", label: "" }];
const holding = (holds: Disk["holds"]) => async (disks: readonly Disk[]) =>
  disks.map((one) => ({ ...one, ...(holds === undefined ? {} : { holds }) }));

test("an encrypted volume of the image itself is expected where this order had begun to write it, and nowhere else", async () => {
  const resumes = diskIdentity(disk);
  const goesOn = async (more: Partial<OrderTerms>, holds = encrypted) => {
    const orders = [{ ...order, terms: { ...terms, resumes, ...more } }];
    const all = room({ orders, change: (...scene) => ({ ...looks(heldPart)(...scene), examine: holding(holds) }) });
    if ((await runAgent(all.ports)) === "done") return true;
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "DISK_UNEXPECTED", disk: "untouched" }]);
    return false;
  };
  assert.equal(await goesOn({}), true);
  // The device destroys it again, but it is no surprise either.
  assert.equal(await goesOn({ erase: "secure" }), true);
  assert.equal(await goesOn({ resumes: diskIdentity({ ...disk, serial: "disk-8" }) }), false);
  assert.equal(await goesOn({ resumes: "" }), false);
  assert.equal(await goesOn({}, [{ number: 3, kind: "luks", label: "" }]), false);
  assert.equal(await goesOn({}, [{ number: 2, kind: "raid", label: "" }]), false);
  assert.equal(await goesOn({}, [...encrypted, { number: 0, kind: "raid", label: "" }]), false);
});

test("an encrypted disk that nobody confirmed is not erased; the server is not even asked", async () => {
  for (const orders of [[order], [{ ...order, terms }]]) {
    const all = room({ orders, change: () => ({ examine: holding(encrypted) }) });
    assert.equal(await runAgent(all.ports), "failed");
    assertUntouched(all);
    assert.deepEqual(all.failures, [{ code: "DISK_UNEXPECTED", disk: "untouched" }]);
    assert(!all.happened.includes("permit"));
  }
});

test("confirmed, it is erased in the way that was ordered, and the permit is for that", async () => {
  const confirmed = { ...terms, confirmed: ["disk-7: 2 luks"] };
  const asked: string[] = [];
  const methods: string[] = [];
  const all = room({
    orders: [{ ...order, terms: confirmed }],
    change: (ports) => ({
      examine: holding(encrypted),
      checkPermit: (text) => void asked.push(text),
      erase: (request) => {
        methods.push(request.method);
        return ports.erase(request);
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  const about = { challenge: "0".repeat(64), mac: "52:54:00:00:00:07", deployId: "12", image: "lab-debian" };
  assert.deepEqual(asked, [permitText({ ...about, imageVersion: 3, terms: confirmed })]);
  assert.deepEqual(methods, ["zeros"]);
  assert.equal(all.reports.at(-1)?.holds, "disk-7: 2 luks", "the next order knows what was restored");
});

test("what appears on the disk after the choice, and before the erase, stops it", async () => {
  const all = room({
    orders: [{ ...order, terms }],
    change: (_, { happened }) => ({
      examine: (disks) => holding(happened.includes("permit") ? encrypted : [])(disks),
    }),
  });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_CHANGED", disk: "untouched" }]);
});

test("a rule of a newer server that is not understood stops it", async () => {
  const all = room({ orders: [{ ...order, terms: { ...terms, disk: "quietest" } }] });
  assert.equal(await runAgent(all.ports), "failed");
  assertUntouched(all);
  assert.deepEqual(all.failures, [{ code: "DISK_RULE", disk: "untouched" }]);
});

test("with a rule the second disk is no question any more", async () => {
  const larger: Disk = { ...disk, path: "/dev/vdb", serial: "disk-8", sizeBytes: 2 * disk.sizeBytes };
  const erased: string[] = [];
  const all = room({
    orders: [{ ...order, terms: { ...terms, disk: "largest" } }],
    change: (ports) => ({
      inventory: (network) => ({ ...ports.inventory(network), disks: [disk, larger] }),
      erase: (request) => {
        erased.push(request.disk.path);
        return ports.erase(request);
      },
    }),
  });
  assert.equal(await runAgent(all.ports), "done");
  assert.deepEqual(erased, ["/dev/vdb"]);
});

for (const step of ["verify", "name", "finish"] as const) {
  test(`another disk under the restored one's name is not written to: ${step}`, async () => {
    let isSwapped = false;
    const all = room({
      change: (ports, { happened }) => ({
        inventory: (network) => {
          const inventory = ports.inventory(network);
          return isSwapped ? { ...inventory, disks: [{ ...disk, serial: "another" }] } : inventory;
        },
        verify: async ({ beforeWrite }) => {
          if (step !== "finish") isSwapped = true;
          if (step === "verify") beforeWrite();
          happened.push("verify");
          return 0;
        },
        name: async () => {
          isSwapped = true;
          happened.push("name");
          return { changes: 0, modules: [], notes: [], systems: [] };
        },
      }),
    });
    assert.equal(await runAgent(all.ports), "failed");
    assert.equal(all.failures[0]?.code, "DISK_CHANGED");
    assert(!all.happened.includes(step), all.happened.join("\n"));
  });
}
