import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeployPlanBody, ImageBody } from "../../../../server/api/schemas.ts";
import {
  confirmedRequest,
  confirmingWords,
  firstChoice,
  isConfirmed,
  requestOf,
  wordsFor,
} from "../../../../server/web/page/deploy/request.ts";

const image = (name: string, version: number) => ({ name, version }) as ImageBody;

test("the dialog begins with the only image there is, in its newest version", () => {
  const found = [image("lab", 2), image("lab", 10)];
  assert.deepEqual(
    [firstChoice({ hostIds: ["a"] }, found).image, firstChoice({ hostIds: [] }, found).version],
    ["lab", 10],
  );
  const many = [...found, image("kiosk", 1)];
  assert.deepEqual(
    [firstChoice({ hostIds: [] }, many).image, firstChoice({ hostIds: [] }, many).version],
    ["", undefined],
  );
  assert.equal(firstChoice({ hostIds: [], image: "lab", version: 2 }, many).version, 2);
});

test("an order holds what was chosen, and only that", () => {
  const choice = { ...firstChoice({ hostIds: ["b", "a"] }, [image("lab", 3)]), beginAt: "" };
  const plain = {
    image: "lab",
    imageVersion: 3,
    to: ["b", "a"],
    erase: "quick",
    verify: "whole",
    afterwards: "reboot",
  };
  assert.deepEqual(requestOf(choice, ["b", "a"]), plain);
  const later = requestOf({ ...choice, batch: 5, beginAt: "2026-11-22T22:00" }, ["b", "a"]);
  assert.deepEqual(later.waves, { canary: 1, batch: 5 });
  assert.equal(later.startAtMs, new Date(2026, 10, 22, 22).getTime());
});

test("an order that is given again keeps what the dialog does not ask for, but not its time", () => {
  const again = {
    image: "lab",
    imageVersion: 2,
    to: ["a"],
    erase: "none",
    disk: "smallest",
    startAtMs: 5,
    retryOf: 41,
  } as const;
  const choice = firstChoice({ hostIds: ["a"], again: { ...again, to: ["a"] } }, [image("lab", 3)]);
  assert.deepEqual(requestOf(choice, ["a"], { ...again, to: ["a"] }), {
    image: "lab",
    imageVersion: 2,
    to: ["a"],
    erase: "none",
    verify: "whole",
    afterwards: "reboot",
    disk: "smallest",
    retryOf: 41,
  });
});

test("what is ordered is what was shown: these hosts, this version, these disks", () => {
  const shown = {
    image: { version: 4 },
    target: "room-b",
    hosts: [
      { id: "a", contents: ["/dev/sda: ext4"], wave: 1 },
      { id: "b", contents: [], wave: 0 },
    ],
  } as unknown as DeployPlanBody;
  const confirmed = {
    image: "lab",
    imageVersion: 4,
    to: ["a", "b"],
    target: "room-b",
    confirmed: ["/dev/sda: ext4"],
  };
  assert.deepEqual(confirmedRequest({ image: "lab", to: ["room-b"] }, shown), confirmed);
  const waves = { canary: 1, batch: 5 };
  assert.deepEqual(confirmedRequest({ image: "lab", to: ["room-b"], waves }, shown), {
    ...confirmed,
    waves: { canary: ["b"], batch: 5 },
  });
});

test("a group that is chosen whole is called by its name, anything else by its hosts", () => {
  const host = (id: string, group: string | null, name = `lab-${id}`) => ({ id, name, group });
  const known = [host("a", "room-b"), host("b", "Room-B"), host("c", null), host("d", "kiosks")];
  const words = (ids: string[], hosts = known) => wordsFor(new Set(ids), hosts);
  assert.deepEqual(words(["b", "a"]), ["room-b"]);
  assert.deepEqual(words(["a"]), ["a"]);
  assert.deepEqual(words(["a", "b", "c"]), ["a", "b", "c"]);
  assert.deepEqual(words(["a", "gone"]), ["a", "gone"]);
  assert.deepEqual(words(["c"]), ["c"]);
  assert.deepEqual(words(["d"]), ["d"], "one host has a name");
  assert.deepEqual(words([]), []);
  assert.deepEqual(words(["a", "b"], [...known, host("e", null, "ROOM-B")]), ["a", "b"], "a host has that name");
});

test("only the words confirm, and nothing confirms an order without hosts", () => {
  const plan = (count: number, confirmation: string) =>
    ({ confirmation, hosts: Array.from({ length: count }, (_, id) => ({ id })) }) as unknown as DeployPlanBody;
  const room = confirmingWords(plan(12, "room-b"));
  assert.deepEqual(room, ["room-b", "12-hosts", "12 hosts"]);
  for (const typed of [" room-b ", "12-hosts", "12 hosts"]) assert(isConfirmed(typed, room), typed);
  for (const typed of ["Room-B", "11-hosts", "", " ", "hosts"]) assert(!isConfirmed(typed, room), typed);
  assert.deepEqual(confirmingWords(plan(1, "lab-07")), ["lab-07"]);
  assert(!isConfirmed("", confirmingWords(plan(0, "room-b"))));
  assert(!isConfirmed("room-b", confirmingWords(plan(0, "room-b"))));
});
