import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../fault.ts";
import { isHostName } from "../../../server/hosts/host-identity.ts";
import { Hosts } from "../../../server/hosts/hosts.ts";
import { nameInList, parseNameList } from "../../../server/hosts/name-list.ts";
import { chooseName, type NameSource, nameSources, patternName } from "../../../server/hosts/name-sources.ts";
import { Core, machine as registered } from "../core.ts";

const machine = { mac: "52:54:00:12:34:56", serial: "C02 X/77", uuid: "" };

type Ask = Partial<Parameters<typeof chooseName>[0]> & { readonly others?: readonly string[] };

function chosen({ others = [], ...ask }: Ask) {
  return chooseName({
    sources: ["registry", "pattern"],
    pattern: "lab-{nn}",
    machine,
    known: undefined,
    offers: {},
    taken: new Set(others),
    ...ask,
  });
}

const table: readonly { what: string; ask: Ask; name: string; source: string; refused?: readonly string[] }[] = [
  {
    what: "a new host gets the pattern's first free name",
    ask: { others: ["lab-01"] },
    name: "lab-02",
    source: "pattern",
  },
  { what: "a known one keeps its own", ask: { known: "teacher" }, name: "teacher", source: "registry" },
  {
    what: "a pattern does not count again",
    ask: { sources: ["pattern"], known: "lab-07" },
    name: "lab-07",
    source: "pattern",
  },
  {
    what: "a list before the registry renames",
    ask: { sources: ["csv", "registry"], known: "lab-07", offers: { csv: "desk-1" } },
    name: "desk-1",
    source: "csv",
  },
  {
    what: "a list after it does not",
    ask: { sources: ["registry", "csv"], known: "lab-07", offers: { csv: "desk-1" } },
    name: "lab-07",
    source: "registry",
  },
  {
    what: "the order decides",
    ask: { sources: ["dns", "dhcp"], offers: { dhcp: "by-dhcp", dns: "by-dns.example.org" } },
    name: "by-dns",
    source: "dns",
  },
  {
    what: "a name of another host is refused, and the next source asked",
    ask: { sources: ["csv", "dhcp", "pattern"], offers: { csv: "Desk-1", dhcp: "desk-2" }, others: ["desk-1"] },
    name: "desk-2",
    source: "dhcp",
    refused: ["csv Desk-1: another host has it"],
  },
  {
    what: "what is no name is refused",
    ask: { sources: ["dhcp", "dns", "pattern"], offers: { dhcp: "localhost", dns: "10.example" } },
    name: "lab-01",
    source: "pattern",
    refused: ["dhcp localhost: it cannot be a host's name", "dns 10: it cannot be a host's name"],
  },
  {
    what: "without any the address is the name",
    ask: { sources: ["registry", "dns"] },
    name: "host-525400123456",
    source: "address",
  },
  {
    what: "a serial number that two machines have names only one",
    ask: { pattern: "mac-{serial}", others: ["mac-c02-x-77"] },
    name: "host-525400123456",
    source: "address",
    refused: ["pattern mac-c02-x-77: another host has it"],
  },
];

for (const { what, ask, name, source, refused = [] } of table) {
  test(`names: ${what}`, () => {
    const answer = chosen(ask);
    assert.deepEqual([answer.name, answer.source], [name, source]);
    assert.deepEqual(
      answer.refused.map((each) => `${each.source} ${each.name}: ${each.why}`),
      refused,
    );
  });
}

test("patterns: serial number and address", () => {
  assert.equal(patternName("{serial}", machine, new Set()), "c02-x-77");
  assert.equal(patternName("mac-{mac6}", machine, new Set()), "mac-123456");
  assert.equal(patternName("{serial}-pc", { ...machine, serial: "" }, new Set()), undefined);
});

test("any offers: the name is valid, no other host's, and the same when asked again", () => {
  const offer = fc.option(fc.oneof(fc.string(), fc.constantFrom("a", "b", "c", "host-525400123456")), {
    nil: undefined,
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom<NameSource>(...nameSources), { minLength: 1 }),
      fc.constantFrom("lab-{nn}", "{serial}", "x-{mac6}"),
      offer,
      offer,
      fc.uniqueArray(fc.constantFrom("a", "b", "c", "lab-01", "x-123456", "host-525400123456")),
      (sources, pattern, csv, dhcp, others) => {
        const ask = { sources, pattern, offers: { csv, dhcp }, others };
        const { name }: { name: string } = chosen(ask);
        assert(isHostName(name) && !(others as string[]).includes(name.toLowerCase()), name);
        assert.equal(chosen({ ...ask, known: name }).name, name);
      },
    ),
  );
});

