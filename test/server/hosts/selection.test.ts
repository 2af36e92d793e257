import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { selectHosts } from "../../../server/hosts/selection.ts";
import { Core, machine } from "../core.ts";

const host = (id: string, name: string, group: string | null = null, ...labels: string[]) => ({
  id,
  name,
  group,
  labels,
});
const hosts = [
  host("h-01", "b-01", "room-b", "kiosk"),
  host("h-02", "b-02", "room-b"),
  host("h-03", "c-01", "room-c", "kiosk", "floor:2"),
  host("h-04", "single"),
  host("h-05", "twice", "other"),
  host("h-06", "x", "twice"),
];
const macs = new Map([["52:54:00:00:00:04", "h-04"]]);
const select = (...words: string[]) =>
  selectHosts(words, { hosts, idOfMac: (mac) => macs.get(mac) }).map(({ name }) => name);

const found: [string[], string[]][] = [
  [["single"], ["single"]],
  [["SINGLE"], ["single"]],
  [["h-03"], ["c-01"]],
  [["52:54:00:00:00:04"], ["single"]],
  [["52:54:00:00:00:04".toUpperCase()], ["single"]],
  [["room-b"], ["b-01", "b-02"]],
  [["Room-B"], ["b-01", "b-02"]],
  [["group=room-b"], ["b-01", "b-02"]],
  [["label=kiosk"], ["b-01", "c-01"]],
  [["label=floor:2"], ["c-01"]],
  [["group=room-b,label=kiosk"], ["b-01"]],
  [[" group = room-b , label = kiosk "], ["b-01"]],
  [["host=twice"], ["twice"]],
  [["group=twice"], ["x"]],
  [["host=52:54:00:00:00:04"], ["single"]],
  [
    ["b-02", "room-b", "label=kiosk"],
    ["b-02", "b-01", "c-01"],
  ],
  [[], []],
];
for (const [words, names] of found) {
  test(`selection: ${JSON.stringify(words)}`, () => assert.deepEqual(select(...words), names));
}

const refused: [string, string, RegExp][] = [
  ["twice", "SELECTION_INVALID", /host=twice or group=twice/],
  ["sinlge", "HOST_UNKNOWN", /Maybe "single"/],
  ["room-x", "HOST_UNKNOWN", /Maybe "room-/],
  ["any", "HOST_UNKNOWN", /host list/],
  ["", "HOST_UNKNOWN", /host list/],
  ["group=b-01", "GROUP_UNKNOWN", /./],
  ["label=kiosks", "LABEL_UNKNOWN", /Maybe "kiosk"/],
  ["host=room-b", "HOST_UNKNOWN", /./],
  ["group=room-b,label=floor:2", "SELECTION_INVALID", /host list/],
  ["state=failed", "SELECTION_INVALID", /label=kiosk/],
  ["group=", "SELECTION_INVALID", /./],
  ["=", "SELECTION_INVALID", /./],
  ["label=kiosk,", "SELECTION_INVALID", /./],
];
for (const [word, code, fix] of refused) {
  test(`selection: "${word}" is refused, whatever else is selected`, () => {
    assert.throws(() => select("single", word), { code, fix });
  });
}

test("any words select known hosts, each once, or are refused", () => {
  const part = fc.oneof(
    fc.constantFrom("room-b", "label=kiosk", "single", "group=room-b,", "host=", "h-03"),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (words) => {
      try {
        const names = select(...words);
        assert.equal(new Set(names).size, names.length);
        assert(names.every((name) => hosts.some((known) => known.name === name)));
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
  );
});

test("hosts are selected from the tables by group, label, and any address they had", async () => {
  const core = await Core.open();
  for (const number of [1, 2, 3]) await core.hosts.register(machine(number));
  await core.desk.setGroup(["lab-01", "lab-02"], "room-b");
  await core.desk.label(["lab-02", "lab-03"], { add: ["kiosk"], remove: [] });
  const names = async (...words: string[]) => (await core.hosts.select(words)).map(({ name }) => name);
  assert.deepEqual(await names("room-b"), ["lab-01", "lab-02"]);
  assert.deepEqual(await names("group=room-b,label=kiosk"), ["lab-02"]);
  assert.deepEqual(await names(machine(3).mac), ["lab-03"]);
  await assert.rejects(core.hosts.select(["lab-04"]), { code: "HOST_UNKNOWN" });
});

test("a word that is there a thousand times is looked for once", () => {
  let looked = 0;
  const idOfMac = () => {
    looked += 1;
    return "h-04";
  };
  const word = "52:54:00:00:00:04";
  const selected = selectHosts(Array<string>(1000).fill(word), { hosts, idOfMac });
  assert.deepEqual([selected.map(({ id }) => id), looked], [["h-04"], 1]);
});
