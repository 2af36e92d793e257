import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Menu, type MenuChoice, MOST_MENU_IMAGES, menuEntries } from "../../../server/boot/menu.ts";
import { renderScript } from "../../../server/boot/script.ts";

const memoryTest = { bios: "memtest.bin", x64: "x64/memtest.efi" };
const about = { hostName: "lab-07", model: "QEMU Standard PC", seconds: 10, ticket: "00ff", pinDigits: 6 };

function scriptOf(menu: Menu): string {
  return renderScript({
    mac: "52:54:00:12:34:56",
    policy: { boot: "menu" },
    server: "http://10.77.0.1:8440",
    kernelArgs: "",
    passServer: true,
    menu,
  });
}

test("menu script: disk, one image, memory test", () => {
  const choices = [{ kind: "deploy", image: { name: "lab-debian", version: 3 } }] as const;
  assert.equal(
    scriptOf({ ...about, entries: menuEntries({ hostName: "lab-07", choices, memoryTest }) }),
    `#!ipxe

:menu
menu bootcast: lab-07 || goto disk
item --gap -- 52:54:00:12:34:56, QEMU Standard PC, server 10.77.0.1:8440
item --gap
item --key d disk [d] Start from this machine's disk
item --key 1 order0 [1] Re-image with lab-debian, version 3 (erases the disk)
iseq \x24{platform} pcbios && item --key m memory-test [m] Memory test ||
iseq \x24{platform}-\x24{buildarch} efi-x86_64 && item --key m memory-test [m] Memory test ||
item --gap
item --gap -- Arrow keys and Enter, or the key in front.
item --gap -- When no key is pressed, it starts from its disk.
choose --default disk --timeout 10000 choice || goto disk
goto \x24{choice}
:disk
echo bootcast: it starts from its own disk now.
exit 1
:order0
set order 0
set question0 This machine, lab-07, is re-imaged.
set question1 Image: lab-debian, version 3
set question2 Everything on its disk is erased, and nothing brings it back.
set yes Yes, erase the disk and re-image this machine
goto confirm
:memory-test
imgfree
iseq \x24{platform} pcbios && chain http://10.77.0.1:8440/boot/memtest.bin ||
iseq \x24{platform} efi && chain http://10.77.0.1:8440/boot/x64/memtest.efi ||
goto menu
:confirm
menu bootcast: lab-07 || goto disk
item --gap -- \x24{question0}
item --gap -- \x24{question1}
item --gap -- \x24{question2}
item --gap
item --key n no [n] No, back to the menu
item --key y yes [y] \x24{yes}
choose --default no --timeout 60000 choice || goto disk
iseq \x24{choice} yes || goto menu
:again
clear pin ||
clear stars ||
:pin
menu bootcast: lab-07 || goto disk
item --gap -- \x24{question0}
item --gap -- \x24{question1}
item --gap
item --gap -- Type the PIN: \x24{stars}
item --gap
item --key n no [n] No, back to the menu
item --key c clear [c] Clear what was typed
item --key 0 0 [0]
item --key 1 1 [1]
item --key 2 2 [2]
item --key 3 3 [3]
item --key 4 4 [4]
item --key 5 5 [5]
item --key 6 6 [6]
item --key 7 7 [7]
item --key 8 8 [8]
item --key 9 9 [9]
choose --default no --timeout 60000 choice || goto disk
iseq \x24{choice} no && goto menu ||
iseq \x24{choice} clear && goto again ||
set pin \x24{pin}\x24{choice}
set stars \x24{stars}*
iseq \x24{stars} ****** || goto pin
chain --replace http://menu:\x24{pin}@10.77.0.1:8440/boot/order.ipxe?mac=52:54:00:12:34:56&ticket=00ff&order=\x24{order}&uuid=\x24{uuid} ||
clear pin ||
echo bootcast: no answer came; the line above says why. It may be ordered or not:
echo bootcast: the server is asked what holds.
sleep 5
chain --replace http://10.77.0.1:8440/boot/script.ipxe?mac=52:54:00:12:34:56 || goto menu
`,
  );
});

