import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Bmap } from "../../images/bmap.ts";

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

test("a .bmap in bmaptool's own form", () => {
  const bmap = new Bmap(10 * 4096 + 100);
  const a = Buffer.alloc(4096, "a");
  const b = Buffer.alloc(8192, "b");
  const end = Buffer.alloc(100, "c");
  bmap.add(0, a);
  bmap.add(2 * 4096, a);
  bmap.add(3 * 4096, b);
  bmap.add(10 * 4096, end);
  const text = [...bmap.encode()].join("");
  const ownSum = /<BmapFileChecksum> ([0-9a-f]{64}) </.exec(text)![1]!;
  assert.equal(
    text,
    `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> 41060 </ImageSize>
    <BlockSize> 4096 </BlockSize>
    <BlocksCount> 11 </BlocksCount>
    <MappedBlocksCount> 5 </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${ownSum} </BmapFileChecksum>
    <BlockMap>
        <Range chksum="${sha256(a)}"> 0 </Range>
        <Range chksum="${sha256(Buffer.concat([a, b]))}"> 2-4 </Range>
        <Range chksum="${sha256(end)}"> 10 </Range>
    </BlockMap>
</bmap>
`,
  );
  assert.equal(sha256(text.replace(ownSum, "0".repeat(64))), ownSum);
});

test("a .bmap of an empty disk, and of a thousand stretches", () => {
  assert.match([...new Bmap(4096).encode()].join(""), /<MappedBlocksCount> 0 .*<BlockMap>\n {4}<\/BlockMap>/s);
  const bmap = new Bmap(4096 * 2000);
  for (let block = 0; block < 2000; block += 2) bmap.add(block * 4096, Buffer.alloc(4096, block));
  const text = [...bmap.encode()].join("");
  assert.equal(text.match(/<Range /g)!.length, 1000);
  assert(text.includes(`"${sha256(Buffer.alloc(4096, 1998))}"> 1998 </Range>`));
});
