import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { type GrubInput, renderGrub, renderGrubStart } from "../../../server/boot/grub.ts";
import { menuEntries } from "../../../server/boot/menu.ts";
import { kernelWords } from "../../../server/boot/plain-text.ts";

const input: GrubInput = {
  mac: "52:54:00:12:34:56",
  policy: { boot: "agent" },
  server: "http://10.77.0.1:8440",
  kernelArgs: 'console=tty0 dyndbg="file x +p"',
  passServer: true,
};
const menu = {
  hostName: "lab-07",
  model: "QEMU Standard PC",
  seconds: 10,
  ticket: "00ff",
  pinDigits: 6,
  entries: menuEntries({
    hostName: "lab-07",
    choices: [
      { kind: "deploy", image: { name: "lab-debian", version: 3 } },
      { kind: "capture", image: "lab-07" },
    ],
    memoryTest: { bios: "memtest.bin", x64: "x64/memtest.efi" },
  }),
};

const startDisk = `function start_disk {
  echo 'bootcast: it boots its own disk now.'
  if [ "$grub_platform" = "efi" ]; then
    set loader=BOOTX64.EFI
    if [ "$grub_cpu" = "i386" ]; then set loader=BOOTIA32.EFI; fi
    if [ "$grub_cpu" = "arm64" ]; then set loader=BOOTAA64.EFI; fi
    for file in /EFI/BOOT/$loader /EFI/Microsoft/Boot/bootmgfw.efi; do
      if search --no-floppy --file --set=root $file; then
        if chainloader $file; then boot; fi
      fi
    done
  fi
  exit 1
}
`;

const texts = {
  start: renderGrubStart(input.server),
  agent: renderGrub(input),
  disk: renderGrub({ ...input, policy: { boot: "disk" } }),
  nothing: renderGrub({ ...input, policy: { boot: "nothing", reason: "it's not 'registered'" } }),
  menu: renderGrub({ ...input, policy: { boot: "menu" }, menu }),
};

test("GRUB: the agent, by HTTP and by TFTP, with the kernel of the machine's kind", () => {
  assert.equal(
    texts.agent,
    `echo 'bootcast: this machine is 52:54:00:12:34:56'
echo 'bootcast: it loads the boot image from http://10.77.0.1:8440'
set folder=
if [ "$grub_cpu" = "arm64" ]; then set folder=/arm64; fi
while true; do
  for from in "(http,10.77.0.1:8440)/boot" "(tftp,10.77.0.1)"; do
    if linux "$from$folder/vmlinuz" 'console=tty0' 'dyndbg=file x +p' 'BOOTIF=01-52-54-00-12-34-56' 'bootcast.server=http://10.77.0.1:8440'; then
      if initrd "$from$folder/initramfs.img"; then boot; fi
    fi
  done
  echo 'bootcast: the boot image did not arrive; the lines above say why. Next try in 5 s.'
  sleep 5
done
true
`,
  );
});

test("GRUB: the disk's own loader, and the reason", () => {
  const said = "echo 'bootcast: this machine is 52:54:00:12:34:56'\n";
  assert.equal(texts.disk, `${startDisk}${said}echo 'bootcast: nothing is ordered for it'\nstart_disk\ntrue\n`);
  assert.equal(texts.nothing, `${startDisk}${said}echo 'bootcast: it s not registered'\nstart_disk\ntrue\n`);
  assert.equal(renderGrub({ ...input, policy: { boot: "menu" } }), texts.disk);
});

test("GRUB: the menu has the disk first, no order, and the memory test where nothing is locked down", () => {
  assert.equal(
    texts.menu,
    `${startDisk}set default=0
set timeout=10
menuentry 'Start from this machine'\\''s disk' --hotkey=d { start_disk; }
if [ "$grub_platform-$grub_cpu" = "efi-x86_64" -a "$lockdown" != "y" ]; then
menuentry 'Memory test' --hotkey=m { if chainloader "(http,10.77.0.1:8440)/boot/x64/memtest.efi"; then boot; fi; }
fi
menuentry 'lab-07  52:54:00:12:34:56  QEMU Standard PC' { true; }
true
`,
  );
});

test("GRUB: the text for every machine goes on to the machine's own, and ends at the disk", () => {
  assert(texts.start.includes('source "(http,10.77.0.1:8440)/boot/grub.cfg?mac=$net_default_mac"'));
  assert(texts.start.includes('source "(tftp,10.77.0.1)/grub/host/$net_default_mac/grub.cfg"'));
  assert(texts.start.endsWith('if [ "$answered" != "y" ]; then start_disk; fi\ntrue\n'));
});

/** GRUB's own parser, of the package grub-common. @returns what it has against the text */
function syntaxErrors(text: string): string {
  const { status, stderr } = spawnSync("grub-script-check", [], { input: text, encoding: "utf8" });
  return status === 0 ? "" : `${stderr}${status}`;
}

test("GRUB: the syntax check is a check", () => {
  assert.notEqual(syntaxErrors("if true; then\n"), "");
});

for (const [name, text] of Object.entries(texts)) {
  test(`GRUB: its own parser takes the text "${name}"`, () => {
    assert.equal(syntaxErrors(text), "");
  });
}

test("the kernel's words: split at spaces, not between quotes", () => {
  assert.deepEqual(kernelWords('a  b="c d" "e f"g h="" '), ["a", "b=c d", "e fg", "h="]);
  assert.deepEqual(kernelWords(""), []);
});

/**
 * The words of GRUB's `linux` line, read with a shell: what stands between single quotes means the same to both. The
 * line has no other quotes but those around the file, and no shell is let near anything else.
 */
function linuxWords(text: string): string[] {
  const line = text.split("\n").find((one) => one.includes("if linux ")) ?? "";
  const quoted = line.slice(line.indexOf('vmlinuz" ') + 'vmlinuz" '.length).replace(/; then$/, "");
  assert.match(quoted, /^(('[^']*'|\\')+ ?)*$/, "something stands outside of quotes");
  return execFileSync("sh", ["-c", `printf '%s\\n' ${quoted}`], { encoding: "utf8" })
    .split("\n")
    .slice(0, -1);
}

test("GRUB: any kernel arguments, names and reasons: the same lines, and the parser takes them", () => {
  const word = fc.oneof(
    fc.stringMatching(/^[\x20-\x7e]{0,12}$/),
    fc.constantFrom("'", "}", "{", ";", "$x", "`id`", "\\"),
  );
  const nasty = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(word).map((words) => words.join(" ")),
  );
  const lines = (text: string) => text.split("\n").length;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), nasty, nasty, (words, hostName, reason) => {
      const kernelArgs = words.join(" ");
      const stop = renderGrub({ ...input, policy: { boot: "nothing", reason } });
      const shown = renderGrub({ ...input, policy: { boot: "menu" }, menu: { ...menu, hostName, model: reason } });
      assert.equal(lines(stop), lines(texts.disk));
      assert.equal(lines(shown), lines(texts.menu));
      let agent = texts.agent;
      try {
        agent = renderGrub({ ...input, kernelArgs });
        assert.equal(lines(agent), lines(texts.agent));
        assert.deepEqual(linuxWords(agent).slice(0, -2), kernelWords(kernelArgs.trim()));
      } catch (error) {
        if ((error as { code?: string }).code !== "KERNEL_ARGS_INVALID") throw error;
      }
      assert.equal(syntaxErrors(`${stop}${shown}${agent}`), "");
    }),
    { numRuns: 60 },
  );
});
