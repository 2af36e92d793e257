import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plainText } from "../../../server/boot/plain-text.ts";
import { renderEntryScript, renderNotice, renderScript, type ScriptInput } from "../../../server/boot/script.ts";

const input: ScriptInput = {
  mac: "52:54:00:12:34:56",
  policy: { boot: "agent" },
  server: "http://10.77.0.1:8440",
  kernelArgs: "console=tty0 console=ttyS0",
  passServer: true,
};

test("boot script: the agent", () => {
  assert.equal(
    renderScript(input),
    `#!ipxe

echo
echo bootcast: this machine is 52:54:00:12:34:56
echo bootcast: it loads the boot image from http://10.77.0.1:8440
set from http://10.77.0.1:8440/boot
iseq \x24{buildarch} arm64 && set from \x24{from}/arm64 ||
:load
imgfree
set part the kernel
kernel \x24{from}/vmlinuz initrd=initramfs.img console=tty0 console=ttyS0 BOOTIF=01-52-54-00-12-34-56 bootcast.server=http://10.77.0.1:8440 || goto retry
set part the initramfs
initrd \x24{from}/initramfs.img || goto retry
set part the start of the kernel
boot || goto retry
:retry
echo bootcast: \x24{part} failed; the line above says why. Next try in 5 seconds.
sleep 5
chain --replace http://10.77.0.1:8440/boot/script.ipxe?mac=52:54:00:12:34:56 || goto load
`,
  );
});

test("boot script: without the server's address the agent has to find it", () => {
  assert(!renderScript({ ...input, passServer: false }).includes("bootcast.server"));
});

test("boot script: a machine with nothing to do leaves iPXE with an error, so that UEFI boots the next device", () => {
  const script = `#!ipxe

echo
echo bootcast: this machine is 52:54:00:12:34:56
echo bootcast: nothing is ordered for it
echo bootcast: it boots its own disk now.
exit 1
`;
  assert.equal(renderScript({ ...input, policy: { boot: "disk" } }), script);
  // The menu without anything to show is the same.
  assert.equal(renderScript({ ...input, policy: { boot: "menu" } }), script);
});

test("boot script: the reason is shown", () => {
  const script = renderScript({
    ...input,
    policy: { boot: "nothing", reason: "it is not registered, see bootcast host list" },
  });
  assert(script.includes("echo bootcast: it is not registered, see bootcast host list\n"));
  assert(script.endsWith("exit 1\n"));
});

test("boot script: for an iPXE that asks for no machine's script by itself", () => {
  assert.equal(
    renderEntryScript("http://10.77.0.1:8440"),
    `#!ipxe

set tries:uint8 0
:start
isset \x24{netX/ip} || dhcp || goto retry
chain --replace http://10.77.0.1:8440/boot/script.ipxe?mac=\x24{netX/mac} || goto retry
:retry
inc tries
iseq \x24{tries} 12 && exit 1 ||
echo bootcast: no answer from http://10.77.0.1:8440; the line above says why.
echo bootcast: next try in 5 seconds; after a minute the next boot device.
sleep 5
goto start
`,
  );
});

test("boot script: what came of a choice", () => {
  const lines = ["The PIN was wrong.", "Nothing was ordered \x24{x} || shell"];
  assert.equal(
    renderNotice({ mac: input.mac, server: input.server, lines }),
    `#!ipxe

echo
echo bootcast: The PIN was wrong.
echo bootcast: Nothing was ordered x shell
prompt --timeout 10000 bootcast: press a key to go on. || echo
chain --replace http://10.77.0.1:8440/boot/script.ipxe?mac=52:54:00:12:34:56 || exit 1
`,
  );
});

test("boot script: no reason can add a command, and every shown line fits 80 columns", () => {
  const nasty = fc.array(
    fc.constantFrom("\x24{mac}", "||", "&&", "\n", "\r", "shell", "#", '"', "\\", ";", " ", "é", "x".repeat(50)),
  );
  fc.assert(
    fc.property(nasty, fc.constantFrom("disk", "nothing", "agent"), (words, boot) => {
      const reason = words.join("");
      const policy = boot === "nothing" ? { boot, reason } : { boot: boot as "disk" | "agent" };
      const lines = renderScript({ ...input, policy, notice: reason }).split("\n");
      assert.equal(lines.length, boot === "agent" ? 21 : 9);
      for (const line of lines.filter((line) => line.startsWith("echo"))) {
        assert.match(line, /^[\x20-\x7e]*$/);
        assert.doesNotMatch(line.replace("\x24{part}", "").replace("failed;", ""), /\$|\|\||&&|["\\#;]/);
        assert(line.replace(/^echo ?/, "").length < 80, line);
      }
    }),
  );
});

test("plain text: whatever it is made of, nothing that iPXE or GRUB would act on is left", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 4, max: 80 }), (text, most) => {
      const plain = plainText(text, most);
      assert.match(plain, /^[A-Za-z0-9 .,:()/_-]*$/);
      assert(plain.length <= most);
    }),
  );
});

const refused = ["a\nb", "x || shell", "a && b", "\x24{net0/mac}", "ü", "a # b", "#a", "a ; b", "a \\", 'a="b'];
for (const kernelArgs of refused) {
  test(`boot script: kernel arguments ${JSON.stringify(kernelArgs)} are refused`, () => {
    assert.throws(() => renderScript({ ...input, kernelArgs }), { code: "KERNEL_ARGS_INVALID" });
  });
}

test("boot script: any kernel arguments are one word after the other in the kernel's line, or refused", () => {
  const word = fc.stringMatching(/^[\x20-\x7e]{1,12}$/);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (words) => {
      const kernelArgs = words.join(" ");
      let script: string;
      try {
        script = renderScript({ ...input, kernelArgs });
      } catch (error) {
        assert.equal((error as { code?: string }).code, "KERNEL_ARGS_INVALID");
        return;
      }
      const lines = script.split("\n");
      assert.equal(lines.length, 20);
      const kernel = lines.filter((line) => line.startsWith("kernel "));
      assert.equal(kernel.length, 1);
      // iPXE's own rules for a line: words at white space; a word that begins with # ends it; ||, && and ; are its own.
      const tokens = kernel[0]!.split(/\s+/);
      assert(!tokens.some((token) => token.startsWith("#") || token === ";" || token === "&&"));
      assert.equal(tokens.indexOf("||"), tokens.length - 3);
      assert(!kernel[0]!.replace("\x24{from}", "").includes("\x24{"));
    }),
  );
});
