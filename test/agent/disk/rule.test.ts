import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { allows, type DiskRule, fitsPattern, parseDiskRule } from "../../../agent/disk/rule.ts";
import { Fault } from "../../../fault.ts";

const rules: readonly (readonly [string, DiskRule])[] = [
  ["only", { pick: "only", allow: [] }],
  ["  smallest  ", { pick: "smallest", allow: [] }],
  ["LARGEST Transport=NVMe|sata", { pick: "largest", transport: ["nvme", "sata"], allow: [] }],
  ["serial=S21*|S22?", { pick: "only", serial: ["S21*", "S22?"], allow: [] }],
  ['model="Samsung SSD*" serial=A', { pick: "only", serial: ["A"], model: ["Samsung SSD*"], allow: [] }],
  ['"model=Samsung SSD"', { pick: "only", model: ["Samsung SSD"], allow: [] }],
  ["path=pci-0000:00:1f.2-ata-1", { pick: "only", path: ["pci-0000:00:1f.2-ata-1"], allow: [] }],
  ["size=200G..2T", { pick: "only", size: { leastBytes: 2e11, mostBytes: 2e12 }, allow: [] }],
  [
    "size=1.5GiB..",
    { pick: "only", size: { leastBytes: 1.5 * 1024 ** 3, mostBytes: Number.MAX_SAFE_INTEGER }, allow: [] },
  ],
  ["size=..500107862016", { pick: "only", size: { leastBytes: 0, mostBytes: 500107862016 }, allow: [] }],
  ["wwn=0x5000 allow=usb|changed", { pick: "only", wwn: ["0x5000"], allow: ["usb", "changed"] }],
];

for (const [text, rule] of rules) {
  test(`a rule: ${text}`, () => assert.deepEqual(parseDiskRule(text), rule));
}

const wrong = [
  ...["", "   ", "best", "smallest largest", "only only", "serial", "serial=", "serial=a|", "serial=a serial=b"],
  ...["size=5G", "size=..", "size=2T..1T", "size=1X..", "size=1..2..3", "size=iB..", "size=5i..", "size=99999999P.."],
  ...["transport=floppy", "allow=all", 'model="open', "colour=red", "serial=a\nb", `serial=${"a".repeat(600)}`],
];

for (const text of wrong) {
  test(`no rule: ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(() => parseDiskRule(text), { code: "DISK_RULE" });
  });
}

test("any text is a rule or is refused, and a rule allows nothing that it does not name", () => {
  const words = fc.constantFrom("only", "size=1G..", "allow=usb", "serial=*", "=", '"', "|", " ", "..", "model=a");
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(words).map((all) => all.join(" ")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const rule = parseDiskRule(text);
        assert(["only", "smallest", "largest"].includes(rule.pick));
        if (!text.toLowerCase().includes("usb")) assert(!allows(rule, "usb"));
      } catch (error) {
        assert(error instanceof Fault && error.code === "DISK_RULE", String(error));
      }
    }),
  );
});

test("patterns, as a slow and simple reading of them says", () => {
  const letters = fc.stringMatching(/^[ab]{0,8}$/);
  const patterns = fc.stringMatching(/^[abA*?]{0,8}$/);
  fc.assert(
    fc.property(letters, patterns, (text, pattern) => {
      const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`, "i");
      assert.equal(fitsPattern(text, [pattern]), expression.test(text));
    }),
  );
});

test("a pattern that would keep regular expressions busy for ever is answered at once", () => {
  assert.equal(fitsPattern("a".repeat(5000), [`${"*a".repeat(100)}*b`]), false);
});
