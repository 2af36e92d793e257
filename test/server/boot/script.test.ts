import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { renderScript, type ScriptInput } from "../../../server/boot/script.ts";

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
:load
imgfree
kernel http://10.77.0.1:8440/boot/vmlinuz initrd=initramfs.img console=tty0 console=ttyS0 BOOTIF=01-52-54-00-12-34-56 bootcast.server=http://10.77.0.1:8440 || goto retry
initrd http://10.77.0.1:8440/boot/initramfs.img || goto retry
boot || goto retry
:retry
echo bootcast: the boot image did not arrive. Next try in 5 seconds.
sleep 5
goto load
`,
  );
});

test("boot script: without the server's address the agent has to find it", () => {
  assert(!renderScript({ ...input, passServer: false }).includes("bootcast.server"));
});

test("boot script: a machine with nothing to do leaves iPXE with an error, so that UEFI boots the next device", () => {
  assert.equal(
    renderScript({ ...input, policy: { boot: "disk" } }),
    `#!ipxe

echo
echo bootcast: this machine is 52:54:00:12:34:56
echo bootcast: nothing is ordered for it
echo bootcast: it boots its own disk now.
exit 1
`,
  );
});

test("boot script: the reason is shown", () => {
  const script = renderScript({
    ...input,
    policy: { boot: "nothing", reason: "it is not registered, see bootcast host list" },
  });
  assert(script.includes("echo bootcast: it is not registered, see bootcast host list\n"));
  assert(script.endsWith("exit 1\n"));
});

test("boot script: no reason can add a command, and every shown line fits 80 columns", () => {
  const nasty = fc.array(
    fc.constantFrom("\x24{mac}", "||", "&&", "\n", "\r", "shell", "#", '"', "\\", ";", " ", "é", "x".repeat(50)),
  );
  fc.assert(
    fc.property(nasty, fc.constantFrom("disk", "nothing", "agent"), (words, boot) => {
      const reason = words.join("");
      const policy = boot === "nothing" ? { boot, reason } : { boot: boot as "disk" | "agent" };
      const lines = renderScript({ ...input, policy }).split("\n");
      assert.equal(lines.length, boot === "agent" ? 15 : 8);
      for (const line of lines.filter((line) => line.startsWith("echo"))) {
        assert.match(line, /^[\x20-\x7e]*$/);
        assert.doesNotMatch(line, /\$|\|\||&&|["\\#;]/);
        assert(line.replace(/^echo ?/, "").length < 80, line);
      }
    }),
  );
});

for (const kernelArgs of ["a\nb", "x || shell", "a && b", "\x24{net0/mac}", "ü"]) {
  test(`boot script: kernel arguments ${JSON.stringify(kernelArgs)} are refused`, () => {
    assert.throws(() => renderScript({ ...input, kernelArgs }), { code: "KERNEL_ARGS_INVALID" });
  });
}
