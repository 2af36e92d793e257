import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../fault.ts";
import { packKey, publicKeyText, unpackKey } from "../../images/key-parcel.ts";

const receiver = generateKeyPairSync("x25519");
const stranger = generateKeyPairSync("x25519");
const secret = randomBytes(32);
const parcel = packKey(secret, publicKeyText(receiver.publicKey), generateKeyPairSync("x25519"), "a1");

test("key parcel: the owner of the key reads it", () => {
  assert.deepEqual(Buffer.from(unpackKey(parcel, receiver, "a1")), secret);
});

test("key parcel: nobody else does, nor for another purpose, nor when a bit is changed", () => {
  const wrong = { code: "KEY_PARCEL_WRONG" };
  assert.throws(() => unpackKey(parcel, stranger, "a1"), wrong);
  assert.throws(() => unpackKey(parcel, receiver, "a2"), wrong);
  const text = Buffer.from(parcel.text, "base64");
  for (let at = 0; at < text.length; at += 1) {
    const changed = Buffer.from(text);
    changed[at]! ^= 1;
    assert.throws(() => unpackKey({ ...parcel, text: changed.toString("base64") }, receiver, "a1"), wrong);
    assert.throws(() => unpackKey({ ...parcel, text: text.subarray(0, at).toString("base64") }, receiver, "a1"), wrong);
  }
});

test("key parcel: any text for a key or a parcel is read or refused", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (publicKey, text) => {
      for (const open of [
        () => unpackKey({ publicKey, text }, receiver, "a1"),
        () => packKey(secret, publicKey, stranger, "a1"),
      ]) {
        try {
          open();
        } catch (error) {
          assert(error instanceof Fault);
        }
      }
    }),
  );
});

test("key parcel: two for the same receiver have nothing in common", () => {
  const other = packKey(secret, publicKeyText(receiver.publicKey), generateKeyPairSync("x25519"), "a1");
  assert.notEqual(other.publicKey, parcel.publicKey);
  assert.notEqual(other.text, parcel.text);
});
