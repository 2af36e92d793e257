import assert from "node:assert/strict";
import { test } from "node:test";
import { firewallFindings } from "../../../server/doctor/firewall.ts";
import { type Arrival, isDropped, type Ruleset } from "../../../server/doctor/firewall-rules.ts";

const tftp: Arrival = { protocol: "udp", port: 69, interfaceName: "eth0" };
const chain = (name: string, more: object = {}) => ({ chain: { family: "inet", table: "filter", name, ...more } });
const input = (policy: string) => chain("input", { type: "filter", hook: "input", prio: 0, policy });
type Statement = Readonly<Record<string, unknown>>;
const rule = (...expr: Statement[]) => ({ rule: { family: "inet", table: "filter", chain: "input", expr } });
const inChain = (name: string, ...expr: Statement[]) => ({
  rule: { family: "inet", table: "filter", chain: name, expr },
});
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const dport = (right: unknown, protocol = "udp") => match({ payload: { protocol, field: "dport" } }, right);
const accept = { accept: null };
const drop = { drop: null };

const cases: readonly [string, Ruleset["nftables"], boolean][] = [
  ["no rules at all", [], false],
  ["an open chain", [input("accept")], false],
  ["a closed chain", [input("drop")], true],
  ["its port is let in", [input("drop"), rule(dport(69), accept)], false],
  ["another port is let in", [input("drop"), rule(dport(68), accept)], true],
  ["its port of TCP is let in", [input("drop"), rule(dport(69, "tcp"), accept)], true],
  ["a set of ports", [input("drop"), rule(dport({ set: [67, 69, 4011] }), accept)], false],
  ["a range of ports", [input("drop"), rule(dport({ range: [60, 80] }), accept)], false],
  ["a range inside of a set", [input("drop"), rule(dport({ set: [1, { range: [70, 80] }] }), accept)], true],
  ["a named set may hold it", [input("drop"), rule(dport("@ports"), accept)], false],
  ["loopback is let in", [input("drop"), rule(match({ meta: { key: "iifname" } }, "lo"), accept)], true],
  ["its interface is let in", [input("drop"), rule(match({ meta: { key: "iifname" } }, "eth*"), accept)], false],
  [
    "what is known already is let in",
    [input("drop"), rule(match({ ct: { key: "state" } }, { set: ["established", "related"] }, "in"), accept)],
    true,
  ],
  ["something that we do not understand", [input("drop"), rule({ xt: { name: "recent" } }, accept)], false],
  ["it is dropped by name", [input("accept"), rule(dport(69), drop)], true],
  ["everything else is refused at the end", [input("accept"), rule(dport(80), accept), rule({ reject: null })], true],
  ["some of it is dropped, maybe", [input("accept"), rule({ limit: { rate: 10 } }, drop)], false],
  [
    "not that port",
    [input("accept"), rule(match({ payload: { protocol: "udp", field: "dport" } }, 69, "!="), drop)],
    false,
  ],
  [
    "another chain lets it in",
    [
      input("drop"),
      chain("ours"),
      rule({ jump: { target: "ours" } }),
      inChain("ours", { counter: {} }, dport(69), accept),
    ],
    false,
  ],
  [
    "another chain gives it back",
    [input("drop"), chain("ours"), rule({ jump: { target: "ours" } }), inChain("ours", { return: null })],
    true,
  ],
  ["chains in a circle end", [input("drop"), rule({ jump: { target: "input" } })], false],
  ["a chain for what is passed on", [chain("forward", { type: "filter", hook: "forward", policy: "drop" })], false],
];

for (const [name, nftables, expected] of cases) {
  test(`firewall: ${name}: ${expected ? "dropped" : "let in"}`, () => {
    assert.equal(isDropped({ nftables }, tftp), expected);
  });
}

test("firewall: one line says what is closed, and the command that opens it", () => {
  const wanted = [
    { protocol: "udp", port: 67, use: "DHCP", setting: "" },
    { protocol: "udp", port: 69, use: "TFTP", setting: "" },
    { protocol: "tcp", port: 8440, use: "boot files", setting: "" },
  ] as const;
  const closed = firewallFindings(
    { nftables: [input("drop"), rule(dport(67), accept)] },
    wanted,
    ["eth0"],
    [32_768, 60_999],
  );
  assert.deepEqual(closed, [
    {
      probe: "firewall",
      status: "fail",
      detail:
        "This machine's firewall drops TFTP (69/udp), boot files (8440/tcp), what hosts ask a stream for (32768-60999/udp).",
      fix: "sudo nft insert rule inet filter input udp dport { 69, 32768-60999 } accept && sudo nft insert rule inet filter input tcp dport { 8440 } accept",
    },
  ]);
  assert.equal(firewallFindings({ nftables: [] }, wanted, ["eth0"], [32_768, 60_999])[0]!.status, "ok");
});
