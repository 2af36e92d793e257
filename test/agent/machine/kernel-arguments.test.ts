import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseKernelArguments } from "../../../agent/machine/kernel-arguments.ts";

const cases = [
  { text: "", server: undefined, mac: undefined },
  {
    text: "initrd=initramfs.img bootcast.server=http://10.77.0.1:8440 BOOTIF=01-52-54-00-12-34-AB console=ttyS0\n",
    server: "http://10.77.0.1:8440/",
    mac: "52:54:00:12:34:ab",
  },
  { text: "BOOTIF=52:54:00:12:34:56", server: undefined, mac: "52:54:00:12:34:56" },
  { text: "BOOTIF=20-52-54-00-12-34-56", server: undefined, mac: undefined },
  { text: "BOOTIF=01-52-54-00-12-34", server: undefined, mac: undefined },
  { text: "BOOTIF=", server: undefined, mac: undefined },
  { text: "bootcast.server=ftp://10.0.0.1", server: undefined, mac: undefined },
  { text: "bootcast.server=10.0.0.1", server: undefined, mac: undefined },
  { text: "bootcast.server=http://a:1 bootcast.server=nonsense", server: "http://a:1/", mac: undefined },
];

for (const { text, server, mac } of cases) {
  test(`kernel arguments: ${JSON.stringify(text)}`, () => {
    const parsed = parseKernelArguments(text);
    assert.equal(parsed.server?.href, server);
    assert.equal(parsed.bootMac, mac);
  });
}

test("kernel arguments: an enrolment token; what can be none is left out", () => {
  const token = "rO6vX5fpZcv2S1p51M7L8Q";
  assert.equal(parseKernelArguments(`quiet bootcast.enrol=${token} rw`).enrolment, token);
  assert.equal(parseKernelArguments(`bootcast.enrol=${token} bootcast.enrol=`).enrolment, token);
  for (const text of ["", "bootcast.enrol=", "bootcast.enrol=short", `xbootcast.enrol=${token}`]) {
    assert.equal(parseKernelArguments(text).enrolment, undefined, text);
  }
});

test("any command line is read", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const { bootMac } = parseKernelArguments(`BOOTIF=${text} bootcast.server=${text}`);
      assert(bootMac === undefined || /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(bootMac));
    }),
  );
});
