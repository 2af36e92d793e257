import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { checkPermit, newChallenge } from "../../../agent/client/permit.ts";
import { permitText } from "../../../agent/contract.ts";
import { Fault } from "../../../fault.ts";

const site = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const erase = { challenge: newChallenge(), mac: "52:54:00:00:00:07", deployId: "12", image: "lab", imageVersion: 3 };
const signed = (text: string, key = site.privateKey) => sign(null, Buffer.from(text), key).toString("base64");
const refused = { code: "ERASE_NOT_PERMITTED" };

test("the text that is signed", () => {
  const text = 'bootcast erase permit 1\n["00","52:54:00:00:00:07","12","lab",3]';
  assert.equal(permitText({ ...erase, challenge: "00" }), text);
});

test("the text that is signed of the disk: what came later follows by name, whatever order it was written in", () => {
  const plain = { disk: "only", erase: "quick", confirmed: [], known: "" } as const;
  const about = { ...erase, challenge: "00" };
  const start = '["00","52:54:00:00:00:07","12","lab",3,"only","quick",[],""';
  assert.equal(permitText({ ...about, terms: { ...plain, confirmed: [] } }), `bootcast erase permit 2\n${start}]`);
  for (const terms of [
    { ...plain, confirmed: [], grow: "last", ids: "renew" },
    { ids: "renew", grow: "last", ...plain, confirmed: [] },
  ] as const) {
    const text = `bootcast erase permit 3\n${start},[["grow","last"],["ids","renew"]]]`;
    assert.equal(permitText({ ...about, terms: { ...terms, confirmed: [] } }), text);
  }
});

test("a key of the site permits, also when there are several", () => {
  checkPermit(permitText(erase), signed(permitText(erase)), [site.publicKey]);
  checkPermit(permitText(erase), signed(permitText(erase)), [other.publicKey, site.publicKey]);
});

test("a permit is for one start of one machine, one order and one image", () => {
  const changes = [
    { challenge: newChallenge() },
    { mac: "52:54:00:00:00:08" },
    { deployId: "13" },
    { image: "other" },
    { imageVersion: 2 },
  ];
  for (const change of changes) {
    const permit = signed(permitText({ ...erase, ...change }));
    assert.throws(() => checkPermit(permitText(erase), permit, [site.publicKey]), refused, JSON.stringify(change));
  }
});

test("no permit, another site's, or any bytes are refused", () => {
  const text = permitText(erase);
  for (const permit of [undefined, "", signed(text, other.privateKey)]) {
    assert.throws(() => checkPermit(text, permit, [site.publicKey]), refused);
  }
  assert.throws(() => checkPermit(text, signed(text), []), refused);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (permit) => {
      assert.throws(
        () => checkPermit(text, permit, [site.publicKey]),
        (error) => error instanceof Fault,
      );
    }),
  );
});

test("challenges do not repeat, and are what the contract says", () => {
  const seen = new Set(Array.from({ length: 100 }, newChallenge));
  assert.equal(seen.size, 100);
  for (const challenge of seen) assert.match(challenge, /^[0-9a-f]{64}$/);
});