test("menu script: where nothing may be ordered nothing is asked, and nothing leads to an order", () => {
  const script = scriptOf({ ...about, entries: menuEntries({ hostName: "lab-07", choices: [], memoryTest: {} }) });
  for (const word of ["order", "PIN", "erase", "Memory", "chain", "kernel"]) assert(!script.includes(word), word);
  assert(script.endsWith(":disk\necho bootcast: it starts from its own disk now.\nexit 1\n"));
});

/** Every choice that waits ends by itself: at the disk, or at a question that does. */
function checkEnds(lines: readonly string[]): void {
  const labels = new Map(lines.flatMap((line, at) => (line.startsWith(":") ? [[line.slice(1), at] as const] : [])));
  for (const line of lines.filter((line) => line.startsWith("choose "))) {
    const [, standard = "", timeoutMs] =
      /^choose --default (\w+) --timeout (\d+) choice \|\| goto disk$/.exec(line) ?? [];
    assert(Number(timeoutMs) > 0, line);
    assert(["disk", "no"].includes(standard), line);
  }
  for (const [, label = ""] of lines.join("\n").matchAll(/(?:^|\|\| |&& )goto (\S+)/gm)) {
    assert(labels.has(label) || label === "\x24{choice}", `goto ${label}`);
  }
  assert(!lines.some((line) => /^(read|login|prompt)\b/.test(line)), "a question that waits for ever");
}

test("menu script: any names, any number of images: 80 columns, 25 rows, and nothing is injected", () => {
  const nasty = fc.oneof(
    fc.string({ unit: "binary", maxLength: 100 }),
    fc
      .array(fc.constantFrom("\x24{pin}", "||", "&&", ";", "#", "\n", "goto order0", "--", "x".repeat(70)))
      .map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(
      nasty,
      nasty,
      fc.array(nasty, { maxLength: MOST_MENU_IMAGES }),
      fc.boolean(),
      (hostName, model, names, hasTest) => {
        const choices: MenuChoice[] = names.map((name, index) => ({
          kind: "deploy",
          image: { name, version: index + 1 },
        }));
        choices.push({ kind: "capture", image: hostName });
        const entries = menuEntries({ hostName, choices, memoryTest: hasTest ? memoryTest : {} });
        const lines = scriptOf({ ...about, hostName, model, entries }).split("\n");
        const plain = entries.map((entry) => ({ ...entry, title: "x" }));
        assert.equal(lines.length, scriptOf({ ...about, entries: plain }).split("\n").length, "a line more or less");
        checkEnds(lines);
        const own =
          /\|\| goto disk$|\|\|$|^iseq .* (&&|\|\|) .*|\$\{(pin|stars|choice|order|question[012]|yes|platform|buildarch)\}/g;
        for (const line of lines) {
          assert.match(line, /^[\x20-\x7e]*$/);
          if (line.startsWith("set ") || line.startsWith("menu ") || line.startsWith("item ")) {
            const words = line.replace(own, "").split(" ");
            assert(!words.some((word) => /^#(?!!)|^;$|^\|\|$|^&&$|\$\{/.test(word)), line);
          }
          const shown =
            /^(?:menu|item (?:--gap --|--key \S \S+)) (.*)$/.exec(line.replace(/ \|\| goto disk$/, ""))?.[1] ?? "";
          assert(shown.length <= 76, `${shown.length}: ${shown}`);
        }
        // iPXE gives a menu 20 rows.
        let rows = 0;
        for (const line of lines) {
          if (line.startsWith("menu ")) rows = 0;
          if (/(^|&& )item /.test(line)) rows += 1;
          assert(rows <= 20);
        }
        const numbers = entries.flatMap(({ does }) => (does.type === "order" ? [does.number] : []));
        assert.deepEqual(numbers, [...choices.keys()]);
        assert(
          numbers.every((number) => number <= 9),
          "the link has one digit",
        );
        const keys = entries.map(({ key }) => key);
        assert.equal(new Set(keys).size, keys.length);
      },
    ),
  );
});
