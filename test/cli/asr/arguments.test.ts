import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { translateAsr } from "../../../cli/asr/arguments.ts";
import { Fault } from "../../../fault.ts";

/** The lines that the articles and asr(8) print, with what they mean here. */
const lines: readonly (readonly [string, string])[] = [
  // MacTech 21:05.
  [
    "-source /Volumes/DVD/ -target /Volumes/Firewire/ -erase",
    "restore --source /Volumes/DVD --target /Volumes/Firewire --erase",
  ],
  ["-source s.dmg -target /dev/sdb -noverify -erase", "restore --source s.dmg --target /dev/sdb --noverify --erase"],
  ["-source ~/s.dmg -server ~/Desktop/asrcast.plist/", "stream --source ~/s.dmg --config ~/Desktop/asrcast.plist/"],
  [
    "-source asr://imacg4.local -target /dev/sdb -noverify -erase",
    "restore --source asr://imacg4.local --target /dev/sdb --noverify --erase",
  ],
  // Peachpit.
  ["-imagescan image.dmg", "image scan image.dmg"],
  [
    "-source afp://fileserver.com/image.dmg -target /dev/sdb -erase",
    "restore --source afp://fileserver.com/image.dmg --target /dev/sdb --erase",
  ],
  [
    "-source multicastimage.dmg -server configuration.plist",
    "stream --source multicastimage.dmg --config configuration.plist",
  ],
  // asr(8) since 10.6.
  [
    "restore --source S --target T --erase --noprompt --timeout 30 --puppetstrings",
    "restore --source S --target T --timeout 30 --erase --noprompt --puppetstrings",
  ],
  ["restore --source asr://H --file F", "restore --source asr://H --file F"],
  ["server --source S --config C --interface eth0", "stream --source S --config C --interface eth0"],
  ["imagescan --source F --filechecksum --nostream", "image scan F"],
  ["info --source F", "image info F"],
  ["version", "version"],
  // Both mixed.
  ["restore -source S --target=T -erase", "restore --source S --target T --erase"],
  ["-s S -t T -erase --noverify", "restore --source S --target T --erase --noverify"],
  ["--source S --server C", "stream --source S --config C"],
  ["--source / --target T --erase", "restore --source / --target T --erase"],
  // The same as defaults write.
  ["config asrcast Port -int 7801", "asr-config asrcast Port -int 7801"],
];
for (const [given, meant] of lines) {
  test(`asr ${given}`, () => assert.equal(translateAsr(given.split(" ")).words.join(" "), meant));
}

test("asr help, in every spelling, and without any word", () => {
  for (const given of [[], ["help"], ["-help"], ["--help"], ["-h"], ["restore", "--help"]])
    assert.deepEqual(translateAsr(given).words, []);
});

test("what changes nothing is said, not silently ignored", () => {
  const given = "restoreexact --source S --target T --erase --verbose --SHA256 --allowfragmentedcatalog";
  const { words, notes, isDebug } = translateAsr([...given.split(" "), "-debug"]);
  assert.deepEqual(words, ["restore", "--source", "S", "--target", "T", "--erase"]);
  assert.deepEqual(
    notes.map((text) => text.split(":")[0]),
    ["restoreexact", "--verbose", "--SHA256", "--allowfragmentedcatalog"],
  );
  assert.equal(isDebug, true);
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ["--format HFS+ --source S --target T --erase", "ASR_OPTION", /--format/],
  ["restore --source S --target T --toSnapshot X", "ASR_OPTION", /--toSnapshot/],
  ["restore --target T --erase", "USAGE", /--source is missing/],
  ["server --source S", "USAGE", /--config FILE/],
  ["restore --source", "USAGE", /needs a value/],
  ["-source A -source B -target T -erase", "USAGE", /given twice/],
  ["-source S -server C -imagescan F", "USAGE", /twice|two different/],
  ["server --source S --config C --erase", "USAGE", /--erase has no meaning with "server"/],
  ["server --source S --config C --target T", "USAGE", /--target does not fit/],
  ["restore --source S --target T --errase", "USAGE", /no option --errase/],
  ["restore --source S --target T --toString", "USAGE", /no option --toString/],
  ["S T", "USAGE", /stands alone|missing/],
];
for (const [given, code, why] of wrong) {
  test(`asr ${given} is refused`, () => {
    assert.throws(
      () => translateAsr(given.split(" ")),
      (error) => error instanceof Fault && error.code === code && why.test(`${error.what} ${error.why}`),
    );
  });
}

test("any words are understood or refused, and nothing is erased that was not ordered", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "-source",
      "--target",
      "S",
      "T",
      "-server",
      "restore",
      "--noprompt",
      "-erase",
      "--file=F",
      "-",
      "--",
    ),
  );
  fc.assert(
    fc.property(fc.array(word), (given) => {
      try {
        const { words } = translateAsr(given);
        if (words.includes("--erase")) assert(given.some((one) => /^--?erase(=|$)/.test(one)));
      } catch (error) {
        assert(error instanceof Fault, String(error));
      }
    }),
  );
});
