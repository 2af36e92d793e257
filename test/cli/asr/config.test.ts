import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { build, buildBinary } from "plist";
import { decodeAsrConfig } from "../../../cli/asr/config.ts";
import { Fault } from "../../../fault.ts";

/** As `defaults write ~/Desktop/asrcast "Data Rate" -int 3000000` and so on leave it (MacTech 21:05). */
const xml = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Data Rate</key>
	<integer>3000000</integer>
	<key>Multicast Address</key>
	<string>239.192.66.2</string>
</dict>
</plist>
`;

const all = {
  "Data Rate": 6000000,
  "Multicast Address": "239.1.2.3",
  "Client Data Rate": 5000000,
  "DNS Service Discovery": false,
  "Loop Suspend": 2,
  "Multicast TTL": 4,
  Port: 7801,
};

test("asr configuration: the article's", () => {
  assert.deepEqual(decodeAsrConfig(Buffer.from(xml), "asrcast.plist"), {
    rateBytesPerSecond: 3_000_000,
    group: "239.192.66.2",
    entries: [
      ["Data Rate", 3_000_000],
      ["Multicast Address", "239.192.66.2"],
    ],
  });
});

for (const [kind, bytes] of [
  ["XML", Buffer.from(build(all))],
  ["binary", Buffer.from(buildBinary(all))],
] as const) {
  test(`asr configuration: every key, ${kind}`, () => {
    const { entries, ...rest } = decodeAsrConfig(bytes, "all.plist");
    assert.deepEqual(rest, {
      rateBytesPerSecond: 6_000_000,
      group: "239.1.2.3",
      clientRateBytesPerSecond: 5_000_000,
      isAdvertised: false,
      loopSuspend: 2,
      ttl: 4,
      port: 7801,
    });
    assert.deepEqual(Object.fromEntries(entries), all);
  });
}

const { "Data Rate": _rate, ...noRate } = all;
const { "Multicast Address": _group, ...noGroup } = all;
const wrong: readonly (readonly [string, Record<string, unknown>])[] = [
  ["Data Rate", noRate],
  ["Multicast Address", noGroup],
  ["Data Rate", { ...all, "Data Rate": "3000000" }],
  ["Data Rate", { ...all, "Data Rate": 0 }],
  ["Data Rate", { ...all, "Data Rate": 1.5 }],
  ["Multicast Address", { ...all, "Multicast Address": "224.0.0.9" }],
  ["Multicast Address", { ...all, "Multicast Address": 5 }],
  ["Multicast TTL", { ...all, "Multicast TTL": 0 }],
  ["Port", { ...all, Port: 70000 }],
  ["DNS Service Discovery", { ...all, "DNS Service Discovery": 1 }],
  ["data rate", { ...all, "data rate": 1 }],
  ["toString", { ...all, toString: "x" }],
];
for (const [key, dictionary] of wrong) {
  test(`asr configuration: ${key} ${JSON.stringify(dictionary[key])} is refused by name`, () => {
    assert.throws(
      () => decodeAsrConfig(Buffer.from(build(dictionary as never)), "bad.plist"),
      (error) =>
        error instanceof Fault &&
        error.code === "ASR_CONFIG_INVALID" &&
        error.message.includes(`"${key}"`) &&
        error.what.includes("bad.plist"),
    );
  });
}

test("asr configuration: any bytes are read or refused", () => {
  const binary = Buffer.from(buildBinary(all));
  const cuts = fc.nat(binary.length - 1).map((cut) => binary.subarray(0, cut));
  const flips = fc.tuple(fc.nat(binary.length - 1), fc.nat(255)).map(([at, value]) => {
    const bytes = Buffer.from(binary);
    bytes[at] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string().map((text) => Buffer.from(text)),
        cuts,
        flips,
      ),
      (bytes) => {
        try {
          decodeAsrConfig(bytes, "any.plist");
        } catch (error) {
          assert(error instanceof Fault, String(error));
        }
      },
    ),
  );
});
