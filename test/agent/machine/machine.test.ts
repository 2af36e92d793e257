import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { newChallenge } from "../../../agent/client/permit.ts";
import { parseSiteKeys } from "../../../agent/client/site-keys.ts";
import { capturePermitText, permitText } from "../../../agent/contract.ts";
import { type MachineOptions, machinePorts } from "../../../agent/machine/machine.ts";

const own = generateKeyPairSync("ed25519");
const before = generateKeyPairSync("ed25519");
const otherSite = generateKeyPairSync("ed25519");

/** As the boot image carries them: the site's own key first. */
const pem = [own, before, otherSite].map(({ publicKey }) => publicKey.export({ type: "spki", format: "pem" })).join("");
const ports = machinePorts({ kernel: {}, trusted: parseSiteKeys(pem) } as unknown as MachineOptions);

const about = { challenge: newChallenge(), mac: "52:54:00:12:34:56", deployId: "7", image: "lab", imageVersion: 1 };

for (const [what, text, code] of [
  ["an erase", permitText(about), "ERASE_NOT_PERMITTED"],
  ["a capture", capturePermitText(about), "CAPTURE_NOT_PERMITTED"],
] as const) {
  const signedBy = ({ privateKey }: typeof own) => sign(null, Buffer.from(text), privateKey).toString("base64");

  test(`${what} is permitted by the site's own key alone, not by keys whose images are trusted`, () => {
    ports.checkPermit(text, signedBy(own));
    for (const other of [before, otherSite]) {
      assert.throws(() => ports.checkPermit(text, signedBy(other)), { code });
    }
  });
}
