import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { parseHostsCsv, parseHostsJson, writeHostsCsv, writeHostsJson } from "../../../server/hosts/host-list.ts";

const MAC = "52:54:00:00:00:01";

const tables: [string, string, object[]][] = [
  ["only addresses", `mac\n${MAC}\n`, [{ mac: MAC }]],
  [
    "as it is written by us",
    `mac,name,serial,group,labels,note,disk_rule,approved,lock,lock_until\r\n${MAC},lab-07,C02,room-b,kiosk floor:2,"old, loud",only,no,exam,2026-11-27T18:00:00.000Z\r\n`,
    [
      {
        mac: MAC,
        name: "lab-07",
        serial: "C02",
        group: "room-b",
        labels: ["kiosk", "floor:2"],
        note: "old, loud",
        diskRule: "only",
        isApproved: false,
        lock: { reason: "exam", untilMs: Date.UTC(2026, 10, 27, 18) },
      },
    ],
  ],
  [
    "approved, and locked for ever",
    `mac,approved,lock,lock_until\n${MAC},Yes,exam,\n`,
    [{ mac: MAC, isApproved: true, lock: { reason: "exam", untilMs: null } }],
  ],
  [
    "as a German spreadsheet saves it",
    '\ufeffName;MAC;Note\r\nlab-07;52-54-00-00-00-01;"a ""b"";\nc"\r\n\r\n',
    [{ mac: MAC, name: "lab-07", note: 'a "b";\nc' }],
  ],
  [
    "with tabs, other columns, and empty cells",
    `MAC\tIP\tGroup\tlabels\n5254.0000.0001\t10.0.0.1\t\t\n`,
    [{ mac: MAC, group: null, labels: [] }],
  ],
  ["with cells that are missing", `mac,name,note\n${MAC}\n`, [{ mac: MAC, note: null }]],
  ["with a text that was kept from being a formula", `mac,note\n${MAC},'=1+1\n`, [{ mac: MAC, note: "=1+1" }]],
  ["no lines", "mac,name\n", []],
];
for (const [name, text, rows] of tables) {
  test(`a table of hosts: ${name}`, () => assert.deepEqual(parseHostsCsv(text), rows));
}

for (const [name, text, why] of [
  ["nothing", "", /columns/],
  ["no column mac", "name\nlab-07\n", /columns/],
  ["no address", "mac,name\n,lab-07\n", /no address/],
  ["half an address", "mac\n52:54:00\n", /no address/],
  ["a group's address", "mac\n01:00:5e:00:00:01\n", /no address/],
  ["no address at all", "mac\n00:00:00:00:00:00\n", /no address/],
  ["approved or not", `mac,approved\n${MAC},maybe\n`, /neither yes nor no/],
  ["a lock until no time", `mac,lock,lock_until\n${MAC},exam,friday\n`, /no time/],
  ["a lock until a day that there is not", `mac,lock,lock_until\n${MAC},exam,2026-13-45T18:00Z\n`, /no time/],
  ["a lock's end without a lock", `mac,lock,lock_until\n${MAC},,2026-11-27T18:00Z\n`, /no reason/],
  ["a cell that never ends", `mac,note\n${MAC},"x\n`, /not closed/],
] as const) {
  test(`a table of hosts is refused: ${name}`, () => {
    assert.throws(() => parseHostsCsv(text), { code: "HOST_LIST_INVALID", why, fix: /Nothing was changed/ });
  });
}
test("the line is named that is not right", () => {
  assert.throws(() => parseHostsCsv(`mac,note\n${MAC},"two\nlines"\n\nrubbish,\n`), { what: /Line 5/ });
});

test("a list as JSON: our own, a bare one, and what bootcast host list prints", () => {
  const rows = [{ mac: MAC, name: "lab-07", group: null, labels: ["kiosk"] }];
  assert.deepEqual(parseHostsJson(writeHostsJson(rows)), rows);
  assert.deepEqual(parseHostsJson(JSON.stringify([{ mac: "525400000001" }])), [{ mac: MAC }]);
  const listed = { hosts: [{ ...rows[0], state: "waiting", disks: [], serial: "", note: null, lock: null }] };
  assert.deepEqual(parseHostsJson(JSON.stringify(listed)), [{ ...rows[0], note: null }]);
});

for (const text of ["", "{", "3", "null", "{}", "[3]", '[{"mac":1}]', `[{"mac":"${MAC}","labels":"kiosk"}]`, "[{}]"]) {
  test(`a list as JSON is refused: ${text || "nothing"}`, () => {
    assert.throws(() => parseHostsJson(text), { code: "HOST_LIST_INVALID" });
  });
}

test("what is written is read again, in both forms; any text is read or refused", () => {
  const word = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,10}$/);
  // Spaces around a cell are a spreadsheet's, and a leading apostrophe is its own sign.
  const text = fc.string({ minLength: 1 }).filter((value) => value.trim() === value && !value.startsWith("'"));
  const rows = fc.array(
    fc.record(
      {
        mac: fc.integer({ min: 1, max: 255 }).map((byte) => `52:54:00:00:00:${byte.toString(16).padStart(2, "0")}`),
        name: word,
        serial: text,
        group: fc.option(word),
        labels: fc.array(word, { maxLength: 3 }),
        note: fc.option(text),
        diskRule: fc.option(fc.constant("smallest transport=nvme")),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(rows, (list) => {
      assert.deepEqual(parseHostsJson(writeHostsJson(list)), list);
      assert.deepEqual(parseHostsCsv(writeHostsCsv(list)), list);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (any) => {
      for (const parse of [parseHostsCsv, parseHostsJson]) {
        try {
          parse(any);
        } catch (error) {
          assert(error instanceof Fault, String(error));
        }
      }
    }),
  );
});