test("a list of names: separators, headings, spellings of addresses", () => {
  const list = parseNameList(
    '\ufeffMAC;Name;Room\r\n52-54-00-12-34-56;lab-07;5\r\n# a comment\n\n"C02X77","teacher"\n001B.6301.0203\tmac-1\n',
    "/names.csv",
  );
  assert.equal(nameInList(list, { mac: "52:54:00:12:34:56", serial: "c02x77", uuid: "" }), "lab-07");
  assert.equal(nameInList(list, { mac: "52:54:00:00:00:01", serial: "c02x77", uuid: "" }), "teacher");
  assert.equal(nameInList(list, { mac: "00:1b:63:01:02:03", serial: "", uuid: "" }), "mac-1");
  assert.equal(nameInList(list, { mac: "00:00:00:00:00:00", serial: "", uuid: "" }), undefined);
});

for (const [what, text, why] of [
  ["a name twice", "a1,lab-1\na2,LAB-1", /Line 1 has the same name \(LAB-1\)/],
  ["a key twice", "52:54:00:12:34:56,lab-1\n525400123456,lab-2", /Line 1 has the same key/],
  ["no name", "a1", /"" cannot be a host's name/],
  ["a bad name", "a1,lab_1", /"lab_1" cannot/],
  ["no key", ",lab-1", /first column/],
] as const) {
  test(`a list of names with ${what} is refused, with its line`, () => {
    assert.throws(
      () => parseNameList(text, "/names.csv"),
      (error) =>
        error instanceof Fault &&
        error.code === "NAME_LIST_INVALID" &&
        why.test(error.why) &&
        /Line \d/.test(error.what),
    );
  });
}

test("any text is a list or is refused", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      try {
        parseNameList(text, "/names.csv");
      } catch (error) {
        assert(error instanceof Fault);
      }
    }),
  );
});

test("hosts: a list names new and known machines, a name that is taken is told, a broken list names nobody", async () => {
  const core = await Core.open();
  let text = "52:54:00:00:00:01,desk-1\n52:54:00:00:00:02,lab-02\n";
  const hosts = new Hosts({
    db: core.db,
    events: core.events,
    names: "lab-{nn}",
    nameSources: ["csv", "registry", "dhcp", "dns", "pattern"],
    nameList: async () => parseNameList(text, "/names.csv"),
    reverseName: async (address) => (address === "10.0.0.9" ? "by-dns.example.org" : undefined),
  });
  const macOf = (number: number) => `52:54:00:00:00:0${number}`;
  const register = (number: number, more: { dhcpName?: string } = {}, address?: string) =>
    hosts.register({ ...registered(number), mac: macOf(number), ...more }, address);
  assert.equal((await register(1)).name, "desk-1");
  assert.equal((await register(3, { dhcpName: "lab-02" })).name, "lab-02");
  assert.equal((await register(2)).name, "lab-01", "its name in the list is another host's");
  assert.equal((await register(4, {}, "10.0.0.9")).name, "by-dns");
  text = "52:54:00:00:00:01,teacher\n";
  assert.equal((await register(1)).name, "teacher");
  assert.equal((await hosts.find("teacher")).name, "teacher");
  text = "broken";
  assert.equal((await register(1)).name, "teacher");
  const events = await core.db.selectFrom("events").select(["kind", "data"]).execute();
  const data = events.filter(({ kind }) => kind === "host.registered").map((event) => JSON.parse(event.data));
  assert.deepEqual(data[2].namesRefused, [{ source: "csv", name: "lab-02", why: "another host has it" }]);
  assert.equal(data.at(-1).fault.code, "NAME_LIST_INVALID");
  const renamed = events.find(({ kind }) => kind === "host.renamed");
  assert.deepEqual(JSON.parse(renamed?.data ?? ""), { from: "desk-1", to: "teacher", source: "csv" });
});
