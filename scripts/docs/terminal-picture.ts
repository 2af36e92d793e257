/**
 * Makes a picture of what a command printed, for the README:
 *
 *     scripts/demo | tee /dev/stderr | node_modules/.bin/node scripts/docs/terminal-picture.ts scripts/demo > docs/demo.svg
 *
 * Lines that repeat a start (a second "GRUB starts") and long stretches stay as they are: it shows what was printed.
 */
import { text } from "node:stream/consumers";

const fontPx = 13;
const linePx = 18;
const marginPx = 16;
const columnPx = fontPx * 0.602;

const printed = (await text(process.stdin)).trimEnd().split("\n");
const lines = [`$ ${process.argv[2] ?? ""}`, ...printed];
const widthPx = Math.ceil(Math.max(...lines.map((line) => line.length)) * columnPx) + 2 * marginPx;
const heightPx = lines.length * linePx + 2 * marginPx;
const rows = lines.map((line, index) => {
  const colour = index === 0 ? "#7ee787" : /^\s+\d+:\d\d {2}(erasing|done)/.test(line) ? "#ffa657" : "#c9d1d9";
  return `<text x="${marginPx}" y="${marginPx + index * linePx + fontPx}" fill="${colour}">${escaped(line)}</text>`;
});
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${widthPx}" height="${heightPx}" \
viewBox="0 0 ${widthPx} ${heightPx}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" \
font-size="${fontPx}" xml:space="preserve">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join("\n")}
</svg>
`);

function escaped(line: string): string {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
