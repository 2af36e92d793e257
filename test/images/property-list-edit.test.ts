import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { build, buildBinary, type PlistValue } from "plist";
import { parsePropertyList } from "../../images/property-list.ts";
import { editPropertyList } from "../../images/property-list-edit.ts";

const names = {
  Model: "Golden",
  System: { System: { ComputerName: "Golden", Delay: 1.5 }, Network: { HostNames: { LocalHostName: "golden" } } },
};

const forms = [
  ["XML", (value: PlistValue) => Buffer.from(build(value))],
  ["binary", (value: PlistValue) => Buffer.from(buildBinary(value))],
] as const;

for (const [form, made] of forms) {
  test(`${form}: a text is changed where it stands, and another one that was stored with it is not`, () => {
    const edited = editPropertyList(made(names), [
      { keys: ["System", "System", "ComputerName"], text: "Zoë <&> 7" },
      { keys: ["System", "Network", "HostNames", "LocalHostName"], text: "lab-07" },
    ]);
    assert.deepEqual(parsePropertyList(edited), {
      Model: "Golden",
      System: {
        System: { ComputerName: "Zoë <&> 7", Delay: 1.5 },
        Network: { HostNames: { LocalHostName: "lab-07" } },
      },
    });
  });

  test(`${form}: what is missing on the way is made, what is there already changes no byte, and a key goes`, () => {
    const bytes = made(names);
    const added = editPropertyList(bytes, [{ keys: ["System", "New", "Deep & deeper", "Name"], text: "x" }]);
    assert.deepEqual(parsePropertyList(added), {
      ...names,
      System: { ...names.System, New: { "Deep & deeper": { Name: "x" } } },
    });
    assert.equal(editPropertyList(bytes, [{ keys: ["System", "System", "ComputerName"], text: "Golden" }]), bytes);
    assert.equal(editPropertyList(bytes, [{ keys: ["System", "None"], text: undefined }]), bytes);
    assert.equal(editPropertyList(bytes, [{ keys: ["None", "None"], text: undefined }]), bytes);
    const removed = editPropertyList(bytes, [{ keys: ["System", "System"], text: undefined }]);
    assert.deepEqual(parsePropertyList(removed), { ...names, System: { Network: names.System.Network } });
  });

  test(`${form}: a value that is no text is replaced, one on the way that is no dictionary refuses`, () => {
    const bytes = made({ A: 5, B: ["x"] });
    assert.deepEqual(parsePropertyList(editPropertyList(bytes, [{ keys: ["A"], text: "five" }])), {
      A: "five",
      B: ["x"],
    });
    assert.throws(() => editPropertyList(bytes, [{ keys: ["B", "C"], text: "x" }]), /dictionary/);
    assert.throws(() => editPropertyList(made(["x"]), [{ keys: ["B"], text: "x" }]), /dictionary/);
  });

  test(`${form}: any list and any text: only that text differs, and a second time nothing does`, () => {
    const word = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .map((text) => text.replaceAll(/[\p{Cc}\r\u{FFFE}\u{FFFF}]/gu, "-"));
    const key = fc.constantFrom("a", "b", "c", "d & e", "fünf");
    const { tree } = fc.letrec<{ tree: PlistValue }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        word,
        fc.integer(),
        fc.boolean(),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 20, noNullPrototype: true }),
      ),
    }));
    const root = fc.dictionary(key, tree, { noNullPrototype: true });
    fc.assert(
      fc.property(root, key, word, (value, name, text) => {
        const bytes = made(value);
        const edited = editPropertyList(bytes, [{ keys: [name], text }]);
        assert.deepEqual(parsePropertyList(edited), parsePropertyList(made({ ...value, [name]: text })));
        assert.equal(editPropertyList(edited, [{ keys: [name], text }]), edited);
      }),
      { examples: [[{ a: "\u{FFFD}" }, "b", "\u{FFFD}"]] },
    );
  });

  test(`${form}: cut anywhere or with any byte changed, it is edited or refused`, () => {
    const bytes = made(names);
    const edits = [{ keys: ["System", "System", "ComputerName"], text: "x" }];
    const tried = (broken: Uint8Array) => {
      try {
        editPropertyList(broken, edits);
      } catch (error) {
        assert(error instanceof Error && !(error instanceof assert.AssertionError) && error.message !== "");
        assert(!/undefined|not a function/.test(error.message), error.message);
      }
    };
    for (let cut = 0; cut < bytes.length; cut += 1) tried(bytes.subarray(0, cut));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const broken = Buffer.from(bytes);
        broken[at] = value;
        tried(broken);
      }),
    );
  });
}

test("XML: everything around the text stays, comments and a byte order mark too", () => {
  const text = `\ufeff<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<!-- <key>Name</key><string>not this</string> -->
<dict>
	<key>Real</key>
	<real>1</real>
	<key>Na&#109;e</key>
	<string>old</string>
	<key>Empty</key>
	<dict/>
</dict>
</plist>
`;
  const edited = editPropertyList(Buffer.from(text), [
    { keys: ["Name"], text: "new" },
    { keys: ["Empty", "In"], text: "side" },
    { keys: ["Real"], text: undefined },
  ]);
  const expected = text
    .replace("<string>old</string>", "<string>new</string>")
    .replace("<dict/>", "<dict><key>In</key><string>side</string></dict>")
    .replace("\t<key>Real</key>\n\t<real>1</real>\n", "");
  assert.equal(Buffer.from(edited).toString(), expected);
});

test("binary: another library reads what was edited, with more objects than fit a byte", () => {
  const many = Object.fromEntries(
    Array.from({ length: 130 }, (_, index) => [`key ${index}`, { deep: `value ${index}` }]),
  );
  const bytes = Buffer.from(buildBinary(many));
  const edited = editPropertyList(bytes, [{ keys: ["key 7", "deep"], text: "Ümlaut" }]);
  // libplist, which reads iPhones' lists.
  const xml = execFileSync("plistutil", ["-i", "-", "-o", "-", "-f", "xml"], { input: edited });
  assert.deepEqual(parsePropertyList(xml), { ...many, "key 7": { deep: "Ümlaut" } });
});
