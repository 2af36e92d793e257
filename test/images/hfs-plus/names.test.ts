import assert from "node:assert/strict";
import { test } from "node:test";
import { foldCase } from "../../../images/hfs-plus/case-folding.ts";
import { compareNames, fromVolumeName, toVolumeName } from "../../../images/hfs-plus/names.ts";

test("names are decomposed as Mac OS X does it, and slashes and colons change places", () => {
  const table: Readonly<Record<string, string>> = {
    plain: "plain",
    "a:b": "a/b",
    "\u00e9": "e\u0301",
    "\u1e69": "s\u0323\u0307",
    // Marks are put into their order, too.
    "s\u0307\u0323": "s\u0323\u0307",
    "\ud55c\uae00": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    // Apple's exceptions: \u212b is the sign of \u00c5ngstr\u00f6m.
    "\u212b": "\u212b",
    "\uf900": "\uf900",
    "\u{1f600} \u00e4": "\u{1f600} a\u0308",
  };
  for (const [name, onVolume] of Object.entries(table)) assert.equal(toVolumeName(name), onVolume);
  assert.equal(fromVolumeName("a/b"), "a:b");
});

test("names are compared as TN1150's table folds them", () => {
  const same: readonly (readonly [string, string])[] = [
    ["README", "readme"],
    ["\u00c6", "\u00e6"],
    ["\u0416", "\u0436"],
    ["\u03a9", "\u03c9"],
    ["\u10a0", "\u10d0"],
    ["\uff21", "\uff41"],
    ["\u2160", "\u2170"],
    // Joiners and marks of direction do not count.
    ["a\u200db", "ab"],
  ];
  for (const [one, other] of same) {
    assert.equal(compareNames(one, other), 0, `${one} ${other}`);
    assert.notEqual(compareNames(one, other, true), 0, `${one} ${other}`);
  }
  // It was frozen in 1998: neither sharp s nor what came later, and what has a decomposition stays.
  for (const name of ["\u00df", "\u1e9e", "\u00c0", "\u0514", "\u2c00"]) assert.equal(foldCase(name), name);
  assert(compareNames("a", "B") < 0 && compareNames("_", "a") < 0);
  assert(compareNames("a", "B", true) > 0);
  // The volume's own folder sorts behind everything.
  assert(compareNames("\0\0\0\0HFS+ Private Data", "\ufffd") > 0);
});
