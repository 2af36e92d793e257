import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

const init = join(import.meta.dirname, "../../../scripts/boot-image/init");

/** A folder as the agent leaves it, and a server that answers with each status in turn and notes what it was told. */
async function leftBehind(t: TestContext, statuses: readonly number[]) {
  const told: { method: string; path: string; token: string; type: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => {
      body += bytes.toString();
    });
    request.on("end", () => {
      const { authorization: token = "", "content-type": type = "" } = request.headers;
      told.push({ method: request.method ?? "", path: request.url ?? "", token, type, body });
      response.statusCode = statuses[told.length - 1] ?? 500;
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const folder = await mkdtemp(join(tmpdir(), "bootcast-last-word-"));
  t.after(() => rm(folder, { recursive: true }));
  const { port } = server.address() as AddressInfo;
  await writeFile(join(folder, "url"), `http://127.0.0.1:${port}/agent/v1/hosts/7/reports`);
  await writeFile(join(folder, "token"), "secret");
  await writeFile(join(folder, "report"), '{"state":"failed","detail":"It\'s \\"over\\"."}');
  /** Says it as /init does, by the boot image's shell. @returns its exit code */
  const say = () =>
    new Promise<number>((resolve) => {
      const script = `eval "$(sed -n '/^last_word()/,/^}/p' ${init})"; PATH=${folder}/bin:$PATH; last_word ${folder}`;
      const words = ["sh", "-c", `mkdir -p ${folder}/bin; busybox --install -s ${folder}/bin; ${script}`];
      execFile("busybox", words, (error) => resolve(error === null ? 0 : Number(error.code)));
    });
  return { folder, told, say };
}

test("what a dead agent left to be said is said, with its token, and once", async (t) => {
  const { folder, told, say } = await leftBehind(t, [200]);
  assert.equal(await say(), 0);
  assert.deepEqual(told, [
    {
      ...{ method: "POST", path: "/agent/v1/hosts/7/reports", token: "Bearer secret", type: "application/json" },
      body: '{"state":"failed","detail":"It\'s \\"over\\"."}',
    },
  ]);
  await assert.rejects(access(join(folder, "report")));
  assert.equal(await say(), 0, "nothing is left to be said");
  assert.equal(told.length, 1);
});

test("a server that does not take it is told again", async (t) => {
  const { told, say } = await leftBehind(t, [503, 200]);
  assert.notEqual(await say(), 0);
  assert.equal(await say(), 0);
  assert.equal(told.length, 2);
});
