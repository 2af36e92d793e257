import assert from "node:assert/strict";
import { test } from "node:test";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { BootTexts } from "../../../server/boot/boot-texts.ts";
import { tftpTexts } from "../../../server/boot/tftp-texts.ts";

const MAC = "52:54:00:00:00:07";
const asker = { mac: MAC, server: "http://10.77.0.1:8440", client: "10.77.0.7" };

function textsFor(policy: BootPolicy) {
  const asked: string[] = [];
  const texts = new BootTexts({
    policyOf: async () => policy,
    kernelArgs: "console=tty0",
    passServer: true,
    enrolmentFor: async (mac) => {
      asked.push(mac);
      return "token-of-this-machine";
    },
  });
  return { texts, asked };
}

const WORD = "bootcast.enrol=token-of-this-machine";
const wordsOf = (text: string) => text.match(/bootcast\.enrol=[^\s']*/g) ?? [];

test("the agent is given its machine's own enrolment token by iPXE, by GRUB over HTTP, and by GRUB over TFTP", async () => {
  const { texts, asked } = textsFor({ boot: "agent" });
  assert.deepEqual(wordsOf((await texts.script(asker)).text), [WORD]);
  assert.deepEqual(wordsOf((await texts.grub(asker)).text), [WORD]);
  const generate = tftpTexts({ texts, httpPort: 8440 });
  const at = { clientAddress: "10.77.0.7", serverAddress: "10.77.0.1" };
  const text = Buffer.from((await generate("grub/grub.cfg-01-52-54-00-00-00-07", at))!).toString();
  assert.deepEqual(wordsOf(text), [WORD]);
  assert.deepEqual(new Set(asked), new Set([MAC]));
});

test("what is the same for every machine has none, nor has what starts a disk", async () => {
  const { texts, asked } = textsFor({ boot: "disk" });
  const all = [
    (await texts.script(asker)).text,
    (await texts.grub(asker)).text,
    texts.entryScript(asker.server),
    texts.grubStart(asker.server),
  ];
  assert.deepEqual(all.flatMap(wordsOf), []);
  assert.deepEqual(asked, [], "nobody asks for one");
});

test("people who look at a text do not see the token", async () => {
  const { texts, asked } = textsFor({ boot: "agent" });
  for (const { text } of [
    await texts.script({ ...asker, isShown: true }),
    await texts.grub({ ...asker, isShown: true }),
  ]) {
    assert.deepEqual(wordsOf(text), ["bootcast.enrol=SECRET"]);
  }
  assert.deepEqual(asked, []);
});
